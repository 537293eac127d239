"""Renting by use: credits are held, every use is read off against them, and closing pays once.

    open 5 credits -> read 1,000 units -> read 400 units -> close: pay for 1,400, release the rest

The rate is fixed when the meter is opened, and readings can never pass the hold: the user knows
the greatest bill beforehand, the seller knows that it will be paid. A meter whose time is over is
closed by `sweep`; its hold lasts some days longer, so that being late costs the seller nothing.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

from sqlalchemy import BigInteger, CheckConstraint, Index, UniqueConstraint, func
from sqlmodel import Field, Session, col, select

from marketplace.database.sql import MarketTable, alike, put
from marketplace.errors import HoldExceededError, NotOfferedError, TradeNotFoundError
from marketplace.fields import Actor, Credits, Days, ListingName, Nanos, Number, Several
from marketplace.ledger.account import principal_of, refuse_house
from marketplace.ledger.epoch import current_epoch
from marketplace.ledger.hold import hold, is_open, void_hold
from marketplace.ledger.journal import OpenHold, transfer_key
from marketplace.ledger.operation import Due, Operation
from marketplace.ledger.statement import find_account, made_by
from marketplace.listing import catalogue
from marketplace.money import check_amount, format_credits
from marketplace.trade import terms
from marketplace.trade.buy import refuse_owner
from marketplace.trade.rent import DAY_S, check_days
from marketplace.trade.settlement import Payment, settle_hold


class Meter(MarketTable, table=True):
    """A rental by use: a hold that readings count against, paid once when it is closed."""

    __tablename__: ClassVar[str] = "meter"
    __table_args__: ClassVar[Any] = (Index("meter_by_account", "account", "listing"),)

    hold_id: int = transfer_key()
    account: str = Field(foreign_key="account.name")
    principal: str = Field(foreign_key="account.name")
    listing: str = Field(foreign_key="listing.name")
    rate_nanos: int = Field(sa_type=BigInteger)
    """Per 1,000 units, fixed when the meter was opened."""
    limit_nanos: int = Field(sa_type=BigInteger)
    opened_at: float
    ends_at: float = Field(index=True)


class MeterReading(MarketTable, table=True):
    """Units used since the reading before; the running totals can only grow."""

    __tablename__: ClassVar[str] = "meter_reading"
    __table_args__: ClassVar[Any] = (
        CheckConstraint("units > 0", name="reading_is_positive"),
        UniqueConstraint("hold_id", "n_units", name="totals_grow"),
    )

    key: str = Field(primary_key=True, foreign_key="request.key")
    hold_id: int = Field(foreign_key="meter.hold_id", sa_type=BigInteger)
    units: int = Field(sa_type=BigInteger)
    n_units: int = Field(sa_type=BigInteger)
    """All units up to this reading."""
    at: float


GRACE_S = 30 * DAY_S
"""How long a hold outlives what it is for, so that whoever settles may be late."""


@dataclass(frozen=True, slots=True)
class MeterView:
    """A meter as its user sees it."""

    meter: int
    """Number of the hold."""
    account: str
    listing: str
    rate_nanos: Nanos
    """Per 1,000 units."""
    limit_nanos: Nanos
    n_units: int
    due_nanos: Nanos
    """What the units read so far cost."""
    ends_at: float
    open: bool
    replayed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenMeter(Operation[MeterView]):
    """Hold up to so many credits and rent by use.

    Raises:
        NotForSaleError: The listing was withdrawn, quarantined or revoked.
        NotOfferedError: No metered use is offered, or a meter is already running.
        InsufficientCreditsError: The account has less than the limit available.
    """

    OPERATION: ClassVar[str] = "meter"

    account: Actor
    listing: ListingName
    limit_nanos: Credits
    days: Days

    def check(self) -> None:
        """Refuse the house, and days beyond a year."""
        refuse_house(self.account, "rent")
        check_days(self.days)
        check_amount(self.limit_nanos, "limit")

    def do(self, session: Session, at: float) -> None:
        """Hold the limit, at the rate of now."""
        find_account(session, self.account)
        view = terms.on_sale(session, self.listing)
        principal = principal_of(self.account)
        refuse_owner(session, principal, view)
        if _is_running(session, principal, self.listing, at):
            raise NotOfferedError(
                f"{principal!r} has a meter running on listing {self.listing!r}: use or close it"
            )
        use_rate = terms.terms_view(session, view).use_rate_nanos
        rate = terms.offered(use_rate, self.listing, "by use")
        number = hold(
            session,
            payer=self.account,
            amount_nanos=self.limit_nanos,
            purpose=f"{self.account} meters {self.listing}",
            key=self.key,
            expires_at=at + self.days * DAY_S + GRACE_S,
            at=at,
        )
        put(
            session,
            alike(
                Meter,
                self,
                hold_id=number,
                principal=principal,
                rate_nanos=rate,
                opened_at=at,
                ends_at=at + self.days * DAY_S,
            ),
        )

    def done(self, session: Session, at: float) -> MeterView:
        """The meter that the key opened."""
        return meter_view(session, made_by(session, self.key))

    def due(self, session: Session) -> Due:
        """What is held."""
        return Due(self.limit_nanos, catalogue.listing_view(session, self.listing).owner)

    def hands_over(self, session: Session) -> tuple[str, ...]:
        """The listing's."""
        return (self.listing,)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOffMeter(Operation[MeterView]):
    """Count units on a meter; moves no credits yet.

    Raises:
        TradeNotFoundError: There is no such meter.
        NotOfferedError: It is closed or its time is over.
        HoldExceededError: The bill would pass the held credits.
    """

    OPERATION: ClassVar[str] = "meter-use"

    meter: Number
    units: Several

    def check(self) -> None:
        """Refuse no units."""
        check_amount(self.units, "units")

    def do(self, session: Session, at: float) -> None:
        """Note the reading."""
        meter, view = self.meter, meter_view(session, self.meter)
        if not view.open or at >= view.ends_at:
            raise NotOfferedError(f"meter {meter} is closed: open another")
        listing = catalogue.listing_view(session, view.listing)
        if not catalogue.usable(session, listing.name, listing.version):
            raise NotOfferedError(
                f"listing {listing.name!r} is {listing.status} and must not be used:"
                f" close meter {meter}"
            )
        n_units = view.n_units + self.units
        due = terms.cost_nanos(n_units, view.rate_nanos)
        if due > view.limit_nanos:
            raise HoldExceededError(
                f"{n_units} units cost {format_credits(due)}, meter {meter} holds"
                f" {format_credits(view.limit_nanos)}: close it and open one with a higher limit"
            )
        put(
            session,
            MeterReading(key=self.key, hold_id=meter, units=self.units, n_units=n_units, at=at),
        )

    def party(self, session: Session, at: float) -> tuple[str, str]:
        """The meter's user."""
        return meter_view(session, self.meter).account, f"meter {self.meter}"

    def done(self, session: Session, at: float) -> MeterView:
        """The meter as it is now."""
        return meter_view(session, self.meter)


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseMeter(Operation[MeterView]):
    """Pay what the meter shows and release the rest; all of it when nothing was used.

    Raises:
        TradeNotFoundError: There is no such meter.
        HoldClosedError: It was closed before, under another key.
    """

    OPERATION: ClassVar[str] = "meter-close"

    meter: Number

    def do(self, session: Session, at: float) -> None:
        """Settle the hold, or void it."""
        view = meter_view(session, self.meter)
        if view.n_units == 0:
            void_hold(session, self.meter, key=self.key, at=at)
            return
        row = session.get_one(Meter, self.meter)
        payment = Payment(
            way="meter",
            payer=row.account,
            principal=row.principal,
            gross_nanos=view.due_nanos,
            parts=(terms.part(session, catalogue.listing_view(session, row.listing)),),
            epoch=current_epoch(session),
            memo=f"{row.account} used {view.n_units} units of {row.listing}",
        )
        settle_hold(session, self.meter, payment, key=self.key, at=at)

    def party(self, session: Session, at: float) -> tuple[str, str]:
        """The meter's user."""
        return meter_view(session, self.meter).account, f"meter {self.meter}"

    def done(self, session: Session, at: float) -> MeterView:
        """The meter as it is now."""
        return meter_view(session, self.meter)


def _is_running(session: Session, principal: str, listing: str, at: float) -> bool:
    """Whether the account has a meter on the listing that counts now."""
    query = (
        select(Meter.hold_id)
        .join(OpenHold, col(OpenHold.transfer_id) == col(Meter.hold_id))
        .where(Meter.principal == principal, Meter.listing == listing, Meter.ends_at > at)
    )
    return session.exec(query.limit(1)).first() is not None


def meter_view(session: Session, number: Number) -> MeterView:
    """What a meter shows.

    Raises:
        TradeNotFoundError: There is none.
    """
    row = session.get(Meter, number)
    if row is None:
        raise TradeNotFoundError(f"meter {number} does not exist: open one first")
    n_units = metered_units(session, number)
    due_nanos = terms.cost_nanos(n_units, row.rate_nanos) if n_units else 0
    said = {"meter": number, "n_units": n_units, "due_nanos": due_nanos}
    return alike(MeterView, row, open=is_open(session, number), **said)


def due_meters(session: Session, at: float) -> list[int]:
    """Meters whose time is over and whose hold is still open."""
    query = (
        select(Meter.hold_id)
        .join(OpenHold, col(OpenHold.transfer_id) == col(Meter.hold_id))
        .where(Meter.ends_at <= at)
        .order_by(col(Meter.hold_id))
    )
    return list(session.exec(query))


def metered_units(session: Session, hold_id: int) -> int:
    """Units read on a meter so far."""
    query = select(func.max(MeterReading.n_units)).where(MeterReading.hold_id == hold_id)
    return session.exec(query).one() or 0


def running_meters(session: Session, principal: str, listing: str) -> list[tuple[int, int]]:
    """Units read so far and rate of each meter of the account on a listing that is still open."""
    query = (
        select(func.max(MeterReading.n_units), Meter.rate_nanos)
        .join(MeterReading, col(MeterReading.hold_id) == col(Meter.hold_id))
        .join(OpenHold, col(OpenHold.transfer_id) == col(Meter.hold_id))
        .where(Meter.principal == principal, Meter.listing == listing)
        .group_by(col(Meter.hold_id), col(Meter.rate_nanos))
    )
    return [(int(n_units), rate) for n_units, rate in session.exec(query)]
