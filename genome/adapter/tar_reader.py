"""A small tar reader that holds one block in memory.

Python's `tarfile` reads a pax or GNU header of any stated size into memory. This one knows plain
files and folders, skips small pax headers that only state times and owners (Python's `shutil`
writes one before each file), and refuses every other kind of entry.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from typing import BinaryIO, Protocol

from genome.refusals import refused, shown

BLOCK = 512
MAX_PAX_BYTES = 8192
_HARMLESS = (b"mtime", b"atime", b"ctime", b"uid", b"gid", b"uname", b"gname", b"comment")
_HARMLESS_PREFIX = (b"LIBARCHIVE.", b"SCHILY.dev", b"SCHILY.ino", b"SCHILY.nlink", b"SCHILY.xattr")
_SKIP_BYTES = 1 << 20
"""Zeros that may follow the last entry (writers fill up to 10 KiB or more)."""


class _Stream(Protocol):
    """Anything bytes can be read from, in order."""

    def read(self, n: int, /) -> bytes: ...


def tar_entries(file: BinaryIO, max_entries: int) -> Iterator[tuple[str, Callable[[int], bytes]]]:
    """Path and reader of every regular file of a tar or tar.gz; read each before the next.

    Raises:
        LayerRejected: archive_link, archive_bomb, archive_kind.
        ValueError, EOFError, OSError, zlib.error: The archive is damaged.
    """
    head = file.read(2)
    file.seek(0)
    stream: _Stream = gzip.GzipFile(fileobj=file, mode="rb") if head == b"\x1f\x8b" else file
    n_headers = 0
    while True:
        block = _exactly(stream, BLOCK)
        if not block.strip(b"\0"):
            _only_zeros(stream)
            return
        n_headers += 1
        if n_headers > 3 * max_entries + 1:
            raise refused("archive_bomb", f"the archive has over {n_headers - 1} headers: pack one "
                          "adapter only")  # fmt: skip
        path, size, kind = _header(block)
        if kind in (b"0", b"\0", b"7") and not path.endswith("/"):
            body = _Body(stream, size)
            yield path, body.read
            body.finish()
        elif kind in (b"5", b"0", b"\0") and size == 0:
            continue
        elif kind in (b"x", b"g"):
            _check_pax(stream, size)
        else:
            raise refused(
                "archive_link", f"{shown(path)} is a link, a device or of an unusual kind "
                f"({shown(kind)}): pack plain files with short names"
            )  # fmt: skip


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
    return name.decode("utf-8", "surrogateescape"), _octal(block[124:136]), block[156:157]


def _octal(field: bytes) -> int:
    digits = field.split(b"\0")[0].strip(b" ")
    if not digits or digits.strip(b"01234567"):
        raise ValueError(f"{field!r} is no octal number")  # base-256 sizes begin at 8 GiB
    return int(digits, 8)


def _check_pax(stream: _Stream, size: int) -> None:
    """Skip a pax header, unless it changes the next entry's name, size or kind."""
    if size > MAX_PAX_BYTES:
        raise refused("archive_bomb", f"a pax header has {size} bytes, the limit is "
                      f"{MAX_PAX_BYTES}: pack with `tar --format=ustar`")  # fmt: skip
    data = _exactly(stream, size)
    _exactly(stream, -size % BLOCK)
    while data:
        length, space, _ = data[:24].partition(b" ")
        if not space or not length.isdigit() or not 5 <= int(length) <= len(data):
            raise ValueError("a damaged pax header")
        key = data[len(length) + 1 : int(length)].partition(b"=")[0]
        if key not in _HARMLESS and not key.startswith(_HARMLESS_PREFIX):
            raise refused("archive_link", f"a pax header sets {shown(key)}: pack plain files with "
                          "`tar --format=ustar`")  # fmt: skip
        data = data[int(length) :]


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
