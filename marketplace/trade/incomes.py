"""Payments, what each brought whom, and which were given back; the rows are only ever added.

A payment is one `settlement` row, numbered like its transfer, with one `income` row per listing
and payee. What accounts earned is told payment by payment, page by page, or summed up; payments
that were given back are left out everywhere.
"""

import re
from dataclasses import dataclass
from typing import Any, ClassVar

from sqlalchemy import BigInteger, CheckConstraint, Index, Select, cast, func, tuple_
from sqlalchemy import select as select_columns
from sqlmodel import Field, Session, col, select

from marketplace.database.sql import MarketTable, table_of
from marketplace.errors import PageError
from marketplace.fields import Nanos
from marketplace.ledger.journal import transfer_key
from marketplace.ledger.statement import find_account

SELLER, ROYALTY = "seller", "royalty"
"""Roles of a payee: of the listing itself, or of a layer it was bred from."""


class Settlement(MarketTable, table=True):
    """One payment for layers or computing time that has moved for good."""

    __tablename__: ClassVar[str] = "settlement"
    __table_args__: ClassVar[Any] = (
        CheckConstraint("gross_nanos > 0", name="somebody_paid"),
        CheckConstraint(  # gross + 9 could pass 64 bits
            "fee_nanos = gross_nanos / 10 + CASE WHEN gross_nanos % 10 > 0 THEN 1 ELSE 0 END",
            name="fee_is_a_tenth_rounded_up",
        ),
        Index("settlement_by_time", "at"),
        Index("settlement_by_principal", "principal"),
    )

    transfer_id: int = transfer_key()
    way: str
    """sale, rent, meter, usage, subscription, bounty or compute."""
    payer: str = Field(foreign_key="account.name")
    principal: str = Field(foreign_key="account.name")
    """Who stands behind the payer: the owner of a mandate, else the payer itself."""
    epoch: int = Field(foreign_key="epoch.number", index=True, sa_type=BigInteger)
    gross_nanos: int = Field(sa_type=BigInteger)
    """What was divided; a surplus for scarce computing time comes on top."""
    fee_nanos: int = Field(sa_type=BigInteger)
    surplus_nanos: int = Field(default=0, sa_type=BigInteger)
    """Paid above the ask for a scarce resource; the platform's, so that nobody gains by faking
    scarcity."""
    at: float


class Income(MarketTable, table=True):
    """What one listing brought one payee in one payment."""

    __tablename__: ClassVar[str] = "income"
    __table_args__: ClassVar[Any] = (
        CheckConstraint("amount_nanos > 0", name="income_is_positive"),
        Index("income_by_account", "account", "transfer_id"),
    )

    transfer_id: int = Field(
        primary_key=True, foreign_key="settlement.transfer_id", sa_type=BigInteger
    )
    source: str = Field(primary_key=True, index=True)
    """Name of the listing that was paid for, or of the offer of computing time."""
    account: str = Field(primary_key=True, foreign_key="account.name")
    role: str = Field(primary_key=True)
    amount_nanos: int = Field(sa_type=BigInteger)


@dataclass(frozen=True, slots=True)
class IncomeView:
    """What one payment for one listing brought an account."""

    transfer_id: int
    at: float
    way: str
    """sale, rent, meter, usage, subscription, bounty or compute."""
    listing: str
    """What was paid for; of computing time, the offer."""
    role: str
    """seller, or royalty for a layer that was bred from the account's."""
    amount_nanos: Nanos


class SaleReturn(MarketTable, table=True):
    """A payment that was given back: what it bought has ended."""

    __tablename__: ClassVar[str] = "sale_return"

    sale_id: int = transfer_key()
    refund_id: int = Field(foreign_key="transfer.id", unique=True, sa_type=BigInteger)
    reason: str
    at: float


_CURSOR = re.compile(r"([0-9]{1,18}) (\S+) (\S+)")


@dataclass(frozen=True, slots=True)
class EarningView:
    """What one listing brought an account in one way, summed up."""

    listing: str
    """What was paid for; of computing time, the offer."""
    role: str
    """seller, or royalty for a layer that was bred from the account's."""
    way: str
    """sale, rent, meter, usage, subscription, bounty or compute."""
    n_payments: int
    amount_nanos: Nanos


@dataclass(frozen=True, slots=True)
class IncomePage:
    """Some of an account's incomes, oldest first."""

    items: tuple[IncomeView, ...]
    next: str | None
    """Cursor of the page of later ones; None after the last."""


def earnings(session: Session, account: str) -> list[EarningView]:
    """What each layer brought the account in each way, summed up; nothing given back."""
    find_account(session, account)
    income, paid = table_of(Income).c, table_of(Settlement).c
    by = (income.source, income.role, paid.way)
    total = cast(func.sum(income.amount_nanos), BigInteger)  # PostgreSQL sums to a decimal
    query = _kept(select_columns(*by, func.count(), total), account).group_by(*by)
    rows = session.connection().execute(query.order_by(income.role, income.source, paid.way))
    return [EarningView(*row) for row in rows]


def incomes(session: Session, account: str) -> list[IncomeView]:
    """What the account earned as seller or ancestor, oldest first; nothing given back."""
    find_account(session, account)
    return _views(session, account, None, None)


def income_page(
    session: Session, account: str, *, limit: int, cursor: str | None = None
) -> IncomePage:
    """So many and no more are read, however many there are.

    Args:
        cursor: `IncomePage.next` of the page before.

    Raises:
        PageError: A cursor that there is not.
    """
    find_account(session, account)
    found = _views(session, account, _read_cursor(cursor), limit + 1)
    if len(found) <= limit:
        return IncomePage(tuple(found), None)
    last = found[limit - 1]
    return IncomePage(tuple(found[:limit]), f"{last.transfer_id} {last.listing} {last.role}")


def _views(
    session: Session, account: str, after: tuple[int, str, str] | None, limit: int | None
) -> list[IncomeView]:
    income, paid = table_of(Income).c, table_of(Settlement).c
    place = (income.transfer_id, income.source, income.role)
    asked = (income.transfer_id, paid.at, paid.way, *place[1:], income.amount_nanos)
    query = _kept(select_columns(*asked), account).order_by(*place).limit(limit)
    if after is not None:
        query = query.where(tuple_(*place) > after, income.transfer_id >= after[0])
    return [IncomeView(*row) for row in session.connection().execute(query)]


def _kept(query: "Select[Any]", account: str) -> "Select[Any]":
    """The account's incomes with their payments, without those that were given back."""
    return (
        query.select_from(Income)
        .join(Settlement, col(Settlement.transfer_id) == col(Income.transfer_id))
        .outerjoin(SaleReturn, col(SaleReturn.sale_id) == col(Income.transfer_id))
        .where(col(Income.account) == account, col(SaleReturn.sale_id).is_(None))
    )


def _read_cursor(cursor: str | None) -> tuple[int, str, str] | None:
    if cursor is None:
        return None
    parts = _CURSOR.fullmatch(cursor) if isinstance(cursor, str) else None
    if parts is None:
        raise PageError("cursor must be the `next` of a page of these incomes: start without one")
    return int(parts[1]), parts[2], parts[3]


def settlement_of(session: Session, number: int) -> Settlement:
    """The payment of this transfer."""
    found = session.get(Settlement, number)
    assert found is not None, f"transfer {number} settled nothing"
    return found


def paid_for(session: Session, principal: str, listing: str) -> int:
    """What the account paid for the listing and was not given back, to the rounding of fees."""
    query = select(func.coalesce(func.sum(Income.amount_nanos), 0))
    return int(session.exec(_paid(query, principal, listing)).one()) * 10 // 9


def has_paid_use(session: Session, principal: str, listing: str) -> bool:
    """Whether the account ever paid for the listing, and was not paid back."""
    query = _paid(select(Income.transfer_id), principal, listing)
    return session.exec(query.limit(1)).first() is not None


def _paid(query: Any, principal: str, listing: str) -> Any:
    """Incomes from a listing that one account paid for and was not given back."""
    return (
        query.join(Settlement, col(Settlement.transfer_id) == col(Income.transfer_id))
        .outerjoin(SaleReturn, col(SaleReturn.sale_id) == col(Income.transfer_id))
        .where(
            Settlement.principal == principal,
            Income.source == listing,
            Settlement.way != "compute",
            col(SaleReturn.sale_id).is_(None),
        )
    )
