"""A small tar reader that holds one block in memory.

Python's `tarfile` reads a pax or GNU header of any stated size into memory. This one knows plain
files and folders, reads long names from small pax and GNU headers, skips what else those state of
times and owners (Python's `shutil` writes one before each file), reports links and devices as what
they are, and refuses every other kind of entry.

Reading a zip with Python's own reader, after its directory was found small and in its place.
"""

from __future__ import annotations

import gzip
import os
import zipfile
from collections.abc import Callable, Iterator
from typing import IO, BinaryIO, NamedTuple, Protocol

from genome.errors import LayerRejected
from genome.refusals import refused, shown

MAX_DIRECTORY_BYTES = 1 << 20
"""Of the central directory, which Python reads as a whole."""
_END = 22
"""Bytes of the end record without a comment."""


class _Opened:
    """A zip's entry, opened when it is first read."""

    def __init__(self, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> None:
        self.archive, self.info = archive, info
        self.file: IO[bytes] | None = None

    def read(self, n_bytes: int) -> bytes:
        if self.file is None:
            self.file = self.archive.open(self.info)
        return self.file.read(n_bytes)


BLOCK = 512
MAX_PAX_BYTES = 8192
_HARMLESS = (
    b"mtime",
    b"atime",
    b"ctime",
    b"uid",
    b"gid",
    b"uname",
    b"gname",
    b"comment",
    b"linkpath",
)
_HARMLESS_PREFIX = (b"LIBARCHIVE.", b"SCHILY.dev", b"SCHILY.ino", b"SCHILY.nlink", b"SCHILY.xattr")
_SKIP_BYTES = 1 << 20
"""Zeros that may follow the last entry (writers fill up to 10 KiB or more)."""


class _Stream(Protocol):
    """Anything bytes can be read from, in order."""

    def read(self, n: int, /) -> bytes: ...


class Member(NamedTuple):
    """A file, link or device of an archive."""

    path: str
    n_bytes: int
    """As the archive states it."""
    fault: LayerRejected | None
    """Why it cannot be read as a plain file."""
    read: Callable[[int], bytes]
    """The next bytes, at most so many; empty at the end."""


def tar_entries(file: BinaryIO, max_entries: int) -> Iterator[Member]:
    """Every entry of a tar or tar.gz but its folders; read each before the next.

    Raises:
        LayerRejected: archive_link, archive_bomb, archive_kind.
        ValueError, EOFError, OSError, zlib.error: The archive is damaged.
    """
    head = file.read(2)
    file.seek(0)
    stream: _Stream = gzip.GzipFile(fileobj=file, mode="rb") if head == b"\x1f\x8b" else file
    n_headers = 0
    long_path = ""
    while True:
        block = _exactly(stream, BLOCK)
        if not block.strip(b"\0"):
            _only_zeros(stream)
            return
        n_headers += 1
        if n_headers > 3 * max_entries + 1:
            raise refused(
                "archive_bomb",
                f"the archive has over {n_headers - 1} headers: pack one adapter only",
            )
        path, size, kind = _header(block)
        if kind in (b"x", b"g", b"L", b"K"):
            long_path = _long_path(stream, size, kind) or long_path
            continue
        path, long_path = long_path or path, ""
        if kind in (b"0", b"\0", b"7") and not path.endswith("/"):
            body = _Body(stream, size)
            yield Member(path, size, None, body.read)
            body.finish()
        elif kind in _WITHOUT_DATA and size == 0:
            yield Member(path, 0, _unusual(path, kind), lambda _: b"")
        elif not (kind in (b"5", b"0", b"\0") and size == 0):
            raise _unusual(path, kind)


_WITHOUT_DATA = (b"1", b"2", b"3", b"4", b"6")
"""Links, devices and pipes."""


def _unusual(path: str, kind: bytes) -> LayerRejected:
    return refused(
        "archive_link",
        f"{shown(path)} is a link, a device or of an unusual kind ({shown(kind)}): "
        "pack plain files",
    )


class _Body:
    """The bytes of one entry and the padding behind them."""

    def __init__(self, stream: _Stream, size: int) -> None:
        self.stream = stream
        self.left = size
        self.padding = -size % BLOCK

    def read(self, n_bytes: int) -> bytes:
        part = self.stream.read(min(n_bytes, self.left))
        if not part and self.left:
            raise EOFError("it ends inside a file")
        self.left -= len(part)
        return part

    def finish(self) -> None:
        while self.left:
            self.read(1 << 16)
        _exactly(self.stream, self.padding)


def _header(block: bytes) -> tuple[str, int, bytes]:
    """Path, size and kind of an entry, if the block's checksum is right."""
    stated = _octal(block[148:156])
    actual = sum(block[:148]) + sum(b" " * 8) + sum(block[156:])
    if stated != actual:
        raise ValueError("no tar header where one should be")
    name = block[:100].split(b"\0")[0]
    if block[257:263] == b"ustar\0":
        prefix = block[345:500].split(b"\0")[0]
        name = prefix + b"/" + name if prefix else name
    return _text(name), _octal(block[124:136]), block[156:157]


def _octal(field: bytes) -> int:
    digits = field.split(b"\0")[0].strip(b" ")
    if not digits or digits.strip(b"01234567"):
        raise ValueError(f"{field!r} is no octal number")  # base-256 sizes begin at 8 GiB
    return int(digits, 8)


def _long_path(stream: _Stream, size: int, kind: bytes) -> str:
    """The next entry's path, if this header states it; anything else it changes is refused."""
    if size > MAX_PAX_BYTES:
        raise refused(
            "archive_bomb",
            f"a pax header has {size} bytes, the limit is "
            f"{MAX_PAX_BYTES}: pack with `tar --format=ustar`",
        )
    data = _exactly(stream, size)
    _exactly(stream, -size % BLOCK)
    if kind in (b"L", b"K"):
        return _text(data.split(b"\0")[0]) if kind == b"L" else ""
    path = ""
    while data:
        length, space, _ = data[:24].partition(b" ")
        if not space or not length.isdigit() or not 5 <= int(length) <= len(data):
            raise ValueError("a damaged pax header")
        key, _, value = data[len(length) + 1 : int(length) - 1].partition(b"=")
        if key == b"path" and kind == b"x":
            path = _text(value)
        elif key not in _HARMLESS and not key.startswith(_HARMLESS_PREFIX):
            raise refused(
                "archive_link",
                f"a pax header sets {shown(key)}: pack plain files with `tar --format=ustar`",
            )
        data = data[int(length) :]
    return path


def _text(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")


def _exactly(stream: _Stream, n_bytes: int) -> bytes:
    parts = []
    while n_bytes:
        part = stream.read(n_bytes)
        if not part:
            raise EOFError("it ends too early")
        parts.append(part)
        n_bytes -= len(part)
    return b"".join(parts)


def _only_zeros(stream: _Stream) -> None:
    left = _SKIP_BYTES
    while part := stream.read(1 << 16):
        left -= len(part)
        if part.strip(b"\0") or left < 0:
            raise ValueError("something follows the archive's end")


def zip_entries(file: BinaryIO, max_entries: int) -> Iterator[Member]:
    """Every entry of a zip but its folders; read each before the next.

    Raises:
        LayerRejected: archive_bomb.
        zipfile.BadZipFile, ValueError, OSError, zlib.error: The archive is damaged.
    """
    _check_end(file, max_entries)
    with zipfile.ZipFile(file) as archive:
        for info in archive.infolist():
            if not info.is_dir():
                opened = _Opened(archive, info)
                yield Member(info.orig_filename, info.file_size, _fault(info), opened.read)


def _check_end(file: BinaryIO, max_entries: int) -> None:
    """The end record stands where Python looks first, and its directory is small."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _END - 20))
    tail = file.read()
    file.seek(0)
    end = tail[-_END:]
    if len(end) < _END or end[:4] != b"PK\x05\x06" or end[-2:] != b"\0\0":
        raise zipfile.BadZipFile("no end record at the end")
    if tail[:4] == b"PK\x06\x07":
        raise refused(
            "archive_bomb", "a zip64 archive is larger than a layer: pack the adapter's files alone"
        )
    n_entries = int.from_bytes(end[10:12], "little")
    directory = int.from_bytes(end[12:16], "little")
    if n_entries > max_entries + 1 or directory > MAX_DIRECTORY_BYTES:
        raise refused(
            "archive_bomb",
            f"the archive lists {n_entries} entries in {directory} bytes, the "
            f"limits are {max_entries} and {MAX_DIRECTORY_BYTES}: pack one adapter only",
        )


def _fault(info: zipfile.ZipInfo) -> LayerRejected | None:
    name, mode = shown(info.orig_filename), info.external_attr >> 16
    if mode & 0o170000 not in (0, 0o100000, 0o040000):
        return refused("archive_link", f"{name} is a link or a device: pack plain files")
    if info.flag_bits & 0x41 or info.compress_type == 99:
        return refused("archive_encrypted", f"{name} is encrypted: pack it without a password")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return refused(
            "archive_method", f"{name} is compressed by method {info.compress_type}: use deflate"
        )
    return None
