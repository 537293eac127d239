"""What the ledger writes down: numbered transfers, each with its postings, each chained by hash.

Rows are only added; triggers in `marketplace.store.schema` refuse changes. Numbers are given by
the ledger inside the write lock (last + 1), never by the database, so that a missing one is
proof of a deletion. Amounts are nano-credits in 64-bit columns: a plain `int` field would
become 32 bits wide on PostgreSQL.

    transfer 7 'sale'     ada -1000    bob +900    platform +100
    transfer 8 'hold'     ada -500     escrow +500                 (pending: nothing moves)
"""

from dataclasses import dataclass
from typing import Any, ClassVar

from sqlalchemy import BigInteger, CheckConstraint, Index, text
from sqlmodel import Field, Session, col, select

from marketplace.database.sql import MarketTable, RowNumber
from marketplace.fields import Nanos

HOLD, POST, VOID, EXPIRE = "hold", "post", "void", "expire"
"""Kinds of a hold and of the three ways it ends."""
REFUND = "refund"
RECLAIM = "reclaim"
"""A mandate's credits going home to its owner: the only outflow that its cap does not count."""

_RESOLUTION = text("kind IN ('post', 'void', 'expire')")
_REFERS = text("refers_to IS NOT NULL")


class Transfer(MarketTable, table=True):
    """One movement of credits between two or more accounts, or the start or end of a hold."""

    __tablename__: ClassVar[str] = "transfer"
    __table_args__: ClassVar[Any] = (
        Index(
            "transfer_resolves_hold_once",
            "refers_to",
            unique=True,
            sqlite_where=_RESOLUTION,
            postgresql_where=_RESOLUTION,
        ),
        Index("transfer_refers_to", "refers_to", sqlite_where=_REFERS, postgresql_where=_REFERS),
    )

    id: int = Field(primary_key=True, sa_type=RowNumber, sa_column_kwargs={"autoincrement": False})
    at: float
    kind: str
    memo: str
    key: str = Field(unique=True)
    group_key: str | None = None
    """Transfers of one linked group share it."""
    refers_to: int | None = Field(default=None, foreign_key="transfer.id", sa_type=BigInteger)
    """The transfer that is refunded, or the hold that is resolved."""
    expires_at: float | None = None
    """When a hold may be taken back by whoever looks; seconds since 1970."""
    body_hash: str = Field(default="", sa_column_kwargs={"server_default": ""})
    """Of the request that came as this very entry; '' when `request` has a row for the key."""
    body: str | None = None
    """That request, canonical JSON; None when it is this row and its postings."""
    hash: str = Field(default="", sa_column_kwargs={"server_default": ""})
    """SHA-256 over the previous transfer's hash and this one with its postings, 64 hex digits."""


class Posting(MarketTable, table=True):
    """What one transfer does to one account."""

    __tablename__: ClassVar[str] = "posting"
    __table_args__: ClassVar[Any] = (
        CheckConstraint("amount_nanos <> 0", name="posting_moves_something"),
    )

    id: int = Field(primary_key=True, sa_type=RowNumber, sa_column_kwargs={"autoincrement": False})
    transfer_id: int = Field(foreign_key="transfer.id", index=True, sa_type=BigInteger)
    account: str = Field(foreign_key="account.name")
    amount_nanos: int = Field(sa_type=BigInteger)
    pending: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    """Part of a hold: changes what is held, not what is owned."""
    previous_id: int = Field(
        default=0, sa_type=BigInteger, sa_column_kwargs={"server_default": "0"}
    )
    """The same account's posting before this one; 0 = its first. A statement follows these back:
    an index over accounts would touch a page per account in every commit, half of all it writes.
    """


class OpenHold(MarketTable, table=True):
    """A hold that nobody has resolved yet: a cache over the journal, like the balances."""

    __tablename__: ClassVar[str] = "open_hold"

    transfer_id: int = Field(
        primary_key=True,
        foreign_key="transfer.id",
        sa_type=BigInteger,
        sa_column_kwargs={"autoincrement": False},
    )
    payer: str = Field(foreign_key="account.name", index=True)
    amount_nanos: int = Field(sa_type=BigInteger)
    expires_at: float = Field(index=True)


@dataclass(frozen=True, slots=True)
class PostingView:
    """One line of an account statement."""

    transfer_id: int
    at: float
    account: str
    amount_nanos: Nanos
    kind: str
    memo: str
    balance_after_nanos: Nanos


def keys_of_group(session: Session, group_key: str) -> list[str]:
    """Keys of the transfers of a linked group, in order."""
    query = select(Transfer.key).where(Transfer.group_key == group_key)
    return list(session.exec(query.order_by(col(Transfer.id))))


def transfer_key() -> Any:
    """A primary key that is the number of a transfer."""
    return Field(primary_key=True, foreign_key="transfer.id", sa_type=BigInteger)
