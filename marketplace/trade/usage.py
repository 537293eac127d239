"""The rows of what was used: units of a listing, by whom, and what covered them."""

from collections.abc import Collection
from typing import Any, ClassVar, NamedTuple

from sqlalchemy import BigInteger, CheckConstraint, Index, func
from sqlalchemy import select as select_columns
from sqlmodel import Field, Session, col, select

from marketplace.database.sql import MarketTable, Statement, ask, one_of, table_of


class Used(NamedTuple):
    """A use that was charged or covered."""

    key: str
    account: str
    listing: str
    units: int
    amount_nanos: int
    covered_by: str
    cover_id: int | None
    at: float


class Usage(MarketTable, table=True):
    """Units of a listing that an account used, and what covered them."""

    __tablename__: ClassVar[str] = "usage"
    __table_args__: ClassVar[Any] = (
        CheckConstraint("units > 0", name="usage_is_positive"),
        CheckConstraint("amount_nanos >= 0", name="usage_costs_nothing_or_something"),
        Index("usage_by_user", "principal", "listing"),
        Index("usage_by_cover", "cover_id"),
    )

    key: str = Field(primary_key=True)
    """Of the charge; a charge in bulk has its request in the transfer itself."""
    account: str = Field(foreign_key="account.name")
    principal: str = Field(foreign_key="account.name")
    listing: str = Field(foreign_key="listing.name", index=True)
    units: int = Field(sa_type=BigInteger)
    amount_nanos: int = Field(sa_type=BigInteger)
    covered_by: str
    """charge, subscription, or the right that made it free: sale, rent, trial."""
    cover_id: int | None = Field(default=None, sa_type=BigInteger)
    """Transfer of the charge or hold of the subscription."""
    at: float


_USAGES = Statement(
    select_columns(
        *table_of(Usage).c[
            "key", "account", "listing", "units", "amount_nanos", "covered_by", "cover_id", "at"
        ]
    ).where(one_of(Usage.key, "keys"))
)


def usages(session: Session, keys: Collection[str]) -> dict[str, Used]:
    """The uses that these keys made, by key."""
    rows = ask(session, _USAGES, keys=keys)
    return {row[0]: Used(*row) for row in rows}


def covered_units(session: Session, subscription_id: int) -> dict[str, int]:
    """Units of each listing used under a subscription, by name."""
    query = (
        select(Usage.listing, func.sum(Usage.units))
        .where(Usage.covered_by == "subscription", Usage.cover_id == subscription_id)
        .group_by(col(Usage.listing))
        .order_by(col(Usage.listing))
    )
    return {listing: int(units) for listing, units in session.exec(query)}
