"""Unpacking an archive that somebody sent, without trusting a byte of it.

An archive holds one adapter, at its top or in a folder, and whatever its trainer or the packing
system put beside it. It is read twice: names and sizes first, which decide what is written, then
the files of the layer alone; nothing else is ever written. What an archive says about itself may
be a lie. Python 3.11's own `tarfile` follows links and believes sizes, and `zipfile` keeps the
last of two equal names; both read as much into memory as the archive asks them to.
"""

from __future__ import annotations

import contextlib
import os
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from genome.adapter.adapter_config import CONFIG_FILE
from genome.adapter.layer_files import (
    ALLOWED_FILES,
    MAX_ENTRIES,
    MAX_TEXT_BYTES,
    MAX_WEIGHTS_BYTES,
    WEIGHTS_FILE,
    Listing,
    check_complete,
    check_no_pointer,
)
from genome.adapter.tar_reader import Member, tar_entries, zip_entries
from genome.refusals import refused, shown

CHUNK_BYTES = 1 << 16
RATIO_FREE_BYTES = 1 << 20
"""An archive may always expand to this size; small text compresses well."""
MAX_PATH = 1024
_MAGIC = (b"PK\x03\x04", b"PK\x05\x06", b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"7z\xbc\xaf", b"Rar!")
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    NotImplementedError,
    ValueError,
    OSError,
    RuntimeError,
    LookupError,
)
"""What the standard library raises on damaged archives."""


@dataclass(frozen=True, slots=True)
class UnpackLimits:
    """How far an archive may expand."""

    n_bytes: int = 4 * MAX_WEIGHTS_BYTES
    """Of all entries; an optimizer's state is twice the weights."""
    ratio: float = 100.0
    """Bytes of entries per byte of archive; trained weights compress to about 0.9."""
    n_entries: int = MAX_ENTRIES


def unpack(
    archive: str | Path,
    into: str | Path,
    limits: UnpackLimits | None = None,
    *,
    say: Callable[[str], object] = lambda _: None,
) -> Path:
    """Write the layer's files of a zip, tar or tar.gz into a folder.

    The folder is made if it is missing. After a refusal nothing written stays behind. What was
    written still has to pass `check_folder`.

    Args:
        say: Is told what was left out, in one line.

    Returns:
        The folder.

    Raises:
        LayerRejected: archive_*, file_size, lfs_pointer, or as
            `genome.adapter.layer_files.check_complete`.
        FileExistsError: The folder is not empty.
    """
    limits = limits or UnpackLimits()
    folder = Path(into)
    made = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise FileExistsError(f"{folder} is not empty: give a new folder to unpack into")
    written: list[Path] = []
    try:
        with _opened(Path(archive)) as file:
            wanted, listing = _plan(file, limits, Path(archive).name)
            for entry in _entries(file, limits):
                name = wanted.pop(entry.path, None)
                if name is not None:
                    written.append(folder / name)
                    _write(entry, folder / name)
        if wanted:
            raise _damaged(ValueError("it changed while it was read"))
        for note in listing.notes():
            say(note)
    except BaseException:
        for path in written:
            path.unlink(missing_ok=True)
        if made:
            with contextlib.suppress(OSError):  # somebody else put something there
                folder.rmdir()
        raise
    return folder


def _plan(file: BinaryIO, limits: UnpackLimits, name: str) -> tuple[dict[str, str], Listing]:
    """What is to be written, entry's path -> file's name; and what there is."""
    allowance = _Allowance(limits, os.fstat(file.fileno()).st_size)
    entries: list[tuple[tuple[str, ...], Member]] = []
    for entry in _entries(file, limits):
        entries.append((_parts(entry.path), entry))
        allowance.take(entry.n_bytes)
    if not entries:
        raise refused("archive_kind", "the archive holds no file: pack an adapter's folder")
    top = _adapter_folder([parts for parts, _ in entries])
    wanted: dict[str, str] = {}
    others: set[str] = set()
    taken: set[str] = set()
    for parts, entry in entries:
        below = parts[len(top) :] if parts[: len(top)] == top else parts
        folded = unicodedata.normalize("NFKC", below[-1]).casefold()
        if len(below) > 1 or parts[: len(top)] != top or folded not in _FOLDED:
            others.add(below[0] + "/" * (len(below) > 1))
            continue
        if folded in taken:
            raise refused(
                "archive_duplicate",
                f"{shown(below[0])} is there twice, letter case aside: pack each file once",
            )
        taken.add(folded)
        if below[0] in ALLOWED_FILES:
            _check_own(below[0], entry)
            wanted[entry.path] = below[0]
        else:
            others.add(below[0])
    listing = Listing(tuple(sorted(wanted.values())), tuple(sorted(others)))
    check_complete(listing, shown(name))
    return wanted, listing


_FOLDED = frozenset(name.casefold() for name in ALLOWED_FILES)


def _adapter_folder(paths: list[tuple[str, ...]]) -> tuple[str, ...]:
    """The folder of the adapter: the outermost with a configuration, else just the outermost."""
    tops = {parts[:-1] for parts in paths if parts[-1] == CONFIG_FILE}
    tops = tops or {parts[:-1] for parts in paths}
    outermost = sorted(top for top in tops if len(top) == min(map(len, tops)))
    if len(outermost) > 1:
        raise refused(
            "archive_path",
            f"the archive holds {len(outermost)} folders side by side, such as "
            f"{shown('/'.join(outermost[0]))} and {shown('/'.join(outermost[1]))}: pack one",
        )
    return outermost[0]


def _parts(path: str) -> tuple[str, ...]:
    """A path's names, if it stays inside the archive and can be printed."""
    parts = tuple(path.removeprefix("./").split("/"))
    if (
        not path
        or len(path) > MAX_PATH
        or path.startswith(("/", "\\"))
        or path[1:2] == ":"
        or "\\" in path
        or not path.isprintable()
        or any(p in ("", ".", "..") for p in parts)
    ):
        raise refused(
            "archive_path",
            f"{shown(path)} must be a path inside the archive, without '..' or "
            "unprintable characters: pack the adapter's folder itself",
        )
    return parts


def _check_own(name: str, entry: Member) -> None:
    if entry.fault is not None:
        raise entry.fault
    limit = MAX_WEIGHTS_BYTES if name == WEIGHTS_FILE else MAX_TEXT_BYTES
    if entry.n_bytes > limit:
        raise refused(
            "file_size",
            f"{shown(name)} must have at most {limit} bytes, not {entry.n_bytes}: "
            "fetch or save it again",
        )


def _opened(archive: Path) -> BinaryIO:
    try:
        descriptor = os.open(archive, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
        return os.fdopen(descriptor, "rb")
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise refused(
            "archive_kind",
            f"{shown(str(archive), 300)} cannot be opened ({why}): give a zip, tar or tar.gz file",
        ) from None


def _entries(file: BinaryIO, limits: UnpackLimits) -> Iterator[Member]:
    """The files of an archive, whatever its format; every way of being damaged is a refusal."""
    try:
        file.seek(0)
        head = file.read(512)
        file.seek(0)
        check_no_pointer("the archive", head)
        if head[:2] == b"PK":
            yield from zip_entries(file, limits.n_entries)
        else:
            yield from tar_entries(file, limits.n_entries)
    except _DAMAGE as error:
        raise _damaged(error) from None


def _damaged(error: Exception) -> Exception:
    return refused(
        "archive_kind",
        f"the file must be an undamaged zip, tar or tar.gz ({shown(str(error))}): pack it again",
    )


class _Allowance:
    """How many entries and bytes the archive may still state."""

    def __init__(self, limits: UnpackLimits, archive_bytes: int) -> None:
        self._limits = limits
        self._entries = 0
        by_ratio = max(RATIO_FREE_BYTES, int(limits.ratio * archive_bytes))
        self._limit = min(limits.n_bytes, by_ratio)
        self._left = self._limit

    def take(self, n_bytes: int) -> None:
        self._entries += 1
        if self._entries > self._limits.n_entries:
            raise refused(
                "archive_bomb",
                f"the archive has more than {self._limits.n_entries} files: pack one adapter only",
            )
        self._left -= n_bytes
        if self._left < 0:
            raise refused(
                "archive_bomb",
                f"the archive expands to more than {self._limit} bytes "
                f"({self._limits.ratio:g} times its size): pack the adapter's files alone, "
                "uncompressed",
            )


def _write(entry: Member, target: Path) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
    left = entry.n_bytes
    with os.fdopen(os.open(target, flags, 0o644), "wb") as file:
        while part := _read(entry):
            if left == entry.n_bytes and part.startswith(_MAGIC):
                raise refused(
                    "archive_nested",
                    f"{shown(target.name)} is itself an archive: pack the files themselves",
                )
            left -= len(part)
            if left < 0:
                raise _damaged(ValueError("an entry is longer than stated"))
            file.write(part)


def _read(entry: Member) -> bytes:
    try:
        return entry.read(CHUNK_BYTES)
    except _DAMAGE as error:
        raise _damaged(error) from None
