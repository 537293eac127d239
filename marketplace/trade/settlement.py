"""Every payment is divided the same way, whatever it is for (L11, P2).

    gross = fee + sum of incomes      fee = ceil(gross / 10), once per payment
    net   = gross - fee, shared by the listings that were paid for, by weight, largest remainder
    each listing's share goes to its seller (at least 80 %) and to the layers it was bred from

Who still owes a refund pays it out of what a payment brings, before anybody can spend that.

Somebody may stand on both sides, such as a buyer whose own layer is an ancestor: the ledger moves
the difference, the income rows show both.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from sqlmodel import Session

from marketplace.database import bulk
from marketplace.database.sql import table_of
from marketplace.formula.royalty import Share, apportion, split_net
from marketplace.ledger.book import Leg
from marketplace.ledger.hold import post_hold
from marketplace.ledger.ledger import record_transfer
from marketplace.money import check_amount, split_price
from marketplace.names import PLATFORM
from marketplace.trade import debts
from marketplace.trade.incomes import ROYALTY, SELLER, Income, Settlement

_SETTLEMENT = table_of(Settlement)
_INCOME = table_of(Income)


@dataclass(frozen=True, slots=True)
class Part:
    """One listing, or offer, in a payment."""

    source: str
    seller: str
    shares: tuple[Share, ...] = ()
    """What the owners of its ancestors take of the royalty pool."""
    weight: int = 1
    """Relative to the other parts; at least 1."""


@dataclass(frozen=True, slots=True)
class Payment:
    """Who pays what for which listings."""

    way: str
    payer: str
    principal: str
    gross_nanos: int
    parts: tuple[Part, ...]
    epoch: int
    memo: str
    surplus_nanos: int = 0
    """On top of the gross: paid for scarcity, not to the seller."""


@dataclass(frozen=True, slots=True)
class Division:
    """A payment divided; fee and incomes add up to the gross exactly."""

    fee_nanos: int
    incomes: tuple[tuple[str, str, str, int], ...]
    """(source, account, role, nano-credits above 0)."""


def divide(gross_nanos: int, parts: Sequence[Part]) -> Division:
    """Fee, sellers and royalties of one payment.

    Raises:
        AmountError: The payment is no amount.
    """
    split = split_price(check_amount(gross_nanos, "payment"))
    incomes: list[tuple[str, str, str, int]] = []
    nets = apportion(split.creator_nanos, {part.source: part.weight for part in parts})
    for part in parts:
        seller_nanos, royalties = split_net(nets[part.source], part.shares)
        incomes.append((part.source, part.seller, SELLER, seller_nanos))
        incomes += [(part.source, owner, ROYALTY, nanos) for owner, nanos in royalties]
    return Division(split.fee_nanos, tuple(income for income in incomes if income[3]))


def payees(payment: Payment, division: Division) -> dict[str, int]:
    """What each account receives: the platform (fee and surplus), sellers, ancestors."""
    received: dict[str, int] = defaultdict(int)
    received[PLATFORM] += division.fee_nanos + payment.surplus_nanos
    for _, account, _, nanos in division.incomes:
        received[account] += nanos
    return dict(received)


def legs(payment: Payment, division: Division) -> list[Leg]:
    """The transfer's legs, payer first, one per account; they sum to 0."""
    moved = {payment.payer: -payment.gross_nanos - payment.surplus_nanos}
    for account, nanos in payees(payment, division).items():
        moved[account] = moved.get(account, 0) + nanos
    return [Leg(account, nanos) for account, nanos in moved.items() if nanos]


def settle(
    session: Session, payment: Payment, *, key: str, at: float, group_key: str | None = None
) -> tuple[int, Division]:
    """Move a payment now; the transfer's number and how it was divided.

    The key must have been claimed by the caller.
    """
    division = divide(payment.gross_nanos, payment.parts)
    transfer_id = record_transfer(
        session,
        at=at,
        kind=payment.way,
        memo=payment.memo,
        key=key,
        legs=legs(payment, division),
        group_key=group_key,
    )
    note(session, [(transfer_id, payment, division)], at=at)
    return transfer_id, division


def settle_hold(
    session: Session, hold_id: int, payment: Payment, *, key: str, at: float
) -> tuple[int, Division]:
    """Pay out of a hold; what the payment leaves of it goes back to the payer."""
    division = divide(payment.gross_nanos, payment.parts)
    received = payees(payment, division)
    received.pop(payment.payer, None)  # its own share never leaves the account
    legs = [Leg(account, nanos) for account, nanos in received.items()]
    transfer_id = post_hold(session, hold_id, legs=legs, key=key, at=at)
    note(session, [(transfer_id, payment, division)], at=at)
    return transfer_id, division


def note(session: Session, settled: Sequence[tuple[int, Payment, Division]], *, at: float) -> None:
    """Write down settled payments, many in one statement, and let debtors pay."""
    connection = session.connection()  # past the session: rows that nobody asks back for
    payments = [
        (
            number,
            payment.way,
            payment.payer,
            payment.principal,
            payment.epoch,
            payment.gross_nanos,
            division.fee_nanos,
            payment.surplus_nanos,
            at,
        )
        for number, payment, division in settled
    ]
    bulk.insert(connection, _SETTLEMENT, payments)
    incomes = [(number, *income) for number, _, division in settled for income in division.incomes]
    bulk.insert(connection, _INCOME, incomes)
    debts.pay_first(session, {account for _, _, account, _, _ in incomes}, at=at)
