"""One thing that can be done on a market, declared once.

An operation is a frozen request that knows how to be carried out. Everything else follows from its
fields: the method of the market that makes it, what a repeat is compared by, the body of the HTTP
request, its validation and its description (`marketplace.front`, `marketplace.routes`).
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import Field, dataclass, fields, is_dataclass, replace
from typing import Any, ClassVar, Generic, TypeVar, get_args

from sqlmodel import Session

from marketplace.ledger.idempotency import claim
from marketplace.money import check_amount
from marketplace.names import PLATFORM, check_key

V = TypeVar("V")
HERE = {"here": True}
"""Of a field that does not travel: only who holds the database, or the files, can fill it."""
LIMIT = "max_price_nanos"
"""The field that says the most an operation may cost."""


@dataclass(frozen=True, slots=True)
class Due:
    """What something costs now, and who is paid."""

    nanos: int
    to: str = PLATFORM


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation(ABC, Generic[V]):
    """A change that happens once per key, and answers with a view."""

    BY_OPERATOR: ClassVar[bool] = False
    """Over the wire it is for the service's operators; else the field marked `Acts` says whose."""
    OPERATION: ClassVar[str]
    """What it is called among requests; stored, so it never changes."""

    key: str
    """One per intention: a repeat with its key finds what was done and does nothing more."""

    @property
    def operation(self) -> str:
        """As `OPERATION`, for operations that have several."""
        return self.OPERATION

    @classmethod
    def sent(cls) -> dict[str, Field[Any]]:
        """The fields that travel besides the key."""
        return {f.name: f for f in fields(cls) if f.name != "key" and "here" not in f.metadata}

    def check(self) -> None:
        """Refuse what is wrong by itself; in the caller's thread, before anything is written.

        Raises:
            InvalidInputError: A value that nobody may send.
        """

    def identity(self, session: Session) -> dict[str, object]:
        """What a repeat is compared by, and what is stored.

        The limit guards the payment but is no part of it: repeating a lost answer after the price
        has moved must still find what was bought.
        """
        return {name: getattr(self, name) for name in self.sent() if name != LIMIT}

    @abstractmethod
    def do(self, session: Session, at: float) -> None:
        """Make the change; the key is claimed by then, and nothing stays if this raises."""

    @abstractmethod
    def done(self, session: Session, at: float) -> V:
        """What was made under this key, now or before."""

    def party(self, session: Session, at: float) -> tuple[str, str] | None:
        """Of an agreement, the account that it is with, and what it is called.

        Over the wire an agreement does not exist for anybody else.
        """
        return None

    def due(self, session: Session) -> Due | None:
        """What it costs now; None when it costs nothing, or nobody can say."""
        return None

    def hands_over(self, session: Session) -> Sequence[str]:
        """The listings whose files it gives a right to."""
        return ()


def check_operation(operation: Operation[Any]) -> None:
    """Refuse what is wrong with an operation by itself.

    Raises:
        InvalidInputError: A value that nobody may send.
    """
    check_key(operation.key)
    limit = getattr(operation, LIMIT, None)
    if limit is not None:
        check_amount(limit, LIMIT)
    operation.check()


def once(session: Session, operation: Operation[V], at: float) -> V:
    """Carry the operation out, unless its key did so before; what was made then or now.

    Raises:
        IdempotencyKeyReusedError: The key belongs to another request.
    """
    body = operation.identity(session)
    is_new = claim(session, key=operation.key, operation=operation.operation, body=body, at=at)
    if is_new:
        operation.do(session, at)
    made = operation.done(session, at)
    return made if is_new else _again(made)


def view_of(kind: type[Operation[V]]) -> Any:
    """The class that an operation answers with, or `list[...]` of it."""
    (base,) = kind.__orig_bases__  # type: ignore[attr-defined]
    return get_args(base)[0]


def _again(made: Any) -> Any:
    """The view of a repeat, marked as one where it has room for that."""
    if isinstance(made, list):
        return [_again(one) for one in made]
    if is_dataclass(made) and not isinstance(made, type) and hasattr(made, "replayed"):
        return replace(made, replayed=True)
    return made
