"""The grammar of a safetensors header, read from left to right.

Its depth is fixed, so there is no recursion that an attacker could drive; the order of a tensor's
fields is free, as in JSON, and every refusal names the tensor.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from json.decoder import scanstring  # type: ignore[attr-defined]  # reads one JSON string
from types import MappingProxyType

from genome.errors import LayerRejected
from genome.refusals import refused, shown

MAX_METADATA_BYTES = 1 << 16
MAX_TENSORS = 8192
MAX_NAME = 256
METADATA = "__metadata__"
ITEM_BYTES: Mapping[str, int] = {"F32": 4, "F16": 2, "BF16": 2}
FIELDS = frozenset({"dtype", "shape", "data_offsets"})

_NAME = re.compile(r"[A-Za-z0-9_\-]+(?:\.[A-Za-z0-9_\-]+)*")
_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]*)(?![0-9.eE])")
_NUMBER = re.compile(r"[-+0-9.eE]{1,32}")
_SPACE = re.compile(r"[ \t\r\n]*")


@dataclass(frozen=True, slots=True)
class TensorEntry:
    """Where one tensor lies in the file."""

    name: str
    dtype: str
    """One of ITEM_BYTES."""
    shape: tuple[int, ...]
    """Every dimension at least 1."""
    start: int
    """First byte, counted from the start of the file."""
    n_bytes: int


class HeaderScanner:
    """Reads the header's fixed grammar from left to right."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def header(self) -> tuple[list[TensorEntry], Mapping[str, str]]:
        """The tensors in the order written, offsets from the start of the data; the metadata.

        Raises:
            LayerRejected: The text is not exactly a header.
        """
        entries: list[TensorEntry] = []
        metadata: Mapping[str, str] = MappingProxyType({})
        seen: set[str] = set()
        for key in self.members("the header", seen):
            if key == METADATA:
                metadata = self.metadata()
            else:
                if len(entries) == MAX_TENSORS:
                    raise refused(
                        "tensor_count",
                        f"a layer may have {MAX_TENSORS} tensors, this file has "
                        "more: target fewer modules",
                    )
                entries.append(self.tensor(key))
        if self.at != len(self.text):
            raise self.wrong("the end")
        return entries, metadata

    def members(self, where: str, seen: set[str]) -> _Members:
        return _Members(self, where, seen)

    def metadata(self) -> Mapping[str, str]:
        begin = self.at
        found = {key: self.string() for key in self.members(METADATA, set())}
        n_bytes = len(self.text[begin : self.at].encode("utf-8"))
        if n_bytes > MAX_METADATA_BYTES:
            raise refused(
                "metadata_size",
                f"the metadata may have {MAX_METADATA_BYTES} bytes, but has "
                f"{n_bytes}: move it into README.md",
            )
        return MappingProxyType(found)

    def tensor(self, name: str) -> TensorEntry:
        if len(name) > MAX_NAME or not _NAME.fullmatch(name):
            raise refused(
                "tensor_name",
                f"a tensor's name has at most {MAX_NAME} letters, digits, '_', '-' "
                f"and single dots between them, not {shown(name)}: rename it",
            )
        dtype, shape, offsets = "", [0], [0]
        seen: set[str] = set()
        for field in self.members(f"tensor {shown(name)}", seen):
            if field == "dtype":
                dtype = self.string()
            elif field == "shape":
                shape = self.integers("shape_value", name)
            elif field == "data_offsets":
                offsets = self.integers("offsets_value", name)
            else:
                raise refused(
                    "header_field",
                    f"tensor {shown(name)} has a field {shown(field)}: only "
                    f"{', '.join(sorted(FIELDS))} are allowed",
                )
        if seen != FIELDS:
            raise refused(
                "header_field",
                f"tensor {shown(name)} lacks {', '.join(sorted(FIELDS - seen))}: "
                "save the file again",
            )
        return _entry(name, dtype, shape, offsets)

    def integers(self, code: str, name: str) -> list[int]:
        """A list of at most 8 whole numbers."""
        self.expect("[")
        numbers: list[int] = []
        while not self.accept("]"):
            if numbers:
                self.expect(",")
            self.space()
            match = _INTEGER.match(self.text, self.at)
            if match is None or len(numbers) == 8:
                other = _NUMBER.match(self.text, self.at)
                if (
                    other is None
                    and not numbers
                    and self.text[self.at : self.at + 1] not in '"[{tfn'
                ):
                    raise self.wrong("a whole number")
                value = other[0] if other else self.text[self.at : self.at + 8]
                raise refused(
                    code,
                    f"tensor {shown(name)} must give at most 8 whole numbers there, not "
                    f"{shown(value)}: save the file again",
                )
            if len(match[0]) > 30:
                raise refused(
                    "shape_overflow" if code == "shape_value" else code,
                    f"tensor {shown(name)} gives a number of {len(match[0])} digits: save it again",
                )
            numbers.append(int(match[0]))
            self.at = match.end()
        return numbers

    def string(self) -> str:
        self.expect('"')
        try:
            value: str
            value, self.at = scanstring(self.text, self.at, True)
        except json.JSONDecodeError:
            raise self.wrong("a string") from None
        if any("\ud800" <= char <= "\udfff" for char in value):
            raise self.wrong("whole characters instead of lone surrogates")
        return value

    def space(self) -> None:
        """At most one white character between two parts."""
        end = _SPACE.match(self.text, self.at).end()  # type: ignore[union-attr]
        if end - self.at > 1:
            raise refused(
                "header_padding",
                f"{end - self.at} white characters stand at character {self.at} "
                "of the header, one is allowed: save the file again",
            )
        self.at = end

    def accept(self, char: str) -> bool:
        self.space()
        if self.text[self.at : self.at + 1] != char:
            return False
        self.at += 1
        return True

    def expect(self, char: str) -> None:
        if not self.accept(char):
            raise self.wrong(repr(char))

    def wrong(self, wanted: str) -> LayerRejected:
        return grammar_error(self.at, wanted, self.text[self.at : self.at + 12])


class _Members:
    """Iterates over the keys of one object; whoever iterates reads each key's value."""

    def __init__(self, scanner: HeaderScanner, where: str, seen: set[str]) -> None:
        self.scanner = scanner
        self.where = where
        self.seen = seen

    def __iter__(self) -> _Members:
        self.scanner.expect("{")
        return self

    def __next__(self) -> str:
        if self.scanner.accept("}"):
            raise StopIteration
        if self.seen:
            self.scanner.expect(",")
            self.scanner.space()
        key = self.scanner.string()
        if key in self.seen:
            raise refused(
                "header_duplicate",
                f"key {shown(key)} appears twice in {self.where}: save the file again",
            )
        self.seen.add(key)
        self.scanner.expect(":")
        return key


def _entry(name: str, dtype: str, shape: list[int], offsets: list[int]) -> TensorEntry:
    if dtype not in ITEM_BYTES:
        raise refused(
            "dtype",
            f"tensor {shown(name)} is {shown(dtype)}, supported are "
            f"{', '.join(ITEM_BYTES)}: save the adapter in one of them",
        )
    if not shape or min(shape) < 1:
        raise refused(
            "shape_value",
            f"tensor {shown(name)} has shape {shown(shape)}: a LoRA factor has two "
            "dimensions above zero",
        )
    n_bytes = ITEM_BYTES[dtype]
    for size in shape:
        n_bytes *= size
    if n_bytes >= 1 << 63:
        raise refused(
            "shape_overflow",
            f"tensor {shown(name)} of shape {shown(shape)} would have 2^63 bytes "
            "or more: save the file again",
        )
    if len(offsets) != 2 or not 0 <= offsets[0] <= offsets[1]:
        raise refused(
            "offsets_value",
            f"tensor {shown(name)} must give [begin, end], not {shown(offsets)}: "
            "save the file again",
        )
    if offsets[1] - offsets[0] != n_bytes:
        raise refused(
            "offsets_size",
            f"tensor {shown(name)} of shape {shown(shape)} needs {n_bytes} bytes, "
            f"but its offsets span {offsets[1] - offsets[0]}: save the file again",
        )
    return TensorEntry(name, dtype, tuple(shape), offsets[0], n_bytes)


def grammar_error(at: int, wanted: str, found: str = "") -> LayerRejected:
    """The refusal of a header that is no JSON of this grammar."""
    seen = f", not {shown(found)}" if found else ""
    return refused(
        "header_json", f"character {at} of the header must be {wanted}{seen}: save the file again"
    )
