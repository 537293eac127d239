"""A request sent twice has one effect.

A client picks a key per intention and repeats it when an answer was lost. The key is
stored in the transaction of its effect: either both exist or neither does. Keys are
one namespace for the whole market, so a key never has two effects, whoever sends it.
"""

import json
from typing import ClassVar

from sqlmodel import Field, Session

from marketplace.errors import IdempotencyKeyReusedError
from marketplace.tables import MarketTable


class Request(MarketTable, table=True):
    """One request that took effect."""

    __tablename__: ClassVar[str] = "request"

    key: str = Field(primary_key=True)
    operation: str
    body: str
    """Canonical JSON, readable by whoever has to explain a trade later."""
    at: float


def claim(
    session: Session, *, key: str, operation: str, body: dict[str, object], at: float
) -> bool:
    """True when the request is new and now belongs to this transaction; False when it is a repeat.

    Raises:
        IdempotencyKeyReusedError: The key already belongs to another request.
    """
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"))
    known = session.get(Request, key)
    if known is None:
        session.add(Request(key=key, operation=operation, body=canonical, at=at))
        session.flush()
        return True
    if (known.operation, known.body) != (operation, canonical):
        raise IdempotencyKeyReusedError(
            f"key {key!r} already belongs to {known.operation} {_start(known.body)}, not to"
            f" {operation} {_start(canonical)}: use a new key for a new request"
        )
    return False


def _start(body: str) -> str:
    return body if len(body) <= 160 else f"{body[:157]}..."
