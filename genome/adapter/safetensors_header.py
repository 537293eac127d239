"""A strict reader of the safetensors header, before any tensor is touched.

    8 bytes   length of the header, little endian
    header    {"name": {"dtype": "F32", "shape": [8, 128], "data_offsets": [0, 4096]}, ...}
    data      the tensors, one after the other

safetensors 0.8.0 itself accepts 13 of the 33 hostile files of `reference/market.md`: duplicate
keys, unknown fields, `../` in names, 2^60 dimensions of a zero-size tensor and so on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from genome.adapter.header_scanner import HeaderScanner, TensorEntry, grammar_error
from genome.refusals import refused, shown

LENGTH_BYTES = 8
MAX_HEADER_BYTES = 1 << 20
MAX_PADDING = 64
"""Spaces behind the header; safetensors aligns to 8 bytes, some writers to a cache line."""


@dataclass(frozen=True, slots=True)
class Header:
    """The whole header; entries in the order of their bytes, without gap or overlap."""

    entries: tuple[TensorEntry, ...]
    metadata: Mapping[str, str]
    data_start: int
    """First byte of the first tensor, counted from the start of the file."""


def header_length(prefix: bytes, file_bytes: int) -> int:
    """Length of the header in bytes, from the file's first 512 bytes or fewer.

    Raises:
        LayerRejected: header_short, header_length, header_size, not_safetensors.
    """
    if len(prefix) < LENGTH_BYTES:
        raise refused(
            "header_short",
            f"a safetensors file has at least 8 bytes, this one {len(prefix)}: "
            "save the adapter again",
        )
    length = int.from_bytes(prefix[:LENGTH_BYTES], "little")
    if length > min(file_bytes - LENGTH_BYTES, MAX_HEADER_BYTES):
        kind = _other_format(prefix)
        if kind:
            raise refused(
                "not_safetensors",
                f"the weights must be safetensors, but this is {kind}: convert "
                "them with safetensors.torch.save_file where you trust them",
            )
        if length > file_bytes - LENGTH_BYTES:
            raise refused(
                "header_length",
                f"the header must lie within the file of {file_bytes} bytes, but "
                f"claims {length}: the file is damaged, save it again",
            )
        raise refused(
            "header_size",
            f"the header may have {MAX_HEADER_BYTES} bytes, but has {length}: "
            "shorten the metadata or target fewer modules",
        )
    if length < 2:
        raise refused("header_short", f"a header has at least 2 bytes, this one {length}: save it")
    return length


def _other_format(prefix: bytes) -> str:
    if prefix[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
        return "a zip archive (as torch.save writes)"
    if prefix[:1] == b"\x80" and prefix[1:2] in b"\x02\x03\x04\x05":
        return "a pickle"
    if prefix[:2] == b"\x1f\x8b":
        return "a gzip file"
    if prefix[257:262] == b"ustar":
        return "a tar archive"
    if prefix[:4] == b"GGUF":
        return "a GGUF file"
    if prefix[:4] == b"\x7fELF" or prefix[:2] == b"MZ":
        return "a program"
    return ""


def parse_header(text: bytes, data_bytes: int) -> Header:
    """Read the header.

    Args:
        text: The header's bytes, without the length before it.
        data_bytes: Bytes of the file behind the header.

    Raises:
        LayerRejected: Anything is not exactly as the format wants it.
    """
    if text[:1] != b"{":
        raise refused("header_start", f"the header must begin with '{{', not {shown(text[:1])}")
    stripped = text.rstrip(b" ")
    if len(text) - len(stripped) > MAX_PADDING:
        raise refused(
            "header_padding",
            f"at most {MAX_PADDING} spaces may follow the header, there are "
            f"{len(text) - len(stripped)}: save it again",
        )
    try:
        scanner = HeaderScanner(stripped.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise grammar_error(error.start, "UTF-8") from None
    found, metadata = scanner.header()
    data_start = LENGTH_BYTES + len(text)
    if not found:
        raise refused("no_tensors", "a layer has at least one tensor: save a trained adapter")
    return Header(_tiled(found, data_start, data_bytes), metadata, data_start)


def _tiled(entries: list[TensorEntry], data_start: int, data_bytes: int) -> tuple[TensorEntry, ...]:
    """The entries in file order, if they cover the data exactly once."""
    ordered = sorted(entries, key=lambda entry: entry.start)
    end = 0
    for entry in ordered:
        if entry.start < end:
            raise refused(
                "offsets_overlap",
                f"tensor {shown(entry.name)} begins at byte {entry.start}, "
                f"inside the one before it, which ends at {end}: save the file again",
            )
        if entry.start > end:
            raise refused(
                "offsets_hole",
                f"bytes {end} to {entry.start} belong to no tensor: save the file again",
            )
        end += entry.n_bytes
    if end > data_bytes:
        raise refused(
            "data_truncated",
            f"the tensors need {end} bytes, the file has {data_bytes}: fetch or save it again",
        )
    if end < data_bytes:
        raise refused(
            "data_trailing", f"{data_bytes - end} bytes follow the last tensor: save the file again"
        )
    return tuple(
        TensorEntry(e.name, e.dtype, e.shape, data_start + e.start, e.n_bytes) for e in ordered
    )
