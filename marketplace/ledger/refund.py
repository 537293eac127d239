"""Giving back what was paid: a new entry that mirrors the old one, never a correction of it.

Each refund divides its amount over what is left of the original's legs, by largest remainder:

    sale    ada -1000   bob +900   platform +100
    refund  ada +333    bob -300   platform -33        left: 667 / 600 / 67
    refund  ada +667    bob -600   platform -67        left: nothing

so every refund sums to zero exactly and all refunds together never pass the original.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import func
from sqlmodel import Session, col, select

from marketplace.errors import RefundExceededError, RefusedError, TransferNotFoundError
from marketplace.ledger.book import Leg
from marketplace.ledger.journal import EXPIRE, HOLD, REFUND, VOID, Posting, Transfer
from marketplace.ledger.ledger import record_transfer
from marketplace.money import check_amount, format_credits


@dataclass(frozen=True, slots=True)
class Refundable:
    """What is left of a payment, in nano-credits by account."""

    paid: Mapping[str, int]
    """By whoever paid."""
    received: Mapping[str, int]
    """By whoever received."""

    @property
    def left_nanos(self) -> int:
        """What can still be given back."""
        return sum(self.paid.values())


def refund(
    session: Session,
    *,
    transfer_id: int,
    amount_nanos: int | None = None,
    key: str,
    at: float,
    memo: str | None = None,
) -> int:
    """Give back part of a payment, or all that is left of it; the number of the refund.

    The key must be claimed by the caller, like that of `record_transfer`.

    Args:
        amount_nanos: None = everything not yet given back.

    Raises:
        RefundExceededError: More than is left.
        InsufficientCreditsError: A receiver has spent it.
    """
    left = refundable(session, transfer_id)
    amount = left.left_nanos if amount_nanos is None else check_amount(amount_nanos)
    if not left.left_nanos:
        raise RefundExceededError(
            f"transfer {transfer_id} was given back whole before: nothing is left to refund"
        )
    if not 0 < amount <= left.left_nanos:
        raise RefundExceededError(
            f"of transfer {transfer_id} {format_credits(left.left_nanos)} are left to give back,"
            f" not {format_credits(amount)}: refund at most that"
        )
    back = share_out(amount, left.paid)
    taken = share_out(amount, left.received)
    legs = [Leg(name, part) for name, part in back.items() if part]
    legs += [Leg(name, -part) for name, part in taken.items() if part]
    return record_transfer(
        session,
        at=at,
        kind=REFUND,
        memo=f"refund of transfer {transfer_id}" if memo is None else memo,
        key=key,
        legs=legs,
        refers_to=transfer_id,
    )


def refundable(session: Session, transfer_id: int) -> Refundable:
    """What is left of a payment after its earlier refunds.

    Raises:
        TransferNotFoundError: No transfer has this number.
        RefusedError: It is itself a refund, or moved nothing.
    """
    session.flush()
    paid = session.get(Transfer, transfer_id)
    if paid is None:
        raise TransferNotFoundError(f"no transfer has the number {transfer_id}: check the number")
    if paid.kind in (REFUND, HOLD, VOID, EXPIRE):
        raise RefusedError(
            f"transfer {transfer_id} is a {paid.kind} and no payment: refund the payment, or void"
            " the hold"
        )
    left = left_of(session, transfer_id)
    return Refundable(
        paid={name: -total for name, total in left.items() if total < 0},
        received={name: total for name, total in left.items() if total > 0},
    )


def left_of(session: Session, payment: int) -> dict[str, int]:
    """What a payment and its refunds together did to each account, by name."""
    of_payment = (Transfer.id == payment) | (
        (Transfer.refers_to == payment) & (Transfer.kind == REFUND)
    )
    query = (
        select(Posting.account, func.sum(Posting.amount_nanos))
        .join(Transfer, col(Transfer.id) == col(Posting.transfer_id))
        .where(of_payment, col(Posting.pending).is_(False))
        .group_by(col(Posting.account))
        .order_by(col(Posting.account))
    )
    return {name: int(total) for name, total in session.exec(query)}


def share_out(amount: int, left: Mapping[str, int]) -> dict[str, int]:
    """The amount divided in proportion to what is left, by largest remainder, ties by name.

    The parts sum to the amount and none is larger than what is left of it, as long as the amount
    is not larger than the whole.
    """
    whole = sum(left.values())
    parts = {name: amount * part // whole for name, part in left.items()}
    missing = amount - sum(parts.values())
    by_remainder = sorted(left, key=lambda name: (-(amount * left[name] % whole), name))
    for name in by_remainder[:missing]:
        parts[name] += 1
    return parts
