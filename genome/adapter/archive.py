"""Unpacking an archive that somebody sent, without trusting a byte of it.

An archive holds the files of one layer, either at its top or in one folder. Names are checked
before anything is written, sizes while it is: what an archive says about itself may be a lie.
Python 3.11's own `tarfile` follows links and believes sizes, and `zipfile` keeps the last of two
equal names; both read as much into memory as the archive asks them to.
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

from genome.adapter.layer_files import MAX_ENTRIES, MAX_WEIGHTS_BYTES, check_name
from genome.adapter.tar_reader import tar_entries
from genome.refusals import refused, shown

CHUNK_BYTES = 1 << 16
RATIO_FREE_BYTES = 1 << 20
"""An archive may always expand to this size; small text compresses well."""
MAX_DIRECTORY_BYTES = 1 << 16
"""Of a zip's central directory, which Python reads as a whole."""
_ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar", ".zst", ".whl", ".lz4")
_MAGIC = (b"PK\x03\x04", b"PK\x05\x06", b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"7z\xbc\xaf", b"Rar!")
_DAMAGE = (
    zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError, ValueError,
    OSError, RuntimeError, LookupError,
)  # fmt: skip
"""What the standard library raises on damaged archives."""
_END = 22
"""Bytes of a zip's end record without a comment."""


@dataclass(frozen=True, slots=True)
class UnpackLimits:
    """How far an archive may expand."""

    n_bytes: int = MAX_WEIGHTS_BYTES + (4 << 20)
    ratio: float = 100.0
    """Bytes written per byte of archive; trained weights compress to about 0.9."""
    n_entries: int = MAX_ENTRIES


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of an archive, not yet read."""

    path: str
    _read: Callable[[int], bytes]

    def read(self, n_bytes: int) -> bytes:
        """The next bytes, at most so many; empty at the end.

        Raises:
            LayerRejected: archive_kind, if the archive is damaged there.
        """
        try:
            return self._read(n_bytes)
        except _DAMAGE as error:
            raise _damaged(error) from None


def unpack(archive: str | Path, into: str | Path, limits: UnpackLimits | None = None) -> Path:
    """Write the files of a zip, tar or tar.gz into a folder.

    The folder is made if it is missing. After a refusal nothing written stays behind. What was
    written still has to pass `check_folder`.

    Returns:
        The folder.

    Raises:
        LayerRejected: archive_*, or as `genome.adapter.layer_files.check_name`.
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
            allowance = _Allowance(limits, os.fstat(file.fileno()).st_size)
            names = _Names()
            for entry in _entries(file, limits):
                target = folder / names.accept(entry.path)
                allowance.take_entry()
                written.append(target)
                _write(entry, target, allowance)
        if not written:
            raise refused("archive_kind", "the archive holds no file: pack an adapter's folder")
    except BaseException:
        for path in written:
            path.unlink(missing_ok=True)
        if made:
            with contextlib.suppress(OSError):  # somebody else put something there
                folder.rmdir()
        raise
    return folder


def _opened(archive: Path) -> BinaryIO:
    try:
        descriptor = os.open(archive, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
        return os.fdopen(descriptor, "rb")
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise refused(
            "archive_kind", f"{shown(str(archive), 300)} cannot be opened ({why}): give a zip, tar "
            "or tar.gz file"
        ) from None  # fmt: skip


def _entries(file: BinaryIO, limits: UnpackLimits) -> Iterator[Entry]:
    """The files of an archive, whatever its format; every way of being damaged is a refusal."""
    try:
        head = file.read(512)
        file.seek(0)
        if head[:2] == b"PK":
            yield from _zip_entries(file, limits)
        else:
            for path, read in tar_entries(file, limits.n_entries):
                yield Entry(path, read)
    except _DAMAGE as error:
        raise _damaged(error) from None


def _damaged(error: Exception) -> Exception:
    return refused(
        "archive_kind", f"the file must be an undamaged zip, tar or tar.gz ({shown(str(error))}): "
        "pack it again"
    )  # fmt: skip


def _zip_entries(file: BinaryIO, limits: UnpackLimits) -> Iterator[Entry]:
    _check_zip_end(file, limits)
    with zipfile.ZipFile(file) as archive:
        infos = archive.infolist()
        for info in infos:
            _check_zip_entry(info)
        for info in infos:
            if not info.is_dir():
                with archive.open(info) as opened:
                    yield Entry(info.orig_filename, opened.read)


def _check_zip_end(file: BinaryIO, limits: UnpackLimits) -> None:
    """The end record stands where Python looks first, and its directory is small."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _END - 20))
    tail = file.read()
    file.seek(0)
    end = tail[-_END:]
    if len(end) < _END or end[:4] != b"PK\x05\x06" or end[-2:] != b"\0\0":
        raise _damaged(zipfile.BadZipFile("no end record at the end"))
    if tail[:4] == b"PK\x06\x07":
        raise refused("archive_bomb", "a zip64 archive is larger than a layer: send a plain zip")
    n_entries = int.from_bytes(end[10:12], "little")
    directory = int.from_bytes(end[12:16], "little")
    if n_entries > limits.n_entries + 1 or directory > MAX_DIRECTORY_BYTES:
        raise refused(
            "archive_bomb", f"the archive lists {n_entries} entries in {directory} bytes, the "
            f"limits are {limits.n_entries} and {MAX_DIRECTORY_BYTES}: pack one adapter only"
        )  # fmt: skip


def _check_zip_entry(info: zipfile.ZipInfo) -> None:
    mode = info.external_attr >> 16
    if mode & 0o170000 not in (0, 0o100000, 0o040000):
        raise refused(
            "archive_link", f"{shown(info.orig_filename)} is a link or a device: pack plain files"
        )
    if info.flag_bits & 0x41 or info.compress_type == 99:
        raise refused(
            "archive_encrypted", f"{shown(info.orig_filename)} is encrypted: pack it without a "
            "password"
        )  # fmt: skip
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise refused(
            "archive_method", f"{shown(info.orig_filename)} is compressed by method "
            f"{info.compress_type}: use deflate"
        )  # fmt: skip


class _Names:
    """Turns entry paths into file names: no climbing, no doubles, one folder at most."""

    def __init__(self) -> None:
        self._taken: set[str] = set()
        self._top: str | None = None

    def accept(self, path: str) -> str:
        if (
            not path or len(path) > 300 or path.startswith(("/", "\\")) or path[1:2] == ":"
            or "\\" in path or any(not char.isprintable() for char in path)
        ):  # fmt: skip
            raise self._bad_path(path)
        parts = path.removeprefix("./").split("/")
        if len(parts) > 2 or any(part in ("", ".", "..") for part in parts):
            raise self._bad_path(path)
        top = parts[0] if len(parts) == 2 else ""
        if self._top is None:
            self._top = top
        if top != self._top:
            raise self._bad_path(path)
        name = parts[-1]
        folded = unicodedata.normalize("NFKC", name).casefold()
        if folded in self._taken:
            raise refused(
                "archive_duplicate", f"{shown(name)} is there twice, letter case aside: pack each "
                "file once"
            )  # fmt: skip
        self._taken.add(folded)
        if folded.endswith(_ARCHIVES):
            raise _nested(name)
        check_name(name)
        return name

    def _bad_path(self, path: str) -> Exception:
        return refused(
            "archive_path", f"{shown(path)} must be a file's name, with one folder in front of "
            "all of them at most: pack the adapter's folder itself"
        )  # fmt: skip


class _Allowance:
    """What the archive may still write."""

    def __init__(self, limits: UnpackLimits, archive_bytes: int) -> None:
        self._limits = limits
        self._entries = 0
        by_ratio = max(RATIO_FREE_BYTES, int(limits.ratio * archive_bytes))
        self._limit = min(limits.n_bytes, by_ratio)
        self._left = self._limit

    def take_entry(self) -> None:
        self._entries += 1
        if self._entries > self._limits.n_entries:
            raise refused(
                "archive_bomb", f"the archive has more than {self._limits.n_entries} files: pack "
                "one adapter only"
            )  # fmt: skip

    def take(self, n_bytes: int) -> None:
        self._left -= n_bytes
        if self._left < 0:
            raise refused(
                "archive_bomb", f"the archive expands to more than {self._limit} bytes "
                f"({self._limits.ratio:g} times its size): send the files uncompressed"
            )  # fmt: skip


def _write(entry: Entry, target: Path, allowance: _Allowance) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
    with os.fdopen(os.open(target, flags, 0o644), "wb") as file:
        first = True
        while part := entry.read(CHUNK_BYTES):
            if first and part.startswith(_MAGIC):
                raise _nested(target.name)
            first = False
            allowance.take(len(part))
            file.write(part)


def _nested(name: str) -> Exception:
    return refused(
        "archive_nested", f"{shown(name)} is itself an archive: pack the files themselves"
    )
