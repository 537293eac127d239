"""Giving money back: when a listing's receipt fails its re-run, its sales are undone.

Every sale that was made on the failed claim, within the warranty time, is refunded by a new entry
that mirrors its legs, fee and royalties included; the buyer owns the layer no longer. A seller
who has spent the money cannot pay at once: such sales stay in the report, and the same call tries
them again. Nobody advances the money, or a seller could be paid out through a false claim and a
second account.
"""

from dataclasses import dataclass

from sqlmodel import Session

from marketplace import catalogue
from marketplace.errors import (
    CapExceededError,
    InsufficientCreditsError,
    NotDueError,
    RefundExceededError,
)
from marketplace.idempotency import claim
from marketplace.ledger import linked
from marketplace.listing import Purchase
from marketplace.refund import refund
from marketplace.trading import queries
from marketplace.trading.records import SaleReturn, Settlement
from marketplace.trading.rent import DAY_S

WARRANTY_DAYS = 90


@dataclass(frozen=True, slots=True)
class ReturnReport:
    """What came of undoing a listing's sales."""

    listing: str
    returned: tuple[int, ...]
    """Numbers of the sales paid back now."""
    waiting: tuple[int, ...]
    """Numbers of the sales that somebody cannot pay back yet."""


def return_failed(
    session: Session, *, listing: str, since: float | None = None, at: float
) -> ReturnReport:
    """Undo the sales of a listing whose receipt failed.

    Args:
        since: Oldest sale to undo, seconds since 1970; None = the warranty time.

    Raises:
        NotDueError: No receipt of the listing failed a binding re-run.
    """
    spans = catalogue.refuted_spans(session, listing)
    if not spans:
        raise NotDueError(
            f"no receipt of listing {listing!r} failed a binding re-run: re-run it first"
        )
    oldest = at - WARRANTY_DAYS * DAY_S if since is None else since
    returned, waiting = [], []
    for sale, sold_at in queries.unreturned_sales(session, listing, oldest):
        if not any(start <= sold_at and (end is None or sold_at < end) for start, end in spans):
            continue
        try:
            with linked(session):
                return_sale(session, sale, reason=f"receipt of {listing} failed", at=at)
            returned.append(sale)
        except (InsufficientCreditsError, CapExceededError):
            waiting.append(sale)
    return ReturnReport(listing, tuple(returned), tuple(waiting))


def return_sale(session: Session, sale: int, *, reason: str, at: float) -> int:
    """Pay one sale back in full; the refund's number.

    Raises:
        InsufficientCreditsError: Whoever was paid has spent it.
        RefundExceededError: It was paid back before.
    """
    key = queries.free_key(session, f"return/{sale}")
    claim(session, key=key, operation="return", body={"sale": sale, "reason": reason}, at=at)
    return give_back(session, sale, amount_nanos=None, reason=reason, key=key, at=at)


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
    if paid is not None and amount_nanos not in (None, paid.gross_nanos + paid.surplus_nanos):
        raise RefundExceededError(
            f"transfer {transfer} paid for a {paid.way} and is given back whole or not at all:"
            " leave the amount out"
        )
    number = refund(
        session, transfer_id=transfer, amount_nanos=None if paid else amount_nanos, key=key, at=at
    )
    if paid is not None or session.get(Purchase, transfer) is not None:
        session.add(SaleReturn(sale_id=transfer, refund_id=number, reason=reason, at=at))
        session.flush()
    return number
