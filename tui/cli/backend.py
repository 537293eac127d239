"""`continuum backend`: what else computes answers than the engine here."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tui.cli.hints import hint
from tui.cli.home import BaseOption, HomeOption, MemoryOption, resolve_home
from tui.cli.tables import print_table
from tui.printing import quiet_libraries, say

if TYPE_CHECKING:
    pass

app = typer.Typer(no_args_is_help=True)
NameArgument = Annotated[str, typer.Argument(help="The backend's name.")]


@app.command()
def add(
    name: NameArgument,
    source: Annotated[
        str,
        typer.Argument(
            help="Folder of an adapter for PEFT, GGUF file for llama.cpp, or address of an API "
            "like OpenAI's (vLLM, Ollama, a cloud)."
        ),
    ],
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="KEY=VALUE of its kind, such as model=large, key_env=MY_KEY."),
    ] = None,
    base: BaseOption = None,
    home: HomeOption = None,
    _memory: MemoryOption = None,
) -> None:
    """Make known what personas may stand on; --base says which base of this home it runs."""
    from genome.gguf_base import check_gguf_base
    from genome.single import with_single
    from persona.backends import Backends, Foundation
    from seeds.bases import fingerprint_of, load_base

    folder = resolve_home(home)
    quiet_libraries()
    facts: dict[str, Any] = dict(setting(text) for text in settings or ())
    adapter = None
    if source.startswith(("http://", "https://")):
        facts |= {"kind": "openai", "url": source}
        if base is not None:
            facts["base"] = fingerprint_of(folder, base)
    else:
        model = load_base(folder, base)
        facts["base"] = model.fingerprint
        if source.endswith(".gguf"):
            facts |= {"kind": "llama.cpp", "path": str(Path(source).expanduser().absolute())}
            check_gguf_base(Path(facts["path"]), model)
        else:
            facts["kind"], adapter = "peft", Path(source).expanduser()
            with_single(model, adapter)
    found = Foundation.of(name, facts)
    Backends(folder).add(found, adapter)
    say(f"{name} is a {found.kind} backend")
    if adapter:
        hint("PEFT alone runs it: it answers more slowly, and is never composed, evolved or sold")
    hint(f"try it: `continuum backend check {name}`")
    hint(f"give it a persona: `continuum persona create NAME --backend {name}`")


def setting(text: str, option: str = "--set") -> tuple[str, Any]:
    """A key and a value of TOML, as an option gives them; what is none is a text."""
    import tomllib

    from tui.cli.errors import OptionError

    key, equals, value = text.partition("=")
    if not (key and equals):
        raise OptionError(f"{option} takes KEY=VALUE, not {text!r:.80}: give both")
    try:
        return key, tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return key, value


@app.command("list")
def list_backends(home: HomeOption = None) -> None:
    """Every backend, and who stands on it."""
    from genome.bases import Bases
    from persona.backends import Backends
    from persona.persona import PersonaStore

    folder = resolve_home(home)
    names, store = Bases(folder).names(), PersonaStore(folder)
    personas = [store.load(name) for name in store.names()]
    rows = [
        (
            one.name,
            one.kind,
            names.get(one.base, one.base) or "-",
            ", ".join(p.name for p in personas if p.backend == one.name) or "-",
        )
        for one in Backends(folder).all().values()
    ]
    print_table("backends", ("name", "kind", "for base", "personas"), rows)


@app.command()
def check(
    name: NameArgument,
    question: Annotated[str, typer.Argument(help="What it is asked.")] = "Say hello.",
    home: HomeOption = None,
    _memory: MemoryOption = None,
) -> None:
    """Ask a backend something, and say how long it took."""
    from economy.answering import Answering
    from genome.genome import Genome
    from persona.backends import Backends
    from persona.sampling import Sampling

    folder = resolve_home(home)
    quiet_libraries()
    found = Backends(folder).get(name)
    with closing(Answering(folder)) as answering:
        backend = answering.backend(name)
        begun = time.perf_counter()
        said = backend.answer(Genome(found.base), question, Sampling(max_tokens=32))
        say(said)
        seconds = time.perf_counter() - begun
        hint(f"answered in {seconds:.1f} s; {backend.report()}")


@app.command()
def remove(name: NameArgument, home: HomeOption = None) -> None:
    """Forget a backend, with its files in this home."""
    from persona.backends import Backends
    from persona.persona import PersonaStore
    from tui.cli.errors import CommandError

    folder = resolve_home(home)
    store = PersonaStore(folder)
    standing = [p for p in store.names() if store.load(p).backend == name]
    if standing:
        raise CommandError(
            f"{', '.join(standing)} stands on backend {name}: `continuum persona remove "
            f"{standing[0]}` first"
        )
    Backends(folder).remove(name)
    say(f"{name} is removed")
