"""Finishing what is due: meters and subscriptions whose time is over, and holds nobody claimed.

Meters and subscriptions are settled first, because an expired hold can no longer be paid out.
One that cannot be settled is reported and does not keep the others waiting.
"""

from collections.abc import Callable
from dataclasses import dataclass

from sqlmodel import Session

from marketplace.errors import MarketError
from marketplace.hold import expire_holds
from marketplace.idempotency import claim
from marketplace.ledger import linked
from marketplace.trading import pending, queries
from marketplace.trading.meter import meter_close
from marketplace.trading.subscription import subscription_settle


@dataclass(frozen=True, slots=True)
class SweepReport:
    """What was finished, by number of the hold."""

    meters: tuple[int, ...]
    subscriptions: tuple[int, ...]
    expired: tuple[int, ...]
    """Holds taken back: trials without a result, bounties nobody earned."""
    problems: tuple[str, ...]


def sweep(session: Session, *, at: float) -> SweepReport:
    """Settle everything whose time is over; doing it twice has no second effect."""
    problems: list[str] = []

    def tried(numbers: list[int], work: Callable[[int], object]) -> tuple[int, ...]:
        done = []
        for number in numbers:
            try:
                with linked(session):
                    work(number)
                done.append(number)
            except MarketError as error:
                problems.append(str(error))
        return tuple(done)

    def close(meter: int) -> None:
        meter_close(session, meter=meter, key=queries.free_key(session, f"sweep/{meter}"), at=at)

    def pay(subscription: int) -> None:
        key = queries.free_key(session, f"sweep/{subscription}")
        body: dict[str, object] = {"subscription": subscription}
        claim(session, key=key, operation="subscription-settle", body=body, at=at)
        subscription_settle(session, subscription, key=key, at=at)

    meters = tried(pending.due_meters(session, at), close)
    due = [row.hold_id for row in pending.due_subscriptions(session, at)]
    subscriptions = tried(due, pay)
    expired = tuple(expire_holds(session, at=at))
    return SweepReport(meters, subscriptions, expired, tuple(problems))
