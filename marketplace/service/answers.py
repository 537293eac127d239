"""What goes back: views as JSON, pages, and the account's own keys without the market's prefix."""

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from fastapi import Query
from starlette.responses import JSONResponse

from marketplace.service.caller import Caller
from marketplace.service.cursors import MAX_LIMIT
from marketplace.wire import to_wire

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
