"""Renting by use: credits are held, every use is read off against them, and closing pays once.

    open 5 credits -> read 1,000 units -> read 400 units -> close: pay for 1,400, release the rest

The rate is fixed when the meter is opened, and readings can never pass the hold: the user knows
the greatest bill beforehand, the seller knows that it will be paid. A meter whose time is over is
closed by `sweep`; its hold lasts some days longer, so that being late costs the seller nothing.
"""

from dataclasses import dataclass, replace

from sqlmodel import Session

from marketplace.errors import HoldExceededError, NotOfferedError, TradeNotFoundError
from marketplace.ledger.account import principal_of, refuse_house
from marketplace.ledger.epoch import current_epoch
from marketplace.ledger.hold import hold, void_hold
from marketplace.ledger.idempotency import claim
from marketplace.ledger.statement import find_account
from marketplace.listing import catalogue
from marketplace.money import check_amount, format_credits
from marketplace.trade import pending, queries, rights, terms
from marketplace.trade.buy import refuse_owner
from marketplace.trade.records import Meter, MeterReading
from marketplace.trade.rent import DAY_S, check_days
from marketplace.trade.settlement import Payment, settle_hold

GRACE_S = 30 * DAY_S
"""How long a hold outlives what it is for, so that whoever settles may be late."""


@dataclass(frozen=True, slots=True)
class MeterView:
    """A meter as its user sees it."""

    meter: int
    """Number of the hold."""
    account: str
    listing: str
    rate_nanos: int
    """Per 1,000 units."""
    limit_nanos: int
    n_units: int
    due_nanos: int
    """What the units read so far cost."""
    ends_at: float
    open: bool
    replayed: bool = False


def meter_open(
    session: Session,
    *,
    account: str,
    listing: str,
    limit_nanos: int,
    days: int,
    key: str,
    at: float,
) -> MeterView:
    """Hold up to so many credits for metered use of one listing.

    Raises:
        NotForSaleError: The listing was withdrawn, quarantined or revoked.
        NotOfferedError: No metered use is offered, or a meter is already running.
        InsufficientCreditsError: The account has less than the limit available.
    """
    refuse_house(account, "rent")
    check_days(days)
    check_amount(limit_nanos, "limit")
    find_account(session, account)
    body: dict[str, object] = {
        "account": account, "listing": listing, "limit_nanos": limit_nanos, "days": days,
    }  # fmt: skip
    if not claim(session, key=key, operation="meter", body=body, at=at):
        return replace(meter_view(session, _number(session, key)), replayed=True)
    view = terms.on_sale(session, listing)
    principal = principal_of(account)
    refuse_owner(session, principal, view)
    running = queries.running_rights(session, [(principal, listing)], at)
    if rights.METER in running.get((principal, listing), {}):
        raise NotOfferedError(
            f"{principal!r} has a meter running on listing {listing!r}: use or close it"
        )
    rate = terms.offered(terms.terms_view(session, view).use_rate_nanos, listing, "by use")
    number = hold(
        session,
        payer=account,
        amount_nanos=limit_nanos,
        purpose=f"{account} meters {listing}",
        key=key,
        expires_at=at + days * DAY_S + GRACE_S,
        at=at,
    )
    session.add(
        Meter(
            hold_id=number,
            account=account,
            principal=principal,
            listing=listing,
            rate_nanos=rate,
            limit_nanos=limit_nanos,
            opened_at=at,
            ends_at=at + days * DAY_S,
        )
    )
    session.flush()
    return meter_view(session, number)


def meter_use(session: Session, *, meter: int, units: int, key: str, at: float) -> MeterView:
    """Read units off a meter; moves no credits yet.

    Raises:
        TradeNotFoundError: There is no such meter.
        NotOfferedError: It is closed or its time is over.
        HoldExceededError: The bill would pass the held credits.
    """
    check_amount(units, "units")
    view = meter_view(session, meter)
    body: dict[str, object] = {"meter": meter, "units": units}
    if not claim(session, key=key, operation="meter-use", body=body, at=at):
        return replace(view, replayed=True)
    if not view.open or at >= view.ends_at:
        raise NotOfferedError(f"meter {meter} is closed: open another")
    listing = catalogue.listing_view(session, view.listing)
    if not rights.usable(session, listing.name, listing.version):
        raise NotOfferedError(
            f"listing {listing.name!r} is {listing.status} and must not be used:"
            f" close meter {meter}"
        )
    due = terms.cost_nanos(view.n_units + units, view.rate_nanos)
    if due > view.limit_nanos:
        raise HoldExceededError(
            f"{view.n_units + units} units cost {format_credits(due)}, meter {meter} holds"
            f" {format_credits(view.limit_nanos)}: close it and open one with a higher limit"
        )
    session.add(
        MeterReading(key=key, hold_id=meter, units=units, n_units=view.n_units + units, at=at)
    )
    session.flush()
    return meter_view(session, meter)


def meter_close(session: Session, *, meter: int, key: str, at: float) -> MeterView:
    """Pay for what was used and release the rest; all of it when nothing was used.

    Raises:
        TradeNotFoundError: There is no such meter.
        HoldClosedError: It was closed before, under another key.
    """
    view = meter_view(session, meter)
    if not claim(session, key=key, operation="meter-close", body={"meter": meter}, at=at):
        return replace(view, replayed=True)
    row = session.get_one(Meter, meter)
    if view.n_units == 0:
        void_hold(session, meter, key=key, at=at)
        return meter_view(session, meter)
    listing = catalogue.listing_view(session, row.listing)
    payment = Payment(
        way="meter",
        payer=row.account,
        principal=row.principal,
        gross_nanos=view.due_nanos,
        parts=(terms.part(session, listing),),
        epoch=current_epoch(session),
        memo=f"{row.account} used {view.n_units} units of {row.listing}",
    )
    settle_hold(session, meter, payment, key=key, at=at)
    return meter_view(session, meter)


def meter_view(session: Session, meter: int) -> MeterView:
    """The meter of this number.

    Raises:
        TradeNotFoundError: There is none.
    """
    row = session.get(Meter, meter)
    if row is None:
        raise TradeNotFoundError(f"meter {meter} does not exist: open one first")
    n_units = pending.metered_units(session, meter)
    return MeterView(
        meter=meter,
        account=row.account,
        listing=row.listing,
        rate_nanos=row.rate_nanos,
        limit_nanos=row.limit_nanos,
        n_units=n_units,
        due_nanos=terms.cost_nanos(n_units, row.rate_nanos) if n_units else 0,
        ends_at=row.ends_at,
        open=pending.is_open(session, meter),
    )


def _number(session: Session, key: str) -> int:
    number = queries.transfer_of_key(session, key)
    assert number is not None, f"key {key!r} left no hold"
    return number
