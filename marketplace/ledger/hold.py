"""Credits promised but not yet moved: a trial, a bounty, a deposit.

    hold    ada -500 escrow +500 (pending)              ada has 500 less available, owns all of it
    post    ada -300 bob +270 platform +30, and the     what is due is paid, the rest is free again
            pending lines taken back
    void, expire                                        only the pending lines are taken back

A hold ends exactly once: a unique index over the transfers that end holds says so, too. Every
function writes under a key that the caller has claimed, like `record_transfer`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from sqlmodel import Session, col, select

from marketplace.database.sql import put
from marketplace.errors import (
    HoldClosedError,
    HoldExceededError,
    InvalidInputError,
    TransferNotFoundError,
)
from marketplace.fields import Nanos
from marketplace.ledger.account import Account, refuse_house
from marketplace.ledger.book import Leg
from marketplace.ledger.idempotency import house_key
from marketplace.ledger.journal import EXPIRE, HOLD, POST, VOID, OpenHold, Transfer
from marketplace.ledger.ledger import as_leg, record_transfer
from marketplace.ledger.mandate import refuse_more
from marketplace.ledger.operation import Operation
from marketplace.ledger.statement import find_account, made_by
from marketplace.money import check_amount, format_credits
from marketplace.names import ESCROW, check_text


@dataclass(frozen=True, slots=True)
class HoldView:
    """An open hold as its payer sees it."""

    hold_id: int
    payer: str
    amount_nanos: Nanos
    expires_at: float


def hold(
    session: Session,
    *,
    payer: str,
    amount_nanos: int,
    purpose: str,
    key: str,
    expires_at: float,
    at: float,
) -> int:
    """Promise credits of the payer; the number of the hold.

    Args:
        purpose: The memo; whoever reads the statement sees it.
        expires_at: From then on it can only be taken back; seconds since 1970.

    Raises:
        InsufficientCreditsError: Too little is available.
        CapExceededError: The payer is a mandate whose cap leaves too little.
    """
    refuse_house(payer, "hold credits")
    check_amount(amount_nanos)
    if not at < expires_at < float("inf"):
        raise InvalidInputError(
            f"a hold must end after it begins ({at:.0f}), got expires_at {expires_at}: choose a"
            " later time"
        )
    refuse_more(session, "hold", payer)
    hold_id = record_transfer(
        session,
        at=at,
        kind=HOLD,
        memo=purpose,
        key=key,
        legs=[Leg(payer, -amount_nanos, True), Leg(ESCROW, amount_nanos, True)],
        expires_at=float(expires_at),
    )
    put(
        session,
        OpenHold(
            transfer_id=hold_id,
            payer=payer,
            amount_nanos=amount_nanos,
            expires_at=float(expires_at),
        ),
    )
    return hold_id


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceHold(Operation[int]):
    """Promise credits until a time; the number of the hold."""

    OPERATION: ClassVar[str] = "hold"

    payer: str
    amount_nanos: int
    purpose: str
    expires_at: float

    def check(self) -> None:
        """Refuse a purpose that nobody could read."""
        check_text(self.purpose, "purpose")

    def do(self, session: Session, at: float) -> None:
        """Hold them."""
        hold(
            session,
            payer=self.payer,
            amount_nanos=self.amount_nanos,
            purpose=self.purpose,
            key=self.key,
            expires_at=self.expires_at,
            at=at,
        )

    def done(self, session: Session, at: float) -> int:
        """The hold that the key placed."""
        return made_by(session, self.key)


def post_hold(
    session: Session,
    hold_id: int,
    *,
    legs: Sequence[Leg | tuple[Account | str, int]],
    key: str,
    at: float,
    memo: str | None = None,
) -> int:
    """Pay from a hold and free the rest; the number of the payment.

    Args:
        legs: Who receives how much; the payer's leg is added here.
        memo: None = which hold it was.

    Raises:
        HoldExceededError: They would receive more than was held.
        HoldClosedError: The hold has ended or expired.
    """
    found = open_hold(session, hold_id)
    if at >= found.expires_at:
        raise HoldClosedError(
            f"hold {hold_id} expired at {found.expires_at:.0f}, it is {at:.0f}: only taking it back"
            " is possible, ask for a new hold"
        )
    payees = [as_leg(leg) for leg in legs]
    due = sum(check_amount(leg.amount_nanos) for leg in payees)
    if not 0 < due <= found.amount_nanos:
        raise HoldExceededError(
            f"hold {hold_id} is over {format_credits(found.amount_nanos)}, {format_credits(due)}"
            " cannot be posted from it: post 1 nano-credit up to what was held, or void it"
        )
    lines = [Leg(found.payer, -due), *payees]
    return _resolve(session, found, POST, lines, key=key, at=at, memo=memo)


def void_hold(session: Session, hold_id: int, *, key: str, at: float) -> int:
    """Take a hold back before its time; the number of the transfer that did.

    Raises:
        HoldClosedError: The hold has ended.
    """
    return _resolve(session, open_hold(session, hold_id), VOID, [], key=key, at=at)


def expire_holds(session: Session, *, at: float, limit: int | None = None) -> list[int]:
    """Take back every hold whose time is over, or so many; their numbers, oldest first."""
    query = select(OpenHold).where(OpenHold.expires_at <= at).order_by(col(OpenHold.transfer_id))
    expired = [_view(row) for row in session.exec(query.limit(limit))]
    for found in expired:
        base, body = f"expire:{found.hold_id}:0", {"hold": found.hold_id}
        key = house_key(session, base, operation=EXPIRE, body=body, at=at)
        _resolve(session, found, EXPIRE, [], key=key, at=at)
    return [found.hold_id for found in expired]


def open_hold(session: Session, hold_id: int) -> HoldView:
    """The open hold of this number.

    Raises:
        TransferNotFoundError: No hold has it.
        HoldClosedError: It was posted, voided or expired.
    """
    row = session.get(OpenHold, hold_id)
    if row is not None:
        return _view(row)
    known = session.get(Transfer, hold_id)
    if known is None or known.kind != HOLD:
        raise TransferNotFoundError(f"no hold has the number {hold_id}: list the open ones")
    number, kind = hold_end(session, hold_id) or (None, None)
    raise HoldClosedError(
        f"hold {hold_id} ended with transfer {number} ({kind}): a hold is resolved once,"
        " ask for a new one"
    )


def open_holds(session: Session, payer: str) -> list[HoldView]:
    """Everything the account has promised and not yet paid, oldest first."""
    query = select(OpenHold).where(OpenHold.payer == payer).order_by(col(OpenHold.transfer_id))
    return [_view(row) for row in session.exec(query)]


def holds_of(session: Session, payer: str) -> list[HoldView]:
    """Everything the account has promised and not yet paid, oldest first.

    Raises:
        AccountNotFoundError: There is no such account.
    """
    find_account(session, payer)
    return open_holds(session, payer)


def _resolve(
    session: Session,
    found: HoldView,
    kind: str,
    lines: list[Leg],
    *,
    key: str,
    at: float,
    memo: str | None = None,
) -> int:
    amount = found.amount_nanos
    number = record_transfer(
        session,
        at=at,
        kind=kind,
        memo=f"{kind} hold {found.hold_id}" if memo is None else memo,
        key=key,
        legs=[*lines, Leg(found.payer, amount, True), Leg(ESCROW, -amount, True)],
        refers_to=found.hold_id,
    )
    session.delete(session.get_one(OpenHold, found.hold_id))
    session.flush()
    return number


def _view(row: OpenHold) -> HoldView:
    return HoldView(row.transfer_id, row.payer, row.amount_nanos, row.expires_at)


def is_open(session: Session, hold_id: int) -> bool:
    """Whether a hold still waits for its end."""
    query = select(OpenHold.transfer_id).where(OpenHold.transfer_id == hold_id)
    return session.exec(query).first() is not None


def hold_end(session: Session, hold_id: int) -> tuple[int, str] | None:
    """The transfer that ended a hold, and its kind: post, void or expire."""
    query = select(Transfer.id, Transfer.kind).where(
        Transfer.refers_to == hold_id, col(Transfer.kind).in_((POST, VOID, EXPIRE))
    )
    return session.exec(query).first()
