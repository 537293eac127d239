"""Double entry: every movement of credits is one transfer of postings that sum to zero.

    transfer 7 'sale'     ada -1000    bob +900    platform +100

Rows are only added; triggers in `marketplace.schema` refuse changes. Amounts are nano-credits
in 64-bit columns: a plain `int` field would become 32 bits wide on PostgreSQL.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from sqlalchemy import BigInteger, CheckConstraint
from sqlmodel import Field, Session

from marketplace.account import WORLD, Account
from marketplace.errors import AmountError, InsufficientCreditsError
from marketplace.money import INT64_MAX, format_credits
from marketplace.tables import MarketTable, RowNumber


class Transfer(MarketTable, table=True):
    """One movement of credits between two or more accounts."""

    __tablename__: ClassVar[str] = "transfer"
    __table_args__: ClassVar[Any] = {"sqlite_autoincrement": True}

    id: int | None = Field(default=None, primary_key=True, sa_type=RowNumber)
    at: float
    kind: str
    memo: str
    key: str = Field(foreign_key="request.key", unique=True)


class Posting(MarketTable, table=True):
    """What one transfer does to one account."""

    __tablename__: ClassVar[str] = "posting"
    __table_args__: ClassVar[Any] = (
        CheckConstraint("amount_nanos <> 0", name="posting_moves_something"),
        {"sqlite_autoincrement": True},
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=RowNumber)
    transfer_id: int = Field(foreign_key="transfer.id", index=True, sa_type=BigInteger)
    account: str = Field(foreign_key="account.name", index=True)
    amount_nanos: int = Field(sa_type=BigInteger)


@dataclass(frozen=True, slots=True)
class PostingView:
    """One line of an account statement."""

    transfer_id: int
    at: float
    account: str
    amount_nanos: int
    kind: str
    memo: str
    balance_after_nanos: int


def record_transfer(
    session: Session,
    *,
    at: float,
    kind: str,
    memo: str,
    key: str,
    legs: Sequence[tuple[Account, int]],
) -> int:
    """Add one transfer, move the cached balances with it, and return its number.

    The session must hold the write lock: balances are read, then written.

    Args:
        legs: Each account with its change in nano-credits; together they sum to 0.

    Raises:
        InsufficientCreditsError: An account without overdraft would go below 0.
        AmountError: A balance would no longer fit 64 bits.
    """
    assert sum(amount for _, amount in legs) == 0, f"transfer creates money: {legs}"
    transfer = Transfer(at=at, kind=kind, memo=memo, key=key)
    session.add(transfer)
    session.flush()  # gives the transfer its number
    assert transfer.id is not None
    for account, amount in legs:
        account.balance_nanos = _balance_after(account, amount)
        session.add(Posting(transfer_id=transfer.id, account=account.name, amount_nanos=amount))
    session.flush()
    return transfer.id


def _balance_after(account: Account, amount_nanos: int) -> int:
    balance = account.balance_nanos + amount_nanos
    if balance < 0 and not account.overdraft:
        raise InsufficientCreditsError(
            f"account {account.name!r} has {format_credits(account.balance_nanos)} and cannot"
            f" pay {format_credits(-amount_nanos)}: add credits with `continuum market fund`"
        )
    if abs(balance) > INT64_MAX:
        source = " (all credits ever issued)" if account.name == WORLD else ""
        raise AmountError(
            f"account {account.name!r}{source} would pass the 64-bit limit of {INT64_MAX}"
            " nano-credits: move a smaller amount"
        )
    return balance
