"""What accounts earned: payment by payment, page by page, or summed up.

Payments that were given back are left out everywhere.
"""

import re
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, Select, cast, func, tuple_
from sqlalchemy import select as select_columns
from sqlmodel import Session, col

from marketplace.database.tables import table_of
from marketplace.errors import PageError
from marketplace.ledger.statement import find_account
from marketplace.trade.records import Income, IncomeView, SaleReturn, Settlement

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
    amount_nanos: int


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
