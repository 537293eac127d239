"""`continuum persona`: who answers in one home."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tui.cli.chat import MaxTokensOption, SeedOption, TemperatureOption
from tui.cli.hints import hint
from tui.cli.home import BaseOption, HomeOption, MemoryOption, existing_home, resolve_home
from tui.cli.tables import print_facts, print_table
from tui.printing import quiet_libraries, say

if TYPE_CHECKING:
    from genome.base_model import BaseModel
    from genome.library import Library
    from persona.persona import Persona
    from persona.sampling import Said

app = typer.Typer(no_args_is_help=True)
NameArgument = Annotated[str, typer.Argument(help="The persona's name.")]


@app.command("list")
def list_personas(home: HomeOption = None) -> None:
    """Every persona."""
    from genome.bases import Bases
    from persona.persona import PersonaStore

    store = PersonaStore(existing_home(home, "personas"))
    personas = [store.load(name) for name in store.names()]
    names = Bases(store.folder.parent).names()
    rows = [
        (
            p.name,
            names.get(p.base_model, p.base_model) or "-",
            p.backend or "-",
            str(len(p.layers)),
            p.description,
        )
        for p in personas
    ]
    columns = ("name", "for base", "backend", "layers", "description")
    print_table("personas", columns, rows)


@app.command()
def ask(
    name: NameArgument,
    question: Annotated[str, typer.Argument(help='For example "sort: 4 2 9".')],
    temperature: TemperatureOption = 0.0,
    max_tokens: MaxTokensOption = 64,
    seed: SeedOption = None,
    logprobs: Annotated[
        int | None,
        typer.Option(
            min=0, max=20, help="Show each token's log-probability, and that of so many others."
        ),
    ] = None,
    base: BaseOption = None,
    home: HomeOption = None,
    _memory: MemoryOption = None,
) -> None:
    """Ask a persona one question."""
    from economy.revocations import refuse_revoked
    from genome.library import Library
    from persona.persona import PersonaStore
    from persona.sampling import Said, Sampling
    from tui.cli.backend import Answering

    folder = existing_home(home, "personas")
    persona = PersonaStore(folder).load(name)
    refuse_revoked(folder, persona.layers)
    quiet_libraries()
    library = Library.open(folder)
    sampling = Sampling(
        temperature=temperature, max_tokens=max_tokens, seed=seed, logprobs=logprobs
    )
    messages = [{"role": "user", "content": question}]
    with closing(Answering(folder, base)) as answering:
        backend, genome = answering.of(persona, library)
        with closing(backend.stream(genome, messages, backend.prepare(sampling))) as parts:
            answer = list(parts)
        say("".join(part.text for part in answer))
        if persona.backend and (report := backend.report()):
            hint(report, err=True)
        if logprobs is not None:
            model = answering.base(persona.base_model)
            rows = [_token_row(model, part) for part in answer if isinstance(part, Said)]
            print_table("tokens", ("token", "log-probability", "likeliest"), rows)
        if persona.layers:
            _warn_if_unable(library, persona, question, answering.base(persona.base_model))


def _token_row(base: BaseModel, part: Said) -> tuple[str, str, str]:
    others = (f"{base.tokenizer.decode([token])!r} {value:.3f}" for token, value in part.likeliest)
    return repr(base.tokenizer.decode([part.token])), f"{part.logprob:.3f}", ", ".join(others)


def _warn_if_unable(library: Library, persona: Persona, question: str, base: BaseModel) -> None:
    """Say so where none of its layers is known to be good at such questions, by search's rule."""
    fingerprint = base.fingerprint
    if not (persona.layers and library.encoder_id(fingerprint)):
        return
    found = library.search(
        question,
        encoder=library.encoder(base),
        base_model=fingerprint,
        among=persona.layers,
        unbound=True,
        k=1,
    )
    enough = library.clear_match(fingerprint)
    if found and found[0].similarity < enough:
        note = (
            f"note: {persona.name} is not known to be good at this ({found[0].similarity:.2f}, "
            f"sure from {enough:.2f}): `continuum layer search QUESTION` finds who"
        )
        hint(note, err=True)


@app.command()
def create(
    name: NameArgument,
    layers: Annotated[
        list[str] | None,
        typer.Option(
            "--layer", "-l", help="Name, NAME@VERSION or digest of a layer; first applied first."
        ),
    ] = None,
    weights: Annotated[
        list[float] | None,
        typer.Option(
            "--weight", "-w", help="Scale of each layer, in their order.", show_default="1 each"
        ),
    ] = None,
    description: Annotated[str, typer.Option(show_default="its layers")] = "",
    listing: Annotated[
        str,
        typer.Option(
            help="Listing of the market: a message over the network costs its rate of use.",
            show_default="free",
        ),
    ] = "",
    backend: Annotated[
        str,
        typer.Option(
            help="What computes its answers; `continuum backend list` shows those known.",
            show_default="the engine here",
        ),
    ] = "",
    home: HomeOption = None,
) -> None:
    """Make a persona from layers of the library, on a backend, or both."""
    from economy.revocations import refuse_revoked
    from genome.library import Library
    from persona.backends import Backends
    from persona.persona import Persona, PersonaStore
    from tui.cli.errors import OptionError
    from tui.jobs.importing import base_needed

    if not (layers or backend):
        raise OptionError("a persona is made of layers or stands on a backend: give --layer LAYER")
    folder = resolve_home(home) if backend else existing_home(home, "library")
    library = Library.open(folder)
    digests = tuple(library.resolve(layer) for layer in layers or ())
    refuse_revoked(folder, digests)
    quiet_libraries()
    bases = [base_needed(folder, library, digest) for digest in digests]
    if backend:
        foundation = Backends(folder).get(backend)
        bases = [foundation.base, *bases]
        if layers and foundation.kind == "peft":
            raise OptionError(f"PEFT runs {backend} alone: leave --layer out")
    told = description or ("helper with " + ", ".join(layers) if layers else f"what {backend} says")
    persona = Persona(name, bases[0], digests, told, tuple(weights or ()), listing, backend)
    if persona.layers:
        persona.genome(library)
    PersonaStore(folder).create(persona)
    hint(f"{name} is ready: `continuum persona ask {name} QUESTION`")


@app.command()
def show(name: NameArgument, home: HomeOption = None) -> None:
    """What a persona is made of."""
    from genome.library import Library
    from persona.persona import PersonaStore

    folder = existing_home(home, "personas")
    persona = PersonaStore(folder).load(name)
    library = Library.open(folder)
    known = library.bases.names().get(persona.base_model, "not here")
    print_facts(
        persona.name,
        {
            "description": persona.description,
            "base model": f"{known} ({persona.base_model})",
            "backend": persona.backend,
            "paid as": persona.listing or "nothing: it is free",
        },
    )
    rows = [
        (
            library.row(digest).name if digest in library else "(not here)",
            library.row(digest).version if digest in library else "-",
            f"{weight:g}",
            digest[:12],
        )
        for digest, weight in zip(
            persona.layers, persona.weights or (1.0,) * len(persona.layers), strict=True
        )
    ]
    if rows:
        print_table("layers, first applied first", ("name", "version", "weight", "digest"), rows)


@app.command()
def export(
    name: NameArgument,
    path: Annotated[Path, typer.Argument(help="New folder, or file.gguf for llama.cpp.")],
    modelfile: Annotated[
        bool, typer.Option("--modelfile", help="For Ollama: weights with the layers in them.")
    ] = False,
    home: HomeOption = None,
    _memory: MemoryOption = None,
) -> None:
    """Write a persona for other programs."""
    from economy.revocations import refuse_revoked
    from genome.library import Library
    from persona.modelfile import export_adapter, export_modelfile
    from persona.persona import PersonaStore
    from seeds.bases import known_bases, load_base_of
    from tui.cli.errors import OptionError

    adapter = path.suffix == ".gguf"
    if modelfile == adapter:
        raise OptionError(
            f"say for what: `continuum persona export {name} FOLDER --modelfile` is for Ollama, "
            f"`continuum persona export {name} FILE.gguf` for llama.cpp"
        )
    folder = existing_home(home, "personas")
    persona = PersonaStore(folder).load(name)
    refuse_revoked(folder, persona.layers)
    quiet_libraries()
    base = load_base_of(folder, persona.base_model)
    genome = persona.genome(Library.open(folder)).on(base.fingerprint)
    known = known_bases(folder).get(base.fingerprint)
    if adapter:
        export_adapter(path, genome, base)
        say(f"{path} has its layers: llama-server -m GGUF-OF-{known.name} --lora {path}")
        return
    export_modelfile(path, persona, genome, base, known.name, known.licence)
    say(f"{path} has a Modelfile and the weights: ollama create {name} -f {path / 'Modelfile'}")


@app.command()
def remove(name: NameArgument, home: HomeOption = None) -> None:
    """Delete a persona; its layers stay in the library."""
    from persona.persona import PersonaStore

    PersonaStore(existing_home(home, "personas")).remove(name)
    say(f"{name} is removed")
