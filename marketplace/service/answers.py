"""What goes back: views as JSON, pages, and the account's own keys without the market's prefix.

Strong entity tags: the hash of what is sent, and updates that name the state they saw.

Parts of a file by the Range header (RFC 9110): one range of bytes, or the whole.
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Query
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from marketplace.service.caller import Caller
from marketplace.service.problems import ProblemError
from marketplace.service.state import MAX_LIMIT
from marketplace.wire import to_wire

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


Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT, description="Items per page.")]
Cursor = Annotated[
    str | None,
    Query(max_length=512, description="`next` of the page before; nothing for the first page."),
]


_encode = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, separators=(",", ":")
).encode  # made once: `json.dumps` makes one for every answer


class JSONAnswer(JSONResponse):
    """A value as JSON."""

    def render(self, content: Any) -> bytes:
        """As Starlette writes it."""
        return _encode(content).encode()


def answer(
    view: Any,
    caller: Caller | None = None,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """A view as JSON."""
    return JSONAnswer(wire(view, caller), status, dict(headers or {}))


def page(items: Sequence[Any], following: str | None, caller: Caller | None = None) -> JSONResponse:
    """One page of a list."""
    return JSONAnswer({"items": [wire(item, caller) for item in items], "next": following})


def wire(view: Any, caller: Caller | None = None) -> Any:
    """A view as JSON values; its idempotency key is the one that the caller sent."""
    found = to_wire(view)
    if caller is not None and isinstance(found, dict) and isinstance(found.get("key"), str):
        found["key"] = found["key"].removeprefix(caller.namespace)
    return found


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
            "range-invalid",
            f"the file has {size} bytes: ask for a part of these",
            {"Content-Range": f"bytes */{size}"},
        )
    return ByteRange(start, end, size)
