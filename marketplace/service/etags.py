"""Strong entity tags: the hash of what is sent, and updates that name the state they saw.

Parts of a file by the Range header (RFC 9110): one range of bytes, or the whole.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from marketplace.service.problems import ProblemError


def etag_of(body: Any) -> str:
    """The strong tag of a JSON value, quotes included."""
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":")).encode()
    return f'"{hashlib.sha256(canonical).hexdigest()[:32]}"'


def tagged(request: Request, body: Any, headers: Mapping[str, str] | None = None) -> Response:
    """The body with its tag; 304 without it when the reader has it already."""
    tag = etag_of(body)
    found = {"ETag": tag, **(headers or {})}
    if lists(request.headers.get("if-none-match"), tag, weakly=True):
        return Response(status_code=304, headers=found)
    return JSONResponse(body, headers=found)


def check_if_match(request: Request, body: Any) -> None:
    """Refuse an update that does not say which state it updates, or says another one.

    Raises:
        ProblemError: precondition-required, precondition-failed.
    """
    given = request.headers.get("if-match")
    if given is None:
        raise ProblemError(
            "precondition-required",
            "an update needs If-Match with the ETag of what it changes: read it first",
        )
    if not lists(given, etag_of(body)):
        raise ProblemError(
            "precondition-failed", "it has changed since it was read: read it again, then decide"
        )


def lists(header: str | None, tag: str, *, weakly: bool = False) -> bool:
    """Whether an If-Match or If-None-Match header names this tag.

    Args:
        weakly: Accept a tag marked weak, as If-None-Match does and If-Match does not.
    """
    given = [part.strip() for part in (header or "").split(",")]
    if weakly:
        given = [part.removeprefix("W/") for part in given]
    return "*" in given or tag in given


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
