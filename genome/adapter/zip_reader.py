"""Reading a zip with Python's own reader, after its directory was found small and in its place."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator
from typing import IO, BinaryIO

from genome.adapter.tar_reader import Member
from genome.errors import LayerRejected
from genome.refusals import refused, shown

MAX_DIRECTORY_BYTES = 1 << 20
"""Of the central directory, which Python reads as a whole."""
_END = 22
"""Bytes of the end record without a comment."""


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


class _Opened:
    """A zip's entry, opened when it is first read."""

    def __init__(self, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> None:
        self.archive, self.info = archive, info
        self.file: IO[bytes] | None = None

    def read(self, n_bytes: int) -> bytes:
        if self.file is None:
            self.file = self.archive.open(self.info)
        return self.file.read(n_bytes)


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
