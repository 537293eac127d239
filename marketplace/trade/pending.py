"""SQL questions about what waits for its end: trials, subscriptions, meters, bounties."""

from sqlalchemy import func
from sqlmodel import Session, col, select

from marketplace.ledger.journal import OpenHold, Transfer
from marketplace.trade.notices import (
    Bounty,
    BountyAward,
)
from marketplace.trade.records import (
    Meter,
    MeterReading,
    Subscription,
    Trial,
    TrialResult,
    Usage,
)


def is_open(session: Session, hold_id: int) -> bool:
    """Whether a hold still waits for its end."""
    query = select(OpenHold.transfer_id).where(OpenHold.transfer_id == hold_id)
    return session.exec(query).first() is not None


def hold_end(session: Session, hold_id: int) -> tuple[int, str] | None:
    """The transfer that ended a hold, and its kind: post, void or expire."""
    query = select(Transfer.id, Transfer.kind).where(
        Transfer.refers_to == hold_id, col(Transfer.kind).in_(("post", "void", "expire"))
    )
    return session.exec(query).first()


def trial_of(session: Session, principal: str, listing: str) -> Trial | None:
    """The one trial of a listing an account ever had."""
    query = select(Trial).where(Trial.principal == principal, Trial.listing == listing)
    return session.exec(query).first()


def open_trials_of(session: Session, listing: str) -> list[int]:
    """Trials of a listing whose price is still held."""
    query = (
        select(Trial.hold_id)
        .join(OpenHold, col(OpenHold.transfer_id) == col(Trial.hold_id))
        .where(Trial.listing == listing)
        .order_by(col(Trial.hold_id))
    )
    return list(session.exec(query))


def n_open_trials(session: Session, principal: str, at: float) -> int:
    """How many trials an account is running."""
    query = (
        select(func.count())
        .select_from(Trial)
        .join(OpenHold, col(OpenHold.transfer_id) == col(Trial.hold_id))
        .where(Trial.principal == principal, Trial.ends_at > at)
    )
    return session.exec(query).one()


def trials(session: Session, buyer: str | None) -> list[tuple[Trial, TrialResult | None]]:
    """All trials, or those of one buyer, oldest first, with what decided them."""
    query = (
        select(Trial, TrialResult)
        .outerjoin(TrialResult, col(TrialResult.hold_id) == col(Trial.hold_id))
        .order_by(col(Trial.hold_id))
    )
    if buyer is not None:
        query = query.where((Trial.buyer == buyer) | (Trial.principal == buyer))
    return [(row[0], row[1]) for row in session.exec(query)]


def due_subscriptions(session: Session, at: float) -> list[Subscription]:
    """Subscriptions whose time is over and whose fee is still held."""
    query = (
        select(Subscription)
        .join(OpenHold, col(OpenHold.transfer_id) == col(Subscription.hold_id))
        .where(Subscription.ends_at <= at)
        .order_by(col(Subscription.hold_id))
    )
    return list(session.exec(query))


def subscriptions(session: Session, principal: str) -> list[int]:
    """Numbers of the account's subscriptions, oldest first."""
    query = select(Subscription.hold_id).where(Subscription.principal == principal)
    return list(session.exec(query.order_by(col(Subscription.hold_id))))


def covered_units(session: Session, subscription_id: int) -> dict[str, int]:
    """Units of each listing used under a subscription, by name."""
    query = (
        select(Usage.listing, func.sum(Usage.units))
        .where(Usage.covered_by == "subscription", Usage.cover_id == subscription_id)
        .group_by(col(Usage.listing))
        .order_by(col(Usage.listing))
    )
    return {listing: int(units) for listing, units in session.exec(query)}


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


def bounties(
    session: Session, *, open_at: float | None = None, after: int = 0, limit: int | None = None
) -> list[tuple[Bounty, BountyAward | None, bool]]:
    """Bounties, oldest first, with their award and whether the reward is still held.

    Args:
        open_at: Only those that can be earned at this time.
    """
    query = (
        select(Bounty, BountyAward, OpenHold.transfer_id)
        .outerjoin(BountyAward, col(BountyAward.hold_id) == col(Bounty.hold_id))
        .outerjoin(OpenHold, col(OpenHold.transfer_id) == col(Bounty.hold_id))
        .where(col(Bounty.hold_id) > after)
        .order_by(col(Bounty.hold_id))
        .limit(limit)
    )
    if open_at is not None:
        query = query.where(col(OpenHold.transfer_id).is_not(None), col(Bounty.ends_at) > open_at)
    return [(row[0], row[1], row[2] is not None) for row in session.exec(query)]


def is_promised(session: Session, hold_id: int) -> bool:
    """Whether a hold belongs to a trial, meter, subscription or bounty, which decides its end."""
    return any(
        session.get(table, hold_id) is not None for table in (Trial, Meter, Subscription, Bounty)
    )
