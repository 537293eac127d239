"""Prices move when an epoch closes, and at no other time.

An epoch is closed by an explicit call, not by the clock, so that the same trades give the same
prices on every machine. One row per listing and epoch holds the price that applied in it.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

from sqlalchemy import BigInteger, CheckConstraint
from sqlmodel import Field, Session, func, select

from marketplace.database.sql import MarketTable
from marketplace.fields import Nanos
from marketplace.formula.price import Demand


class Epoch(MarketTable, table=True):
    """A stretch of trading at fixed prices; the highest number is the running one."""

    __tablename__: ClassVar[str] = "epoch"

    number: int = Field(primary_key=True, sa_type=BigInteger)
    opened_at: float


class PriceRow(MarketTable, table=True):
    """The price of one listing during one epoch, with the demand it was made from."""

    __tablename__: ClassVar[str] = "price"
    __table_args__ = (CheckConstraint("price_nanos > 0", name="nothing_is_free"),)

    listing: str = Field(primary_key=True, foreign_key="listing.name")
    epoch: int = Field(primary_key=True, foreign_key="epoch.number", index=True, sa_type=BigInteger)
    price_nanos: int = Field(sa_type=BigInteger)
    log_premium: float
    usual_buyers: float

    @property
    def demand(self) -> Demand:
        """State of the demand controller when this price was made."""
        return Demand(log_premium=self.log_premium, usual_buyers=self.usual_buyers)


@dataclass(frozen=True, slots=True)
class PricePoint:
    """One point of a listing's price history: the price in an epoch and what it sold."""

    epoch: int
    price_nanos: Nanos
    sales: int


def price_values(listing: str, epoch: int, price_nanos: int, demand: Demand) -> dict[str, Any]:
    """The values of the row that fixes a price for one epoch, ready for a bulk insert."""
    return {
        "listing": listing,
        "epoch": epoch,
        "price_nanos": price_nanos,
        "log_premium": demand.log_premium,
        "usual_buyers": demand.usual_buyers,
    }


def current_epoch(session: Session) -> int:
    """Number of the running epoch."""
    return session.exec(select(func.max(Epoch.number))).one()
