"""A request sent twice has one effect.

A client picks a key per intention and repeats it when an answer was lost. The key is
stored in the transaction of its effect: either both exist or neither does. Keys are
one namespace for the whole market, so a key never has two effects, whoever sends it.
A plain ledger entry is its own request (`transfer.body_hash`): a second row with a second index
over random keys would cost a third of all pages that a commit writes.

    same key, same body         the first answer again, no second effect
    same key, another body      refused
    same key, still running     refused for now by the writer: ask again
"""

import json
import secrets
from collections.abc import Mapping
from hashlib import sha256
from typing import ClassVar

from sqlmodel import Field, Session

from marketplace.database import bulk
from marketplace.database.sql import MarketTable, put
from marketplace.errors import IdempotencyKeyReusedError


class Request(MarketTable, table=True):
    """One request that took effect."""

    __tablename__: ClassVar[str] = "request"

    key: str = Field(primary_key=True)
    operation: str
    body: str
    """Canonical JSON, for whoever has to explain a trade later; never a prompt or secret."""
    at: float
    body_hash: str = Field(default="", sa_column_kwargs={"server_default": ""})
    """SHA-256 of the body, 64 hex digits: what a repeat is compared by and the chain covers."""


def canonical_body(body: Mapping[str, object]) -> str:
    """The one way to write a body down."""
    return json.dumps(body, sort_keys=True, separators=(",", ":"))


def body_hash(canonical: str) -> str:
    """SHA-256 of a canonical body, 64 hex digits."""
    return sha256(canonical.encode()).hexdigest()


def claim(
    session: Session, *, key: str, operation: str, body: Mapping[str, object], at: float
) -> bool:
    """True when the request is new and now belongs to this transaction; False when it is a repeat.

    Raises:
        IdempotencyKeyReusedError: The key already belongs to another request.
    """
    canonical = canonical_body(body)
    hashed = body_hash(canonical)
    session.flush()
    known = bulk.known_requests(session.connection(), [key])
    if not known:
        request = Request(key=key, operation=operation, body=canonical, at=at, body_hash=hashed)
        put(session, request)
        return True
    _, old_operation, old_hash, _, _, _ = known[0]
    if (old_operation, old_hash) != (operation, hashed):
        raise reused(key, old_operation, operation)
    return False


def reused(key: str, known: str, asked: str) -> IdempotencyKeyReusedError:
    """The refusal of a key with another request; never what that request said.

    Args:
        known: Operation that the key belongs to.
        asked: Operation that it came with now.
    """
    return IdempotencyKeyReusedError(
        f"key {key!r} already belongs to another request ({known}), not to this one ({asked}):"
        " use a new key for a new request"
    )


def house_key(
    session: Session, base: str, *, operation: str, body: Mapping[str, object], at: float
) -> str:
    """A free key, claimed for what the market does by itself."""
    key = free_key(session, base)
    claim(session, key=key, operation=operation, body=body, at=at)
    return key


def free_key(session: Session, base: str) -> str:
    """A key nobody has used; one that somebody took on purpose must keep nothing from its end."""
    key = base
    while bulk.known_requests(session.connection(), [key]):  # nobody can take the next one
        key = f"{base[:180]}+{secrets.token_hex(8)}"
    return key
