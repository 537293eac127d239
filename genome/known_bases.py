"""The base models that a home knows: where each is, and which modules a layer may change.

    HOME/bases.json   one entry per base, in the order in which they were first used

A layer's file seldom says which base it was trained for; names and shapes say which it fits. They
are kept here, so that importing a layer loads no model and no torch.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from genome.errors import LayerRejected, LibraryError
from genome.files import locked, write_json
from genome.fit import Shapes, check_base, check_modules

if TYPE_CHECKING:
    from genome.base_model import BaseModel

FILE = "bases.json"
FORMAT = 1


@dataclass(frozen=True, slots=True)
class KnownBase:
    """One base model as a home remembers it."""

    name: str
    fingerprint: str
    """`BaseModel.fingerprint`."""
    path: str
    """Absolute folder, or hub id."""
    shapes: Shapes
    """Of every linear map that a layer may change."""
    stamp: str = ""
    """Sizes and times of the folder's files when it was read; empty for a hub id."""

    @property
    def is_current(self) -> bool:
        """Whether the folder still has the files that were read."""
        return stamp_of(self.path) == self.stamp

    def is_called(self, text: str) -> bool:
        """Whether a folder or hub id that somebody wrote down is this base's, on any machine."""
        return bool(text) and Path(text).name.lower() in (self.name, Path(self.path).name.lower())

    def fits(self, shapes: Shapes) -> bool:
        """Whether the base has every module of a layer, in its shape."""
        try:
            check_modules(shapes, self.shapes)
        except LayerRejected:
            return False
        return True


class KnownBases:
    """The list of one home; an empty one if there is no file yet."""

    def __init__(self, home: str | Path) -> None:
        self.home = Path(home)
        self.path = self.home / FILE

    def all(self) -> tuple[KnownBase, ...]:
        """Every base, first used first.

        Raises:
            LibraryError: The file cannot be read.
        """
        try:
            data = json.loads(self.path.read_text(encoding="utf-8"))
            if data["format"] != FORMAT:
                raise ValueError(f"format {data['format']}")
            return tuple(_read(facts) for facts in data["bases"])
        except FileNotFoundError:
            return ()
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise LibraryError(
                f"{self.path} is no list of base models ({error}): delete it, and name bases with "
                "--base FOLDER again"
            ) from None

    def find(self, reference: str) -> KnownBase | None:
        """The base of this name, fingerprint or path; None if it is none of them."""
        if not reference:
            return None
        known = self.all()
        path = os.path.abspath(os.path.expanduser(reference))
        return next(
            (b for b in known if reference in (b.name, b.fingerprint, b.path) or b.path == path),
            None,
        )

    def named(self, fingerprint: str) -> str:
        """What to call a base: its name here, else its fingerprint."""
        found = next((b for b in self.all() if b.fingerprint == fingerprint), None)
        return found.name if found else fingerprint

    def remember(self, base: BaseModel, name: str = "") -> KnownBase:
        """Add a loaded base, or bring its entry up to date.

        Args:
            name: What to call it; default the last part of its path.

        Raises:
            OSError: The disk is full or refuses.
        """
        folder = os.path.abspath(base.path)
        path = folder if os.path.isdir(folder) else base.path
        from genome.running.stack import linear_sites

        shapes = {n: (site.n_out, site.n_in) for n, site in linear_sites(base.model).items()}
        entry = KnownBase(name, base.fingerprint, path, shapes, stamp_of(path))
        for there in self.all():
            if there == replace(entry, name=name or there.name):
                return there
        with locked(self.home / f".{FILE}.lock"):
            known = self.all()
            old = next((b for b in known if b.fingerprint == entry.fingerprint), None)
            # a folder whose files changed no longer leads to the base that it held before
            others = [b for b in known if b is not old and b.path != path]
            name = name or (old.name if old else _free_name(path, {b.name for b in others}))
            entry = replace(entry, name=name)
            others.insert(known.index(old) if old else len(others), entry)
            write_json(self.path, {"format": FORMAT, "bases": [asdict(b) for b in others]})
        return entry


def stamp_of(path: str) -> str:
    """Sizes and times of a folder's files, so that a change is seen; empty without a folder."""
    try:
        files = sorted((e for e in os.scandir(path) if e.is_file()), key=lambda e: e.name)
    except OSError:
        return ""
    return " ".join(f"{e.name}:{e.stat().st_size}:{e.stat().st_mtime_ns}" for e in files)


def _read(facts: dict[str, object]) -> KnownBase:
    shapes = facts.pop("shapes")
    if not isinstance(shapes, dict) or not all(isinstance(v, str) for v in facts.values()):
        raise ValueError("an entry has values of another type")
    pairs = {str(module): (int(out), int(n_in)) for module, (out, n_in) in shapes.items()}
    return KnownBase(shapes=pairs, **facts)  # type: ignore[arg-type]


def _free_name(path: str, taken: set[str]) -> str:
    stem = re.sub(r"[^a-z0-9._-]+", "-", Path(path).name.lower()).strip("-._")[:60] or "base"
    numbers = (f"{stem}-{n}" for n in range(2, len(taken) + 3))
    return next(name for name in (stem, *numbers) if name not in taken)


def chosen_base(
    bases: Sequence[KnownBase],
    layer: Shapes,
    *,
    stated: str = "",
    wanted: str = "",
    trained_on: str = "",
) -> str:
    """Fingerprint of the base that a layer is to run on; empty if it fits none that is known.

    Args:
        bases: Those that are known, first choice first.
        layer: Of the layer's modules.
        stated: Fingerprint that the layer itself names; a base that is not known can be no other.
        wanted: Fingerprint that a person chose.
        trained_on: What the layer says of its base's folder or hub id: decides between several.

    Raises:
        LayerRejected: base_mismatch, module_unknown, module_shape.
    """
    check_base(stated, wanted)
    if wanted or stated:
        for base in bases:
            if base.fingerprint == (wanted or stated):
                check_modules(layer, base.shapes)
        return wanted or stated
    fitting = [base for base in bases if base.fits(layer)]
    fitting.sort(key=lambda base: not base.is_called(trained_on))
    return fitting[0].fingerprint if fitting else ""
