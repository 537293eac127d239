"""The base models that a home knows: what each is called, where it is, what a layer may change.

    HOME/bases.json   the default's fingerprint, and one entry per base, first known first
    HOME/bases/NAME   the files of those that were fetched or converted

A base is its fingerprint; names, hub ids and hashes of files are aliases. A layer's file seldom
says which base it was trained for; names and shapes say which it fits. They are kept here, so
that importing a layer loads no model and no torch.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genome.errors import LayerRejected, LibraryError, UnknownBaseError
from genome.files import locked, write_json
from genome.fit import Shapes, check_base, check_modules
from genome.home import stamp_new

if TYPE_CHECKING:
    from genome.base_model import BaseModel

FILE = "bases.json"
FOLDER = "bases"
FORMAT = 2
NAME_RULE = re.compile(r"[a-z0-9][a-z0-9._-]{0,59}")


@dataclass(frozen=True, slots=True)
class Base:
    """A known base: a model as a home remembers it."""

    name: str
    fingerprint: str
    """`BaseModel.fingerprint`."""
    path: str
    """Absolute folder, or hub id."""
    shapes: Shapes
    """Of every linear map that a layer may change."""
    stamp: str = ""
    """Sizes and times of the folder's files when it was read; empty for a hub id."""
    aliases: tuple[str, ...] = ()
    """What else it is called: hub ids, `wheel:NAME==VERSION`, `sha256:HEX` of a file it is from."""
    licence: str = ""
    """As its source states it."""
    found: Mapping[str, str] = field(default_factory=dict)
    """What `base check` found out, in its own words, by what was looked at."""
    dtype: str = ""
    """What personas answer in, of `base_model.PRECISIONS`; empty = float32."""

    @property
    def is_current(self) -> bool:
        """Whether the folder still has the files that were read."""
        return stamp_of(self.path) == self.stamp

    def is_called(self, text: str) -> bool:
        """Whether a folder or hub id that somebody wrote down is this base's, on any machine."""
        known = (self.name, self.path, *self.aliases)
        return bool(text) and Path(text).name.lower() in {Path(n).name.lower() for n in known}


class Bases:
    """The list of one home; an empty one if there is no file yet.

    Where there is no home yet, none is made; there, and where the disk refuses, what is remembered
    is known to this object alone.
    """

    def __init__(self, home: str | Path) -> None:
        self.home = Path(home)
        self.path = self.home / FILE
        self._unwritten: dict[str, Base] = {}

    def all(self) -> tuple[Base, ...]:
        """Every base, first known first.

        Raises:
            LibraryError: The file cannot be read.
        """
        return self._read()[1]

    def default(self) -> Base | None:
        """The base that commands use where nothing says another; None = the embedded one."""
        chosen, known = self._read()
        return next((base for base in known if base.fingerprint == chosen), None)

    def _read(self) -> tuple[str, tuple[Base, ...]]:
        try:
            data = json.loads(self.path.read_text(encoding="utf-8"))
            if data["format"] not in (1, FORMAT):
                raise ValueError(f"format {data['format']}")
            written = tuple(self._entry(e) for e in data["bases"])
            there = {base.fingerprint for base in written}
            more = (base for name, base in self._unwritten.items() if name not in there)
            return str(data.get("default", "")), (*written, *more)
        except FileNotFoundError:
            return "", tuple(self._unwritten.values())
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise LibraryError(
                f"{self.path} is no list of base models ({error}): delete it, and name bases with "
                "--base FOLDER again"
            ) from None

    def _entry(self, facts: dict[str, Any]) -> Base:
        shapes = {str(m): (int(out), int(n_in)) for m, (out, n_in) in facts.pop("shapes").items()}
        aliases, found = tuple(facts.pop("aliases", ())), dict(facts.pop("found", {}))
        if not all(isinstance(v, str) for v in (*facts.values(), *aliases, *found.values())):
            raise ValueError("an entry has values of another type")
        base = Base(shapes=shapes, aliases=aliases, found=found, **facts)
        if base.path.startswith(f"{FOLDER}/"):  # a home may be moved
            base = replace(base, path=str(self.home.absolute() / base.path))
        return base

    def _write(self, default: str, known: Sequence[Base]) -> None:
        inside = str(self.home.absolute() / FOLDER)
        entries = []
        for base in known:
            facts = asdict(base)
            if os.path.dirname(base.path) == inside:
                facts["path"] = f"{FOLDER}/{Path(base.path).name}"
            if not base.dtype:  # a later field: older versions read the file of who never chose
                del facts["dtype"]
            entries.append(facts)
        stamp_new(self.home)
        write_json(self.path, {"format": FORMAT, "default": default, "bases": entries})

    def find(self, reference: str) -> Base | None:
        """The base of this name, fingerprint, alias or path; None if it is none of them."""
        if not reference:
            return None
        path = os.path.abspath(os.path.expanduser(reference))
        return next(
            (
                b
                for b in self.all()
                if reference in (b.name, b.fingerprint, b.path, *b.aliases) or b.path == path
            ),
            None,
        )

    def get(self, reference: str) -> Base:
        """The base that `find` finds.

        Raises:
            UnknownBaseError: There is none.
        """
        found = self.find(reference)
        if found is None:
            raise UnknownBaseError(reference, list(self.names().values()))
        return found

    def names(self) -> dict[str, str]:
        """What bases are called here, by fingerprint."""
        return {base.fingerprint: base.name for base in self.all()}

    def remember(
        self, base: BaseModel, name: str = "", *, aliases: Sequence[str] = (), licence: str = ""
    ) -> Base:
        """Add a loaded base, or bring its entry up to date.

        Args:
            name: What to call it; default the last part of its path.
            aliases: What else it is called, beside what is known already.
            licence: Default what is known already.

        Raises:
            LibraryError: The name is another base's.
            OSError: The disk is full or refuses.
        """
        folder = os.path.abspath(base.path)
        path = folder if os.path.isdir(folder) else base.path
        from genome.running.stack import linear_sites

        shapes = {n: (site.n_out, site.n_in) for n, site in linear_sites(base.model).items()}
        new = Base(name, base.fingerprint, path, shapes, stamp_of(path), tuple(aliases), licence)
        _, known = self._read()
        entry = _entry_of(new, known)
        if entry in known and entry.fingerprint not in self._unwritten:
            return entry
        self._unwritten[entry.fingerprint] = entry
        if self.home.is_dir():
            with locked(self.home / f".{FILE}.lock"):
                default, known = self._read()
                entry = _entry_of(new, known)
                self._write(default, _with(entry, known))
            del self._unwritten[entry.fingerprint]
        return entry

    def check_free(self, name: str) -> None:
        """Refuse a name that a base has.

        Raises:
            LibraryError: It is taken.
        """
        _check_free(name, self.all())

    def change(self, base: Base, *, default: bool = False) -> None:
        """Replace a base's entry by this one.

        Args:
            default: Also make it the base that is used where nothing says another.

        Raises:
            OSError: The disk is full or refuses.
        """
        with locked(self.home / f".{FILE}.lock"):
            chosen, known = self._read()
            changed = [base if b.fingerprint == base.fingerprint else b for b in known]
            self._write(base.fingerprint if default else chosen, changed)

    def remove(self, base: Base) -> None:
        """Forget a base; its files go if they were fetched or converted into the home.

        Raises:
            OSError: The disk refuses.
        """
        with locked(self.home / f".{FILE}.lock"):
            chosen, known = self._read()
            left = [b for b in known if b.fingerprint != base.fingerprint]
            self._write("" if chosen == base.fingerprint else chosen, left)
        if Path(base.path).parent == self.home.absolute() / FOLDER:
            shutil.rmtree(base.path, ignore_errors=True)


def _entry_of(new: Base, known: Sequence[Base]) -> Base:
    """A base as the list will have it, with what is known of it already.

    Raises:
        LibraryError: The name is another base's.
    """
    old = next((base for base in known if base.fingerprint == new.fingerprint), None)
    others = [base for base in _with(new, known) if base is not new]
    _check_free(new.name, others)
    if old is None:
        return replace(new, name=new.name or name_for(new.path, {base.name for base in others}))
    return replace(
        new,
        name=new.name or old.name,
        aliases=tuple(dict.fromkeys((*old.aliases, *new.aliases))),
        licence=new.licence or old.licence,
        found=old.found,
        dtype=old.dtype,
    )


def _with(entry: Base, known: Sequence[Base]) -> list[Base]:
    """The list with an entry in its place.

    A folder whose files changed no longer leads to the base that it held before.
    """
    if all(base.fingerprint != entry.fingerprint for base in known):
        known = [*known, entry]
    same = [base.fingerprint == entry.fingerprint for base in known]
    return [
        entry if is_it else base
        for is_it, base in zip(same, known, strict=True)
        if is_it or base.path != entry.path
    ]


def _check_free(name: str, bases: Sequence[Base]) -> None:
    for base in bases:
        if base.name == name:
            raise LibraryError(
                f"base name {name!r} is that of {base.fingerprint}: choose another with --name, or "
                f"`continuum base remove {name}` first"
            )


def stamp_of(path: str) -> str:
    """Sizes and times of a folder's files, so that a change is seen; empty without a folder."""
    try:
        files = sorted((e for e in os.scandir(path) if e.is_file()), key=lambda e: e.name)
    except OSError:
        return ""
    return " ".join(f"{e.name}:{e.stat().st_size}:{e.stat().st_mtime_ns}" for e in files)


def name_for(source: str, taken: Collection[str]) -> str:
    """A name that no base has yet, made of the last part of where one comes from."""
    last = re.sub(r"^wheel:|==.*|\.gguf$|@.*", "", Path(source).name.lower())
    stem = re.sub(r"[^a-z0-9._-]+", "-", last).strip("-._")[:50] or "base"
    numbers = (f"{stem}-{n}" for n in range(2, len(taken) + 3))
    return next(name for name in (stem, *numbers) if name not in taken)


def misfit(shapes: Shapes, base: Base) -> str:
    """A base's name with what a layer lacks in it; empty if the layer fits."""
    try:
        check_modules(shapes, base.shapes)
    except LayerRejected as error:
        return f"{base.name} ({error.detail.partition(':')[0]})"
    return ""


def chosen_base(
    bases: Sequence[Base],
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
    fitting = [base for base in bases if not misfit(layer, base)]
    fitting.sort(key=lambda base: not base.is_called(trained_on))
    return fitting[0].fingerprint if fitting else ""
