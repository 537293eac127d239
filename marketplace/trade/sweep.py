"""Finishing what is due: meters and subscriptions whose time is over, and holds nobody claimed.

Meters and subscriptions are settled first, because an expired hold can no longer be paid out.
One that cannot be settled is reported and does not keep the others waiting. How much falls due at
one moment is up to those who opened it: so a transaction does a part, and says whether more is due.
When nothing more is, debtors pay what they can by now.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import ClassVar

from sqlmodel import Session

from marketplace.errors import HoldClosedError, MarketError
from marketplace.ledger.hold import expire_holds, void_hold
from marketplace.ledger.idempotency import free_key, house_key
from marketplace.ledger.ledger import linked
from marketplace.ledger.operation import Operation, once
from marketplace.trade.bounty import Bounty
from marketplace.trade.meter import CloseMeter, Meter, due_meters
from marketplace.trade.returns import collect, return_quarantined
from marketplace.trade.subscription import Subscription, due_subscriptions, subscription_settle
from marketplace.trade.trial import Trial


@dataclass(frozen=True, slots=True)
class VoidHold(Operation[None]):
    """Take a hold back before its time.

    Raises:
        HoldClosedError: It has ended already, or something else decides its end.
    """

    OPERATION: ClassVar[str] = "void"

    hold_id: int

    def identity(self, session: Session) -> dict[str, object]:
        """The hold by the name that it always had here."""
        return {"hold": self.hold_id}

    def do(self, session: Session, at: float) -> None:
        """Take it back."""
        if _is_promised(session, self.hold_id):
            raise HoldClosedError(
                f"hold {self.hold_id} belongs to a trial, meter, subscription or bounty, which"
                " decides how it ends: settle that instead"
            )
        void_hold(session, self.hold_id, key=self.key, at=at)

    def done(self, session: Session, at: float) -> None:
        """Nothing to show."""


AT_ONCE = 50
"""Of each kind in one transaction, while which nobody else can change anything."""


@dataclass(frozen=True, slots=True)
class SweepReport:
    """What was finished, by number of the hold."""

    meters: tuple[int, ...]
    subscriptions: tuple[int, ...]
    expired: tuple[int, ...]
    """Holds taken back: trials without a result, bounties nobody earned."""
    problems: tuple[str, ...]
    failed: tuple[int, ...] = ()
    """Holds that the problems are about."""
    more: bool = False
    """Whether something was left for the next time."""

    repaid: tuple[int, ...] = ()
    """Payments that are back whole: debts paid off, and what is quarantined for too long."""

    def __add__(self, later: "SweepReport") -> "SweepReport":
        """Both together."""
        return SweepReport(
            self.meters + later.meters,
            self.subscriptions + later.subscriptions,
            self.expired + later.expired,
            self.problems + later.problems,
            self.failed + later.failed,
            later.more,
            self.repaid + later.repaid,
        )


def sweep(
    session: Session, *, at: float, limit: int = AT_ONCE, skip: Collection[int] = ()
) -> SweepReport:
    """Settle what is over, so much of each kind; doing it twice has no second effect.

    Args:
        skip: Holds that were tried before.
    """
    problems: dict[int, str] = {}

    def tried(numbers: list[int], work: Callable[[int], object]) -> tuple[int, ...]:
        done = []
        for number in numbers:
            try:
                with linked(session):
                    work(number)
                done.append(number)
            except MarketError as error:
                problems[number] = str(error)
        return tuple(done)

    def close(meter: int) -> None:
        key = free_key(session, f"sweep/{meter}")
        once(session, CloseMeter(meter=meter, key=key), at)

    def pay(subscription: int) -> None:
        base, body = f"sweep/{subscription}", {"subscription": subscription}
        key = house_key(session, base, operation="subscription-settle", body=body, at=at)
        subscription_settle(session, subscription, key=key, at=at)

    meters = [number for number in due_meters(session, at) if number not in skip]
    due = [row.hold_id for row in due_subscriptions(session, at)]
    subscriptions = [number for number in due if number not in skip]
    closed, paid = tried(meters[:limit], close), tried(subscriptions[:limit], pay)
    more = len(meters) > limit or len(subscriptions) > limit
    expired = () if more else tuple(expire_holds(session, at=at, limit=limit))
    more = more or len(expired) == limit
    repaid = () if more else (*return_quarantined(session, at=at), *collect(session, at=at))
    return SweepReport(
        closed, paid, expired, tuple(problems.values()), tuple(problems), more, repaid
    )


def _is_promised(session: Session, hold_id: int) -> bool:
    """Whether a hold belongs to a trial, meter, subscription or bounty, which decides its end."""
    return any(
        session.get(table, hold_id) is not None for table in (Trial, Meter, Subscription, Bounty)
    )
