"""Renting by time: so many days, paid in advance; renewing adds to the days that are left."""

from dataclasses import dataclass
from typing import Any, ClassVar

from sqlalchemy import BigInteger, CheckConstraint, Index, func
from sqlmodel import Field, Session, col, select

from marketplace.database.sql import MarketTable, put
from marketplace.errors import InvalidInputError
from marketplace.fields import Actor, Credits, Days, ListingName, Nanos
from marketplace.ledger.account import principal_of, refuse_house
from marketplace.ledger.epoch import current_epoch
from marketplace.ledger.journal import transfer_key
from marketplace.ledger.operation import Due, Operation
from marketplace.ledger.statement import find_account, made_by
from marketplace.listing import catalogue
from marketplace.listing.listing import ListingView
from marketplace.money import check_amount
from marketplace.trade import terms
from marketplace.trade.buy import purchase_by, refuse_owner, refuse_price
from marketplace.trade.incomes import SaleReturn, Settlement, settlement_of
from marketplace.trade.settlement import Payment, settle


class Rental(MarketTable, table=True):
    """The right to use a listing during a stretch of time, paid in advance."""

    __tablename__: ClassVar[str] = "rental"
    __table_args__: ClassVar[Any] = (
        CheckConstraint("ends_at > starts_at", name="rental_lasts"),
        Index("rental_by_renter", "renter", "listing"),
    )

    transfer_id: int = transfer_key()
    renter: str = Field(foreign_key="account.name")
    listing: str = Field(foreign_key="listing.name")
    starts_at: float
    ends_at: float
    rate_nanos: int = Field(sa_type=BigInteger)
    """Per day."""


DAY_S = 86_400.0
MAX_DAYS = 366


@dataclass(frozen=True, slots=True)
class RentalView:
    """A rental as its renter sees it."""

    rental: int
    """Number of the transfer that paid for it."""
    renter: str
    listing: str
    days: int
    price_nanos: Nanos
    starts_at: float
    """Seconds since 1970."""
    ends_at: float
    replayed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Rent(Operation[RentalView]):
    """Pay for days of use; a rental that is running is extended.

    Raises:
        NotForSaleError: The listing was withdrawn, quarantined or revoked.
        NotOfferedError: The seller does not rent it out.
        OwnLayerError: The renter published the layer.
        AlreadyOwnedError: The renter owns it.
        PriceAboveLimitError: The rent is above `max_price_nanos`.
    """

    OPERATION: ClassVar[str] = "rent"

    renter: Actor
    listing: ListingName
    days: Days
    max_price_nanos: Credits | None = None

    def check(self) -> None:
        """Refuse the house, and days beyond a year."""
        refuse_house(self.renter, "rent")
        check_days(self.days)

    def do(self, session: Session, at: float) -> None:
        """The days start now, or when the rental that is running ends."""
        account = find_account(session, self.renter)
        view = terms.on_sale(session, self.listing)
        principal = principal_of(self.renter)
        before = purchase_by(session, principal, view.name)
        if before is None or not before.returned:
            refuse_owner(session, principal, view)
        day_nanos = terms.terms_view(session, view).rent_day_nanos
        rate = terms.offered(day_nanos, self.listing, "for rent")
        price_nanos = check_amount(max(terms.MIN_CHARGE_NANOS, rate * self.days), "rent")
        what = f"renting listing {self.listing!r} for {self.days} days"
        refuse_price(account, what, price_nanos, self.max_price_nanos)
        purpose = f"for {self.days} days"
        payment = rental(session, self.renter, principal, view, price_nanos, purpose)
        lend(session, payment, days=self.days, rate_nanos=rate, key=self.key, at=at)

    def done(self, session: Session, at: float) -> RentalView:
        """The rental that the key paid for."""
        number = made_by(session, self.key)
        row, paid = session.get_one(Rental, number), settlement_of(session, number)
        days = round((row.ends_at - row.starts_at) / DAY_S)
        return RentalView(
            number, paid.payer, row.listing, days, paid.gross_nanos, row.starts_at, row.ends_at
        )

    def due(self, session: Session) -> Due:
        """The days' rent."""
        view = catalogue.listing_view(session, self.listing)
        daily = terms.terms_view(session, view).rent_day_nanos or 0
        return Due(daily * self.days, view.owner)

    def hands_over(self, session: Session) -> tuple[str, ...]:
        """The listing's."""
        return (self.listing,)


def rental(
    session: Session, renter: str, principal: str, view: ListingView, price_nanos: int, what: str
) -> Payment:
    """The payment for days of use of one listing."""
    return Payment(
        way="rent",
        payer=renter,
        principal=principal,
        gross_nanos=price_nanos,
        parts=(terms.part(session, view),),
        epoch=current_epoch(session),
        memo=f"{renter} rents {view.name} {what}",
    )


def lend(
    session: Session, payment: Payment, *, days: int, rate_nanos: int, key: str, at: float
) -> None:
    """Move the payment and let its principal use the layer; the caller has claimed the key."""
    number, _ = settle(session, payment, key=key, at=at)
    listing = payment.parts[0].source
    running = rental_end(session, payment.principal, listing)
    starts_at = at if running is None else max(at, running)
    put(
        session,
        Rental(
            transfer_id=number,
            renter=payment.principal,
            listing=listing,
            starts_at=starts_at,
            ends_at=starts_at + days * DAY_S,
            rate_nanos=rate_nanos,
        ),
    )


def check_days(days: object) -> int:
    """The value itself, when it is a whole number of days within a year.

    Raises:
        InvalidInputError: It is not.
    """
    if type(days) is not int or not 1 <= days <= MAX_DAYS:
        raise InvalidInputError(f"days must be a whole number from 1 to {MAX_DAYS}, got {days!r}")
    return days


def rentals_running(session: Session, listing: str, at: float) -> list[int]:
    """Rentals of a listing that were paid by then, had days left, and were not paid back."""
    query = (
        select(Rental.transfer_id)
        .join(Settlement, col(Settlement.transfer_id) == col(Rental.transfer_id))
        .outerjoin(SaleReturn, col(SaleReturn.sale_id) == col(Rental.transfer_id))
        .where(
            Rental.listing == listing,
            Rental.ends_at > at,
            Settlement.at <= at,
            col(SaleReturn.sale_id).is_(None),
        )
        .order_by(col(Rental.transfer_id))
    )
    return list(session.exec(query))


def rental_end(session: Session, renter: str, listing: str) -> float | None:
    """When the last of the account's rentals of a listing ends; None = it never rented it."""
    query = select(func.max(Rental.ends_at)).where(
        Rental.renter == renter, Rental.listing == listing
    )
    return session.exec(query).one()
