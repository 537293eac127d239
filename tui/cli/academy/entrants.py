"""Who is meant by a name in `trial` and `exam`: a persona, a layer folder, or the base itself."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tui.cli.errors import OptionError
from tui.cli.home import existing_home
from tui.cli.quiet import quiet_libraries

if TYPE_CHECKING:
    from academy.evaluator import LocalEvaluator
    from genome.base_model import BaseModel
    from genome.genome import Genome

BASE_NAME = "base"
BaseOption = Annotated[
    Path | None,
    typer.Option(
        "--base", help="Folder of the base model.", show_default="the one that ships with Continuum"
    ),
]


@dataclass(frozen=True)
class Entrant:
    """One side: what to call it, and its genome."""

    name: str
    genome: Genome
    receipts: tuple[str, ...] = ()
    """Skills that receipts of its layers are about."""


def load_evaluator(base: Path | None) -> LocalEvaluator:
    """An evaluator on the embedded base model, or on the one in a folder."""
    from academy.evaluator import LocalEvaluator
    from genome.base_model import BaseModel
    from seeds.load import embedded_base_path

    quiet_libraries()
    return LocalEvaluator(BaseModel.load(embedded_base_path() if base is None else base))


def load_entrant(name: str, home: Path | None, evaluator: LocalEvaluator) -> Entrant:
    """The genome of that name.

    Args:
        name: A persona of the home; the path of a PEFT folder; or `base`.

    Raises:
        PersonaNotFoundError: There is no such persona; the nearest are named.
        GenomeError: A layer is damaged or was trained for another base model.
        HomeNotFoundError: A persona is asked for and the home has none.
    """
    from genome.genome import Genome

    base = evaluator.base
    if name == BASE_NAME:
        return Entrant(name, Genome(base.fingerprint))
    found = _layer_folder(name, base) if _is_path(name) else _persona(name, home, base)
    evaluator.check(found.genome)
    return found


def check_count(option: str, value: int, *, least: int = 1, most: int | None = None) -> None:
    """Refuse a number that makes no sense.

    Raises:
        OptionError: It is out of bounds.
    """
    if value < least:
        raise OptionError(f"{option} is {value}: use {option} {least} or more")
    if most is not None and value > most:
        raise OptionError(f"{option} is {value}: use {option} {most} or less")


def _is_path(name: str) -> bool:
    """Persona names have no separator; a folder in the current one needs `./` before it."""
    return os.sep in name or (os.altsep is not None and os.altsep in name) or name in (".", "..")


def _layer_folder(path: str, base: BaseModel) -> Entrant:
    from genome.genome import Genome
    from genome.layer import Layer

    folder = Path(path).expanduser()
    genome = Genome.of(Layer.from_peft(folder).bound_to(base.fingerprint))
    return Entrant(Path(path).name, genome)


def _persona(name: str, home: Path | None, base: BaseModel) -> Entrant:
    from genome.library import Library
    from persona.persona import PersonaStore

    folder = existing_home(home, "personas")
    persona = PersonaStore(folder).load(name)
    library = Library.open(folder)
    receipts = [r for digest in persona.layers for r in library.manifest(digest).receipts]
    genome = persona.genome(library).on(base.fingerprint)
    return Entrant(name, genome, tuple(dict.fromkeys(r.skill for r in receipts)))
