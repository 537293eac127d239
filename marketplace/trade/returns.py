"""Giving money back: what was sold on a false claim, and what was sold and then taken away.

    refuted    a receipt fails its binding re-run: the sales made on the claim in the 90 days
               before it
    revoked    a version is revoked, or stays quarantined for 14 days: its sales, however old, and
               every rental that was running then, whole

Each payment is refunded by a new entry that mirrors its legs, fee and royalties included; what it
bought ends when all of it is back. Whoever was paid pays out of everything that is his: another
account of his, and what he promised to others who have not yet earned it (`release`). What is
missing stays owed (`marketplace.trade.debts`). Nobody advances the money, or a seller could be
paid out through a false claim and a second account.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar

from sqlmodel import Session

from marketplace.errors import (
    InsufficientCreditsError,
    NotDueError,
    RefundExceededError,
)
from marketplace.fields import Credits, Number
from marketplace.ledger.hold import HoldView, open_holds, void_hold
from marketplace.ledger.idempotency import free_key, house_key
from marketplace.ledger.journal import REFUND
from marketplace.ledger.operation import Operation, once
from marketplace.ledger.refund import refund
from marketplace.ledger.statement import made_by
from marketplace.listing import catalogue
from marketplace.money import format_credits
from marketplace.trade import debts
from marketplace.trade.buy import Purchase, unreturned_sales
from marketplace.trade.incomes import Settlement
from marketplace.trade.meter import CloseMeter, metered_units
from marketplace.trade.rent import DAY_S, rentals_running
from marketplace.trade.trial import open_trials_of
from marketplace.trade.usage import covered_units

WARRANTY_DAYS = 90
MAX_AT_ONCE = 50
"""Payments tried by one collection: others wait for the write lock so long."""
QUARANTINE_DAYS = 14
"""A quarantine is a question; one that is not answered by then counts as a revocation."""


@dataclass(frozen=True, slots=True)
class ReturnReport:
    """What came of undoing a listing's sales."""

    listing: str
    returned: tuple[int, ...]
    """Numbers of the payments that are back whole now."""
    waiting: tuple[int, ...]
    """Numbers of the payments of which something stays owed."""


def return_failed(
    session: Session, *, listing: str, since: float | None = None, at: float
) -> ReturnReport:
    """Undo what was sold on a claim that failed, or was taken away; doing it twice pays once.

    Args:
        since: Oldest sale on a failed claim to undo, seconds since 1970; None = the warranty time.

    Raises:
        NotDueError: Nothing of the listing failed a binding re-run or was taken away.
    """
    refuted = catalogue.refuted_spans(session, listing)
    taken = catalogue.taken_spans(session, listing, before=at - QUARANTINE_DAYS * DAY_S)
    if not refuted and not taken:
        raise NotDueError(
            f"no receipt of listing {listing!r} failed a binding re-run: re-run it first"
        )
    due: dict[int, str] = {}
    for sale, sold_at in unreturned_sales(session, listing):
        if any(span.sold(sold_at) for span in taken):
            due[sale] = f"{listing} was taken away"
        elif any(span.sold(sold_at) and _in_warranty(sold_at, span, since) for span in refuted):
            due[sale] = f"receipt of {listing} failed"
    for span in taken:
        _void_trials(session, listing, at)
        for rental in rentals_running(session, listing, span.known_at):
            due[rental] = f"{listing} was taken away"
    done = {
        payment: pay_back(session, payment, listing=listing, reason=reason, at=at)
        for payment, reason in due.items()
    }
    return ReturnReport(
        listing,
        tuple(payment for payment, is_back in done.items() if is_back),
        tuple(payment for payment, is_back in done.items() if not is_back),
    )


def collect(session: Session, *, account: str | None = None, at: float) -> list[int]:
    """Let debtors pay what they can by now, oldest debt first; the payments that are back whole.

    Args:
        account: Only what is owed by or to whoever stands behind it.
    """
    views = debts.debt_views(session, account)
    able = {who for who in {one.debtor for one in views} if _has_something(session, who)}
    hopeful = {one.transfer: one for one in views if one.debtor in able}
    return [
        payment
        for payment, one in list(hopeful.items())[:MAX_AT_ONCE]
        if pay_back(session, payment, listing=one.listing, reason=one.reason, at=at)
    ]


def return_quarantined(session: Session, *, at: float) -> list[int]:
    """Pay back what was sold of every version that is quarantined for too long."""
    done: list[int] = []
    for listing in catalogue.long_quarantined(session, before=at - QUARANTINE_DAYS * DAY_S):
        done += return_failed(session, listing=listing, at=at).returned
    return done


def pay_back(session: Session, payment: int, *, listing: str, reason: str, at: float) -> bool:
    """Give a payment for a layer back, as much of it as can be paid; whether all of it is back."""
    _make_free(session, payment, at)
    return debts.repay_own(session, payment, listing=listing, reason=reason, at=at)


def give_back(
    session: Session, transfer: int, *, amount_nanos: int | None, reason: str, key: str, at: float
) -> int:
    """Pay a transfer back under a key the caller has claimed; the refund's number.

    A payment for layers is paid back whole or not at all, and what it bought ends with it. Part
    of it, or all of it with the layer kept, would let a seller and a friend move credits to and
    fro, fee and royalties returned, and leave a trail of usage that never was.

    Raises:
        RefundExceededError: It was paid back before, or only a part is to be.
        InsufficientCreditsError: Whoever was paid has spent it.
    """
    paid = session.get(Settlement, transfer)
    if paid is None and session.get(Purchase, transfer) is None:
        return refund(session, transfer_id=transfer, amount_nanos=amount_nanos, key=key, at=at)
    if amount_nanos is not None and (
        paid is None or amount_nanos != paid.gross_nanos + paid.surplus_nanos
    ):
        raise RefundExceededError(
            f"transfer {transfer} paid for a {'sale' if paid is None else paid.way} and is given"
            " back whole or not at all: leave the amount out"
        )
    claimed = debts.claim_of(session, transfer)
    if not claimed.owed:
        raise RefundExceededError(
            f"transfer {transfer} was given back whole before: nothing is left to refund"
        )
    _make_free(session, transfer, at)
    for who, nanos in claimed.owed.items():
        if (has := debts.reachable(session, who)) < nanos:
            raise InsufficientCreditsError(
                f"{who!r} has {format_credits(has)} and must give back {format_credits(nanos)}:"
                " add credits with `continuum market fund CREDITS --key KEY`"
            )
    debts.repay(session, transfer, listing="", reason=reason, key=key, at=at)
    return made_by(session, key)


@dataclass(frozen=True, slots=True)
class Refunded:
    """The transfer that gave it back."""

    transfer_id: int


@dataclass(frozen=True, slots=True)
class Refund(Operation[Refunded]):
    """Give a settled payment back, for operators: it takes the royalties and the fee back too.

    Raises:
        RefundExceededError: More than is left.
        InsufficientCreditsError: A receiver has spent it.
    """

    BY_OPERATOR: ClassVar[bool] = True
    OPERATION: ClassVar[str] = REFUND

    transfer_id: Number
    amount_nanos: Credits | None = field(default=None, kw_only=True)
    """None = all that is left."""

    def identity(self, session: Session) -> dict[str, object]:
        """The payment by the name that it always had here."""
        return {"transfer": self.transfer_id, "amount_nanos": self.amount_nanos}

    def do(self, session: Session, at: float) -> None:
        """Give it back."""
        nanos, key = self.amount_nanos, self.key
        number, reason = self.transfer_id, "by hand"
        give_back(session, number, amount_nanos=nanos, reason=reason, key=key, at=at)

    def done(self, session: Session, at: float) -> Refunded:
        """The transfer that the key made."""
        return Refunded(made_by(session, self.key))


def release(session: Session, principal: str, nanos: int, *, at: float) -> None:
    """Take back what a debtor has promised, until so much is free or nothing is left to take.

    Nobody who has earned something loses it: what was read off a meter is paid, a subscription
    that was used goes on. A trial ends undecided, a bounty that nobody has earned is withdrawn: or
    a seller could park what he owes with himself for a year.
    """
    for found in _promises(session, principal):
        if debts.reachable(session, principal) >= nanos:
            return
        if metered_units(session, found.hold_id):
            key = free_key(session, f"release/{found.hold_id}")
            once(session, CloseMeter(meter=found.hold_id, key=key), at)
        elif not covered_units(session, found.hold_id):
            _void(session, found.hold_id, at)


def _has_something(session: Session, principal: str) -> bool:
    """Whether a debtor could pay anything now, a promise taken back included."""
    return debts.reachable(session, principal) > 0 or any(
        not covered_units(session, one.hold_id) for one in _promises(session, principal)
    )


def _promises(session: Session, principal: str) -> Iterator[HoldView]:
    for account in debts.accounts_of(session, principal):
        yield from open_holds(session, account.name)


def _make_free(session: Session, payment: int, at: float) -> None:
    for who, nanos in debts.claim_of(session, payment).owed.items():
        release(session, who, nanos, at=at)


def _void_trials(session: Session, listing: str, at: float) -> None:
    """Release the prices that are held for a layer which must not be used."""
    for trial in open_trials_of(session, listing):
        _void(session, trial, at)


def _void(session: Session, hold_id: int, at: float) -> None:
    base, body = f"release/{hold_id}", {"hold": hold_id}
    key = house_key(session, base, operation="release", body=body, at=at)
    void_hold(session, hold_id, key=key, at=at)


def _in_warranty(sold_at: float, span: catalogue.Span, since: float | None) -> bool:
    oldest = span.known_at - WARRANTY_DAYS * DAY_S if since is None else since
    return sold_at >= oldest
