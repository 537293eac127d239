"""Which base model to run: the one a person names, or the one that a layer or persona belongs to.

Every base that a home runs is remembered in its `bases.json`, so that layers can be bound to it.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from genome.errors import UnknownBaseError
from genome.known_bases import KnownBases
from seeds.load import embedded_base_path

if TYPE_CHECKING:  # looking a base up needs no torch
    from genome.base_model import BaseModel

EMBEDDED = "embedded"
"""What the base that ships with Continuum is called."""


def known_bases(home: Path) -> KnownBases:
    """The bases that a home knows; the embedded one always is among them."""
    bases = KnownBases(home)
    path = str(embedded_base_path())
    if not any(base.path == path and base.is_current for base in bases.all()):
        load_base(home)
    return bases


def load_base(home: Path, reference: str | Path | None = None) -> BaseModel:
    """Load a base and remember it.

    Args:
        reference: Name or fingerprint of a base the home knows, a folder, or a hub id; None = the
            embedded base.

    Raises:
        BaseModelError: It cannot be loaded.
    """
    from genome.base_model import BaseModel

    bases = KnownBases(home)
    found = None if reference is None else bases.find(str(reference))
    embedded = reference is None or reference == EMBEDDED
    path = found.path if found else embedded_base_path() if embedded else reference
    base = BaseModel.load(str(path))
    if home.is_dir():
        with suppress(OSError):  # a list that cannot be written only has to be asked for again
            bases.remember(base, EMBEDDED if Path(str(path)) == embedded_base_path() else "")
    return base


def load_base_of(home: Path, fingerprint: str, reference: str | Path | None = None) -> BaseModel:
    """Load the base that something belongs to, unless a person names another.

    Raises:
        UnknownBaseError: The home knows no base of this fingerprint.
        BaseModelError: It cannot be loaded.
    """
    if reference is not None:
        return load_base(home, reference)
    known = known_bases(home).find(fingerprint)
    base = load_base(home, None if known is None else known.path)  # none: no home to remember it
    if base.fingerprint != fingerprint:
        names = [base.name for base in KnownBases(home).all()]
        raise UnknownBaseError(fingerprint, names)
    return base


def fingerprint_of(home: Path, reference: str) -> str:
    """The fingerprint of a base by its name, folder or hub id here; anything else is one itself.

    Raises:
        BaseModelError: A folder of that name holds no base model.
    """
    found = KnownBases(home).find(reference)
    if found is not None:
        return found.fingerprint
    is_base = reference == EMBEDDED or Path(reference).is_dir()
    return load_base(home, reference).fingerprint if is_base else reference
