"""Subscriptions: one fee for every layer that takes part, divided by the subscriber's own usage.

The fee is held at the start; in the meantime use costs nothing and is counted. At the end it is
paid out, user-centric (P3): a subscriber's fee goes to the layers that this subscriber used, so a
bot can earn its owner at most 90 % of the fee it pays itself, and drains nobody else's. Nothing
used, nothing paid. Use of one's own layers is not counted.
"""

from dataclasses import dataclass, replace
from typing import ClassVar

from sqlalchemy import BigInteger
from sqlmodel import Field, Session, col, select

from marketplace.database.sql import MarketTable, alike, put
from marketplace.errors import AlreadyOwnedError, AmountError, NotDueError, TradeNotFoundError
from marketplace.fields import AccountName, Actor, Credits, Days, Nanos
from marketplace.ledger.account import principal_of, refuse_house
from marketplace.ledger.epoch import current_epoch
from marketplace.ledger.hold import hold, hold_end, void_hold
from marketplace.ledger.journal import OpenHold, transfer_key
from marketplace.ledger.operation import Due, Operation
from marketplace.ledger.statement import find_account, made_by
from marketplace.listing import catalogue
from marketplace.money import check_amount, format_credits
from marketplace.trade import terms
from marketplace.trade.meter import GRACE_S
from marketplace.trade.rent import DAY_S, check_days
from marketplace.trade.settlement import Payment, settle_hold
from marketplace.trade.usage import covered_units


class Subscription(MarketTable, table=True):
    """A fee held for a stretch of time and then divided by the subscriber's own usage."""

    __tablename__: ClassVar[str] = "subscription"

    hold_id: int = transfer_key()
    account: str = Field(foreign_key="account.name")
    principal: str = Field(foreign_key="account.name", index=True)
    fee_nanos: int = Field(sa_type=BigInteger)
    starts_at: float
    ends_at: float = Field(index=True)


MIN_FEE_NANOS = 1_000_000
"""A thousandth of a credit: enough to be divided among many layers."""


@dataclass(frozen=True, slots=True)
class SubscriptionView:
    """A subscription as its subscriber sees it."""

    subscription: int
    """Number of the hold."""
    account: str
    fee_nanos: Nanos
    starts_at: float
    ends_at: float
    state: str
    """open, due, paid or released."""
    units: tuple[tuple[str, int], ...]
    """Each listing used, with its units."""
    replayed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscribe(Operation[SubscriptionView]):
    """Hold a fee; at the end it is divided by the account's own usage.

    Until then every layer that takes part may be used.

    Raises:
        AlreadyOwnedError: A subscription is running.
        InsufficientCreditsError: The account has less than the fee available.
    """

    OPERATION: ClassVar[str] = "subscribe"

    account: Actor
    fee_nanos: Credits
    days: Days

    def check(self) -> None:
        """Refuse the house, days beyond a year, and a fee too small to be divided."""
        refuse_house(self.account, "subscribe")
        check_days(self.days)
        check_amount(self.fee_nanos, "fee")
        if self.fee_nanos < MIN_FEE_NANOS:
            raise AmountError(
                f"a subscription costs at least {format_credits(MIN_FEE_NANOS)}, got"
                f" {format_credits(self.fee_nanos)}: offer more"
            )

    def do(self, session: Session, at: float) -> None:
        """Hold the fee."""
        find_account(session, self.account)
        principal = principal_of(self.account)
        running = _running(session, principal, at)
        if running is not None:
            raise AlreadyOwnedError(
                f"{principal!r} has subscription {running} running: wait until it ends"
            )
        number = hold(
            session,
            payer=self.account,
            amount_nanos=self.fee_nanos,
            purpose=f"{self.account} subscribes for {self.days} days",
            key=self.key,
            expires_at=at + self.days * DAY_S + GRACE_S,
            at=at,
        )
        put(
            session,
            alike(
                Subscription,
                self,
                hold_id=number,
                principal=principal,
                starts_at=at,
                ends_at=at + self.days * DAY_S,
            ),
        )

    def done(self, session: Session, at: float) -> SubscriptionView:
        """The subscription that the key paid for."""
        return subscription_view(session, made_by(session, self.key), at)

    def due(self, session: Session) -> Due:
        """The fee."""
        return Due(self.fee_nanos)


def subscription_settle(session: Session, subscription: int, *, key: str, at: float) -> None:
    """Pay a subscription that is over out to what was used; the key is claimed by the caller.

    Raises:
        NotDueError: It is still running.
    """
    row = _row(session, subscription)
    if at < row.ends_at:
        raise NotDueError(f"subscription {subscription} is still running: settle it when it ends")
    units = covered_units(session, subscription)
    if not units:
        void_hold(session, subscription, key=key, at=at)
        return
    parts = terms.parts(session, catalogue.listing_views(session, list(units)))
    payment = Payment(
        way="subscription",
        payer=row.account,
        principal=row.principal,
        gross_nanos=row.fee_nanos,
        parts=tuple(replace(part, weight=units[name]) for name, part in parts.items()),
        epoch=current_epoch(session),
        memo=f"{row.account} subscribed to {len(units)} listings",
    )
    settle_hold(session, subscription, payment, key=key, at=at)


def subscription_view(session: Session, subscription: int, at: float) -> SubscriptionView:
    """The subscription of this number.

    Raises:
        TradeNotFoundError: There is none.
    """
    row = _row(session, subscription)
    end = hold_end(session, subscription)
    if end is None:
        state = "open" if at < row.ends_at else "due"
    else:
        state = "paid" if end[1] == "post" else "released"
    units = tuple(covered_units(session, subscription).items())
    return alike(SubscriptionView, row, subscription=subscription, state=state, units=units)


def subscriptions(session: Session, at: float, account: AccountName) -> list[SubscriptionView]:
    """The account's subscriptions, oldest first."""
    principal = principal_of(account)
    query = select(Subscription.hold_id).where(Subscription.principal == principal)
    numbers = session.exec(query.order_by(col(Subscription.hold_id))).all()
    return [subscription_view(session, number, at) for number in numbers]


def _row(session: Session, subscription: int) -> Subscription:
    row = session.get(Subscription, subscription)
    if row is None:
        raise TradeNotFoundError(f"subscription {subscription} does not exist: subscribe first")
    return row


def _running(session: Session, principal: str, at: float) -> int | None:
    """The account's subscription that has not ended."""
    query = (
        select(Subscription.hold_id)
        .join(OpenHold, col(OpenHold.transfer_id) == col(Subscription.hold_id))
        .where(Subscription.principal == principal, Subscription.ends_at > at)
    )
    return session.exec(query.limit(1)).first()


def due_subscriptions(session: Session, at: float) -> list[Subscription]:
    """Subscriptions whose time is over and whose fee is still held."""
    query = (
        select(Subscription)
        .join(OpenHold, col(OpenHold.transfer_id) == col(Subscription.hold_id))
        .where(Subscription.ends_at <= at)
        .order_by(col(Subscription.hold_id))
    )
    return list(session.exec(query))
