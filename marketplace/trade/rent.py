"""Renting by time: so many days, paid in advance; renewing adds to the days that are left."""

from dataclasses import dataclass

from sqlmodel import Session

from marketplace.errors import InvalidInputError
from marketplace.ledger.account import principal_of, refuse_house
from marketplace.ledger.epoch import current_epoch
from marketplace.ledger.idempotency import claim
from marketplace.ledger.statement import find_account
from marketplace.listing.listing import ListingView
from marketplace.money import check_amount
from marketplace.trade import queries, terms
from marketplace.trade.buy import refuse_owner, refuse_price
from marketplace.trade.records import Rental
from marketplace.trade.settlement import Payment, settle

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
    price_nanos: int
    starts_at: float
    """Seconds since 1970."""
    ends_at: float
    replayed: bool = False


def rent(
    session: Session,
    *,
    renter: str,
    listing: str,
    days: int,
    key: str,
    max_price_nanos: int | None,
    at: float,
) -> RentalView:
    """Pay for days of use; they start now, or when the rental that is running ends.

    Raises:
        NotForSaleError: The listing was withdrawn, quarantined or revoked.
        NotOfferedError: The seller does not rent it out.
        OwnLayerError: The renter published the layer.
        AlreadyOwnedError: The renter owns it.
        PriceAboveLimitError: The rent is above `max_price_nanos`.
    """
    refuse_house(renter, "rent")
    check_days(days)
    account = find_account(session, renter)
    body: dict[str, object] = {"renter": renter, "listing": listing, "days": days}
    if not claim(session, key=key, operation="rent", body=body, at=at):
        return _made(session, key)
    view = terms.on_sale(session, listing)
    principal = principal_of(renter)
    if (before := queries.purchase(session, principal, view.name)) is None or not before.returned:
        refuse_owner(session, principal, view)
    rate = terms.offered(terms.terms_view(session, view).rent_day_nanos, listing, "for rent")
    price_nanos = check_amount(max(terms.MIN_CHARGE_NANOS, rate * days), "rent")
    what = f"renting listing {listing!r} for {days} days"
    refuse_price(account, what, price_nanos, max_price_nanos)
    payment = rental(session, renter, principal, view, price_nanos, f"for {days} days")
    return lend(session, payment, days=days, rate_nanos=rate, key=key, at=at)


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
) -> RentalView:
    """Move the payment and let its principal use the layer; the caller has claimed the key."""
    number, _ = settle(session, payment, key=key, at=at)
    listing = payment.parts[0].source
    running = queries.rental_end(session, payment.principal, listing)
    starts_at = at if running is None else max(at, running)
    session.add(
        Rental(
            transfer_id=number,
            renter=payment.principal,
            listing=listing,
            starts_at=starts_at,
            ends_at=starts_at + days * DAY_S,
            rate_nanos=rate_nanos,
        )
    )
    session.flush()
    return RentalView(
        number, payment.payer, listing, days, payment.gross_nanos, starts_at,
        starts_at + days * DAY_S,
    )  # fmt: skip


def check_days(days: object) -> int:
    """The value itself, when it is a whole number of days within a year.

    Raises:
        InvalidInputError: It is not.
    """
    if type(days) is not int or not 1 <= days <= MAX_DAYS:
        raise InvalidInputError(f"days must be a whole number from 1 to {MAX_DAYS}, got {days!r}")
    return days


def _made(session: Session, key: str) -> RentalView:
    number = queries.transfer_of_key(session, key)
    rental = None if number is None else session.get(Rental, number)
    assert number is not None and rental is not None, f"key {key!r} left no rental"
    paid = queries.settlement(session, number)
    days = round((rental.ends_at - rental.starts_at) / DAY_S)
    return RentalView(
        number, paid.payer, rental.listing, days, paid.gross_nanos, rental.starts_at,
        rental.ends_at, replayed=True,
    )  # fmt: skip
