"""What is to be paid back, and what somebody cannot pay back yet.

    sale     ada -1000   bob/shop +720   tom +180   platform +100
    claim    ada is owed 720 by bob, 180 by tom, 100 by the platform
    refund   ada +1000   bob -720        tom -180   platform -100

Owed is what stands behind an account: money in another account of the same principal, a mandate
above all, is his money. What he has not got stays owed: a `debt` row says who claims how much from
whom, each refund of the payment pays some of it, and what is left is read off the journal:

    claimed (debt) = paid (refunds of the payment) + owed

Until all of a payment is back, what it bought stays. A debtor's next income goes to his creditors
first, oldest payment first, in the transaction that brings it; `marketplace.trade.returns` and
every sweep try the rest.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

from sqlalchemy import BigInteger, CheckConstraint, func
from sqlmodel import Field, Session, col, select

from marketplace.database import bulk
from marketplace.database.sql import MarketTable, Statement, alike, ask, one_of, put
from marketplace.fields import Nanos
from marketplace.ledger.account import Account, principal_of
from marketplace.ledger.book import Leg
from marketplace.ledger.idempotency import house_key
from marketplace.ledger.journal import RECLAIM, REFUND, Posting, Transfer, transfer_key
from marketplace.ledger.ledger import record_transfer
from marketplace.ledger.refund import left_of
from marketplace.trade.incomes import SaleReturn


class Debt(MarketTable, table=True):
    """Who could not give back at once what was received in a payment that is being given back.

    Refunds of the payment pay it off; when all of it is back there is a `sale_return`.
    """

    __tablename__: ClassVar[str] = "debt"
    __table_args__: ClassVar[Any] = (CheckConstraint("amount_nanos > 0", name="something_is_owed"),)

    transfer_id: int = transfer_key()
    debtor: str = Field(primary_key=True, foreign_key="account.name", index=True)
    """Whoever stands behind the account that received it."""
    creditor: str = Field(foreign_key="account.name")
    """The account that paid."""
    listing: str
    """What was paid for."""
    amount_nanos: int = Field(sa_type=BigInteger)
    """All that was claimed from this debtor, paid by now or not."""
    reason: str
    at: float


_OWING = Statement(
    select(Debt.debtor)
    .where(
        one_of(Debt.debtor, "names"),
        ~select(SaleReturn.sale_id).where(SaleReturn.sale_id == Debt.transfer_id).exists(),
    )
    .distinct()
)


@dataclass(frozen=True, slots=True)
class Outstanding:
    """What is left to give back of a payment."""

    creditor: str
    """The account that paid."""
    owed: dict[str, int]
    """Nano-credits by principal, above 0."""


@dataclass(frozen=True, slots=True)
class DebtView:
    """What one principal owes for one payment that is being given back."""

    transfer: int
    """Number of the payment."""
    listing: str
    debtor: str
    creditor: str
    claimed_nanos: Nanos
    paid_nanos: Nanos
    owed_nanos: Nanos
    """What is claimed and not yet paid."""
    reason: str
    at: float


def claim_of(session: Session, payment: int) -> Outstanding:
    """What each principal received in a payment and has not given back."""
    session.flush()
    left: dict[str, int] = defaultdict(int)
    for name, total in left_of(session, payment).items():
        left[principal_of(name)] += total
    payer = select(Posting.account).where(
        Posting.transfer_id == payment,
        Posting.amount_nanos < 0,
        col(Posting.pending).is_(False),
    )
    return Outstanding(
        session.exec(payer).one(), {who: n for who, n in sorted(left.items()) if n > 0}
    )


def reachable(session: Session, principal: str) -> int:
    """What a principal could pay now: available in its own account and its mandates."""
    return sum(_available(account) for account in accounts_of(session, principal))


def accounts_of(session: Session, principal: str) -> list[Account]:
    """The principal's own account, then its mandates by name."""
    query = select(Account).where((Account.name == principal) | (Account.owner == principal))
    return sorted(
        session.exec(query), key=lambda account: (account.name != principal, account.name)
    )


def repay(
    session: Session, payment: int, *, listing: str, reason: str, key: str, at: float
) -> bool:
    """Give back of a payment what its receivers can pay, and note the rest; whether all is back.

    The key is claimed by the caller, and moves nothing when nobody can pay anything.
    """
    claimed = claim_of(session, payment)
    paid = {who: min(nanos, reachable(session, who)) for who, nanos in claimed.owed.items()}
    total = sum(paid.values())
    if total:
        for who, nanos in paid.items():
            _gather(session, who, nanos, payment, at)
        legs = [Leg(claimed.creditor, total)]
        legs += [Leg(who, -nanos) for who, nanos in paid.items() if nanos]
        number = record_transfer(
            session,
            at=at,
            kind=REFUND,
            memo=f"refund of transfer {payment}",
            key=key,
            legs=legs,
            refers_to=payment,
        )
    if paid == claimed.owed:
        put(session, SaleReturn(sale_id=payment, refund_id=number, reason=reason, at=at))
    else:
        _note(session, payment, claimed, paid, listing=listing, reason=reason, at=at)
    return paid == claimed.owed


def repay_own(session: Session, payment: int, *, listing: str, reason: str, at: float) -> bool:
    """As `repay`, under a key of the house; a repeat that finds nothing to pay leaves no trace."""
    claimed = claim_of(session, payment)
    if not any(reachable(session, who) for who in claimed.owed):
        _note(session, payment, claimed, {}, listing=listing, reason=reason, at=at)
        return False
    number = bulk.last_transfer(session.connection())[0]
    body = {"sale": payment, "reason": reason}
    base = f"return/{payment}/{number}"
    key = house_key(session, base, operation="return", body=body, at=at)
    return repay(session, payment, listing=listing, reason=reason, key=key, at=at)


def pay_first(session: Session, accounts: Iterable[str], *, at: float) -> None:
    """Let what these accounts have just earned go to whom they owe."""
    if session.info.get(bulk.NO_DEBTS):  # as in most markets: nothing is asked per payment
        return
    names = {principal_of(account) for account in accounts}
    for (debtor,) in ask(session, _OWING, names=names):
        collect(session, debtor, at=at)


def collect(session: Session, debtor: str, *, at: float) -> list[int]:
    """Pay a principal's debts, oldest first, while it has something; the payments back whole."""
    done = []
    for debt in owing(session, debtor):
        if not reachable(session, debtor):
            break
        if debtor in claim_of(session, debt.transfer_id).owed:
            given = {"listing": debt.listing, "reason": debt.reason}
            if repay_own(session, debt.transfer_id, **given, at=at):
                done.append(debt.transfer_id)
    return done


def owing(session: Session, debtor: str | None = None) -> list[Debt]:
    """Debts of payments that are not yet back whole, oldest first; of one principal, or all."""
    query = (
        select(Debt)
        .outerjoin(SaleReturn, col(SaleReturn.sale_id) == col(Debt.transfer_id))
        .where(col(SaleReturn.sale_id).is_(None))
        .order_by(col(Debt.transfer_id), col(Debt.debtor))
    )
    if debtor is not None:
        query = query.where(Debt.debtor == debtor)
    return list(session.exec(query))


def debt_views(session: Session, account: str | None = None) -> list[DebtView]:
    """What the account must pay back, or is to be paid back, and is not yet; oldest first.

    Args:
        account: Meant is whoever stands behind it; None = everybody.
    """
    rows = owing(session)
    if account is not None:
        who = principal_of(account)
        rows = [row for row in rows if who in (row.debtor, principal_of(row.creditor))]
    paid = _paid(session, {row.transfer_id for row in rows})
    views = [_view(row, paid[row.transfer_id, row.debtor]) for row in rows]
    return [view for view in views if view.owed_nanos]


def _view(row: Debt, paid_nanos: int) -> DebtView:
    claimed_nanos = row.amount_nanos
    return alike(
        DebtView,
        row,
        transfer=row.transfer_id,
        claimed_nanos=claimed_nanos,
        paid_nanos=paid_nanos,
        owed_nanos=claimed_nanos - paid_nanos,
    )


def _paid(session: Session, payments: Collection[int]) -> dict[tuple[int, str], int]:
    """What each principal gave back of each of these payments."""
    query = (
        select(Transfer.refers_to, Posting.account, func.sum(Posting.amount_nanos))
        .join(Posting, col(Posting.transfer_id) == col(Transfer.id))
        .join(Debt, col(Debt.transfer_id) == col(Transfer.refers_to))
        .where(Transfer.kind == REFUND)
        .group_by(col(Transfer.refers_to), col(Posting.account))
    )
    found: dict[tuple[int, str], int] = defaultdict(int)
    for payment, account, nanos in session.exec(query):
        if payment is not None and payment in payments:
            found[payment, principal_of(account)] -= int(nanos)
    return found


def _note(
    session: Session,
    payment: int,
    claimed: Outstanding,
    paid: dict[str, int],
    *,
    listing: str,
    reason: str,
    at: float,
) -> None:
    """Write down who owes; what such a row claims is all that was received, paid by now or not."""
    for who, nanos in claimed.owed.items():
        session.info.pop(bulk.NO_DEBTS, None)
        if paid.get(who, 0) < nanos and session.get(Debt, (payment, who)) is None:
            put(
                session,
                Debt(
                    transfer_id=payment,
                    debtor=who,
                    creditor=claimed.creditor,
                    listing=listing,
                    amount_nanos=nanos,
                    reason=reason,
                    at=at,
                ),
            )


def _gather(session: Session, principal: str, nanos: int, payment: int, at: float) -> None:
    """Bring so much together in the principal's own account."""
    own, *mandates = accounts_of(session, principal)
    missing = nanos - _available(own)
    for account in mandates:
        moved = min(missing, _available(account))
        if moved > 0:
            base = f"collect/{payment}/{account.name}/{account.last_posting_id}"
            body = {"mandate": account.name, "payment": payment}
            key = house_key(session, base, operation="collect", body=body, at=at)
            record_transfer(
                session,
                at=at,
                kind=RECLAIM,
                memo=f"{account.name} pays for {principal}",
                key=key,
                legs=[Leg(account.name, -moved), Leg(principal, moved)],
            )
            missing -= moved


def _available(account: Account) -> int:
    return max(0, account.balance_nanos - account.held_nanos)
