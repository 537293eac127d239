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
    temperature: TemperatureOption = None,
    max_tokens: MaxTokensOption = None,
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
    from economy.answering import Answering
    from persona.persona import PersonaStore
    from persona.sampling import Said

    folder = existing_home(home, "personas")
    persona = PersonaStore(folder).load(name)
    quiet_libraries()
    chosen = {"temperature": temperature, "max_tokens": max_tokens, "seed": seed}
    chosen = {key: value for key, value in chosen.items() if value is not None}
    sampling = persona.sampled(logprobs=logprobs, **chosen)
    with closing(Answering(folder, base)) as answering:
        backend, genome, found = answering.assembled(persona, question)
        messages = answering.messages(persona, [{"role": "user", "content": question}])
        with closing(backend.stream(genome, messages, backend.prepare(sampling))) as parts:
            answer = list(parts)
        say("".join(part.text for part in answer))
        if persona.backend and (report := backend.report()):
            hint(report, err=True)
        if logprobs is not None:
            model = answering.base(persona.base_model)
            rows = [_token_row(model, part) for part in answer if isinstance(part, Said)]
            print_table("tokens", ("token", "log-probability", "likeliest"), rows)
        if found:
            hint(
                f"{persona.name} took up {found.manifest.name} for it ({found.similarity:.2f})",
                err=True,
            )
        elif persona.layers:
            own = answering.base(persona.base_model)
            _warn_if_unable(answering.library, persona, question, own)


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
    kinds: Annotated[
        list[str] | None,
        typer.Option(
            "--kind",
            help="What each layer is for: domain, project, personality, recent.",
            show_default="domain",
        ),
    ] = None,
    system: Annotated[str, typer.Option(help="What it is told to be.")] = "",
    retrieve: Annotated[
        bool, typer.Option("--retrieve", help="Take up the layer that is sure of a message.")
    ] = False,
    kind: Annotated[
        str,
        typer.Option("--type", help="Such as helper, teacher or debugger.", show_default="none"),
    ] = "",
    home: HomeOption = None,
) -> None:
    """Make a persona of layers, on a backend, or of a type that is told what to be."""
    from economy.revocations import refuse_revoked
    from genome.base_model import BaseModel
    from genome.library import Library
    from persona.backends import Backends
    from persona.persona import Persona, PersonaStore
    from seeds.bases import default_base
    from seeds.personas import persona_of
    from tui.cli.errors import OptionError
    from tui.jobs.importing import base_needed

    if not (layers or backend or kind or system):
        raise OptionError(
            "a persona is made of layers, stands on a backend or is told what to be: give "
            "--layer LAYER, --type TYPE or --system TEXT"
        )
    folder = existing_home(home, "library") if layers else resolve_home(home)
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
    told = "helper with " + ", ".join(layers) if layers else f"what {backend or 'it is told'} says"
    if kind:
        found = default_base(folder)
        plain = persona_of(kind, name, BaseModel.outline(found.path))
        system, told, retrieve = system or plain.system, plain.description, True
    persona = Persona(
        name,
        bases[0] if bases else default_base(folder).fingerprint,
        digests,
        description or told,
        tuple(weights or ()),
        listing,
        backend,
        tuple(kinds or ()),
        system,
        retrieve,
    )
    if persona.layers:
        persona.genome(library)
    PersonaStore(folder).create(persona)
    hint(f"{name} is ready: `continuum persona ask {name} QUESTION`")


@app.command()
def edit(
    name: NameArgument,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="KEY=VALUE, such as system=TEXT, sampling.temperature=0.2, retrieves=true.",
            show_default="opens the file in $EDITOR",
        ),
    ] = None,
    home: HomeOption = None,
) -> None:
    """Change a persona; what it was stays in its history."""
    import tomllib

    import tomli_w

    from persona.persona import Persona, PersonaStore
    from tui.cli.backend import setting
    from tui.cli.errors import CommandError

    store = PersonaStore(existing_home(home, "personas"))
    path = store.path(name)
    if settings:
        table = tomllib.loads(store.load(name).text())
        for key, value in map(setting, settings):
            within = table
            *outer, own = key.split(".")
            for part in outer:
                within = within.setdefault(part, {})
                if not isinstance(within, dict):
                    raise CommandError(f"{part} is no table: --set {part}=VALUE changes it whole")
            within[own] = value
        text = tomli_w.dumps(table)
    else:
        text = _edited(path.read_text() if path.suffix == ".toml" else store.load(name).text())
    try:
        persona = Persona.parse(name, text)
        persona.sampled()
    except (ValueError, TypeError) as error:
        raise CommandError(f"{name} stays as it was: {error}") from None
    store.change(persona, text)
    say(f"{name} is changed")


def _edited(text: str) -> str:
    """What a person makes of a text in the editor of $VISUAL or $EDITOR."""
    import os
    import shlex
    import subprocess
    import tempfile

    from tui.cli.errors import CommandError

    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR")
    if not editor:
        raise CommandError("EDITOR names no editor: set it, or give --set KEY=VALUE")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "persona.toml"
        file.write_text(text, encoding="utf-8")
        try:
            subprocess.run([*shlex.split(editor), str(file)], check=True)
            return file.read_text(encoding="utf-8")
        except (OSError, ValueError, subprocess.CalledProcessError) as error:
            raise CommandError(f"{editor} failed ({error}): set EDITOR to another") from None


@app.command()
def clone(
    name: NameArgument,
    new: Annotated[str, typer.Argument(help="Name of the copy.")],
    home: HomeOption = None,
) -> None:
    """Make a persona that begins as another is now."""
    from dataclasses import replace

    from persona.persona import PersonaStore

    store = PersonaStore(existing_home(home, "personas"))
    store.create(replace(store.load(name), name=new))
    say(f"{new} begins as {name} is now")


@app.command()
def history(
    name: NameArgument,
    back_to: Annotated[
        int | None, typer.Option(min=1, help="Number of the version to go back to.")
    ] = None,
    home: HomeOption = None,
) -> None:
    """What a persona was before each change."""
    from datetime import UTC, datetime

    from persona.persona import PersonaStore
    from tui.cli.errors import CommandError

    store = PersonaStore(existing_home(home, "personas"))
    now = store.load(name)
    versions = store.history(name)
    if back_to is not None:
        if back_to > len(versions):
            raise CommandError(f"{name} has {len(versions)} earlier versions, not {back_to}")
        store.change(store.read(versions[back_to - 1], name))
        say(f"{name} is what it was as number {back_to}")
        return
    rows, after = [], now.text()
    for number, path in reversed([*enumerate(versions, 1)]):
        was = store.read(path, name).text()
        gone = {*was.splitlines()} - {*after.splitlines()}
        when = datetime.fromtimestamp(path.stat().st_mtime, UTC).strftime("%Y-%m-%d %H:%M")
        rows.append((str(number), when, "; ".join(sorted(gone))[:200] or "-"))
        after = was
    print_table(f"what {name} was", ("number", "until (UTC)", "what changed then"), rows)


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
            "told to be": persona.system or "-",
            "takes up layers": "what is sure of a message" if persona.retrieves else "-",
            "file": str(PersonaStore(folder).path(name)),
        },
    )
    rows = [
        (
            library.row(digest).name if digest in library else "(not here)",
            library.row(digest).version if digest in library else "-",
            kind,
            f"{weight:g}",
            digest[:12],
        )
        for digest, kind, weight in persona.parts()
    ]
    if rows:
        columns = ("name", "version", "kind", "weight", "digest")
        print_table("layers, first applied first", columns, rows)


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
