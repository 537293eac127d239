"""Who is meant by a name in `trial` and `exam`: a persona, a layer folder, or the base itself."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from persona.persona import PersonaStore
from tui.cli.errors import OptionError
from tui.cli.home import existing_home, resolve_home
from tui.printing import quiet_libraries

if TYPE_CHECKING:
    from academy.evaluator import LocalEvaluator
    from genome.base_model import BaseModel
    from genome.genome import Genome

BASE_NAME = "base"


@dataclass(frozen=True)
class Entrant:
    """One side: what to call it, and its genome."""

    name: str
    genome: Genome
    receipts: tuple[str, ...] = ()
    """Skills that receipts of all its layers together are about; of each, if there are none."""


def load_evaluator(base: str | None, home: Path | None, names: Sequence[str]) -> LocalEvaluator:
    """An evaluator on the base that was chosen, else on the one that the first entrant runs on.

    Args:
        names: As `load_entrant` takes them.
    """
    from academy.evaluator import LocalEvaluator
    from genome.layer import Layer
    from seeds.bases import load_base, load_base_for, load_base_of

    quiet_libraries()
    folder = resolve_home(home)
    if base is None:
        for name in names:
            if _is_path(name):
                layer = Layer.from_peft(Path(name).expanduser())
                return LocalEvaluator(load_base_for(folder, layer))
            if name != BASE_NAME:
                persona = PersonaStore(existing_home(home, "personas")).load(name)
                return LocalEvaluator(load_base_of(folder, persona.base_model))
    return LocalEvaluator(load_base(folder, base))


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

    folder = existing_home(home, "personas")
    persona = PersonaStore(folder).load(name)
    library = Library.open(folder)
    receipts = [r for digest in persona.layers for r in library.manifest(digest).receipts]
    genome = persona.genome(library).on(base.fingerprint)
    receipts = [r for r in receipts if r.layers == persona.layers] or receipts
    return Entrant(name, genome, tuple(dict.fromkeys(r.skill for r in receipts)))
