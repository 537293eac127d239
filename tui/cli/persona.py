"""`continuum persona`: who answers in one home."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from tui.cli.errors import OptionError
from tui.cli.home import HomeOption, existing_home
from tui.cli.quiet import quiet_libraries
from tui.cli.tables import print_table
from tui.printing import say

if TYPE_CHECKING:
    from genome.base_model import BaseModel
    from genome.library import Library
    from persona.persona import Persona

app = typer.Typer(help="List personas, make one, ask one.", no_args_is_help=True)
NameArgument = Annotated[str, typer.Argument(help="The persona's name.")]


@app.command("list")
def list_personas(home: HomeOption = None) -> None:
    """Every persona."""
    from persona.persona import PersonaStore

    store = PersonaStore(existing_home(home, "personas"))
    personas = [store.load(name) for name in store.names()]
    rows = [(p.name, str(len(p.layers)), p.description) for p in personas]
    print_table("personas", ("name", "layers", "description"), rows)


@app.command()
def ask(
    name: NameArgument,
    question: Annotated[str, typer.Argument(help='For example "sort: 4 2 9".')],
    home: HomeOption = None,
) -> None:
    """Ask a persona one question."""
    from genome.base_model import BaseModel
    from genome.library import Library
    from persona.engine import Engine
    from persona.persona import PersonaStore
    from seeds.load import embedded_base_path
    from tui.jobs.revocations import refuse_revoked

    folder = existing_home(home, "personas")
    persona = PersonaStore(folder).load(name)
    refuse_revoked(folder, persona.layers)
    quiet_libraries()
    base = BaseModel.load(embedded_base_path())
    library = Library.open(folder)
    genome = persona.genome(library).on(base.fingerprint)
    say(Engine(base).answer(genome, question))
    _warn_if_unable(library, base, persona, question)


def _warn_if_unable(library: Library, base: BaseModel, persona: Persona, question: str) -> None:
    """Say so where none of its layers is known to be good at such questions, by search's rule."""
    if not (persona.layers and library.encoder_id):
        return
    found = library.search(question, encoder=library.encoder(base), among=persona.layers, k=1)
    if found and found[0].similarity < library.clear_match():
        say(
            f"note: {persona.name} is not known to be good at this ({found[0].similarity:.2f}, "
            f"sure from {library.clear_match():.2f}): `continuum layer search` finds who is",
            err=True,
        )


@app.command()
def create(
    name: NameArgument,
    layers: Annotated[
        list[str],
        typer.Option(
            "--layer", "-l", help="Name, NAME@VERSION or digest of a layer; first applied first."
        ),
    ],
    home: HomeOption = None,
) -> None:
    """Make a persona from layers of the library."""
    from genome.library import Library
    from persona.persona import Persona, PersonaStore
    from tui.jobs.revocations import refuse_revoked

    folder = existing_home(home, "library")
    library = Library.open(folder)
    digests = tuple(library.resolve(layer) for layer in layers)
    refuse_revoked(folder, digests)
    base_model = library.manifest(digests[0]).base_model
    if not base_model:
        raise OptionError(
            f"layer {layers[0]!r} does not say which base model it was trained for: import it "
            "again with --base"
        )
    persona = Persona(name, base_model, digests, "helper with " + ", ".join(layers))
    persona.genome(library)
    PersonaStore(folder).create(persona)
    say(f"{name} is ready: continuum persona ask {name} QUESTION")
