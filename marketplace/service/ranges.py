"""Parts of a file by the Range header (RFC 9110): one range of bytes, or the whole."""

import re
from dataclasses import dataclass

from marketplace.service.problems import ProblemError

_RANGE = re.compile(r"bytes=(\d{0,15})-(\d{0,15})")


@dataclass(frozen=True, slots=True)
class ByteRange:
    """Bytes `start` to `end`, the end not included, of `size`."""

    start: int
    end: int
    size: int

    @property
    def n_bytes(self) -> int:
        """How many bytes it spans."""
        return self.end - self.start

    def content_range(self) -> str:
        """The value of Content-Range."""
        return f"bytes {self.start}-{self.end - 1}/{self.size}"


def byte_range(header: str | None, size: int) -> ByteRange | None:
    """The range asked for; None for the whole file.

    A header in another unit, with several ranges or misspelt is ignored, as the RFC allows.

    Raises:
        ProblemError: range-invalid, when it begins behind the end.
    """
    match = _RANGE.fullmatch(header.replace(" ", "")) if header else None
    if match is None or match[0] == "bytes=-":
        return None
    first, last = match[1], match[2]
    if first and last and int(last) < int(first):
        return None
    if first:
        start, end = int(first), min(size, int(last) + 1 if last else size)
    else:
        start, end = max(0, size - int(last)), size
    if start >= end:
        raise ProblemError(
            "range-invalid", f"the file has {size} bytes: ask for a part of these",
            {"Content-Range": f"bytes */{size}"},
        )  # fmt: skip
    return ByteRange(start, end, size)
