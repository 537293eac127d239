"""Machine time for inference or training: rival, so its price follows how full the machine is.

The owner asks a rate per 1,000 units (tokens or training samples) and states how many units an
epoch has. What users pay is the base fee of EIP-1559, never below the ask:

    rate' = rate + rate * (used - target) / target / 8,   target = half of the capacity

The seller is paid by the ask; what scarcity adds is the platform's, so filling one's own machine
raises a price one never gets. Layers, which any number can use at once, are never priced so.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

from sqlalchemy import BigInteger, CheckConstraint, Index, func
from sqlmodel import Field, Session, col, select

from marketplace.database.sql import MarketTable, alike, put
from marketplace.errors import (
    CapacityError,
    InvalidInputError,
    ListingTakenError,
    OwnLayerError,
    TradeNotFoundError,
)
from marketplace.fields import Actor, Credits, ListingName, Name, Nanos, Several, Text
from marketplace.formula.price import next_base_fee
from marketplace.ledger.account import principal_of, refuse_house
from marketplace.ledger.epoch import current_epoch
from marketplace.ledger.journal import transfer_key
from marketplace.ledger.mandate import refuse_more
from marketplace.ledger.operation import Operation
from marketplace.ledger.statement import find_account, made_by
from marketplace.money import check_amount
from marketplace.names import check_name
from marketplace.trade.buy import refuse_price
from marketplace.trade.incomes import settlement_of
from marketplace.trade.settlement import Part, Payment, settle
from marketplace.trade.terms import cost_nanos


class ComputeOffer(MarketTable, table=True):
    """Somebody's machine time, priced per 1,000 units; what one uses, another cannot."""

    __tablename__: ClassVar[str] = "compute_offer"
    __table_args__: ClassVar[Any] = (
        CheckConstraint("ask_nanos > 0 AND capacity_units > 0", name="offer_is_positive"),
    )

    name: str = Field(primary_key=True)
    owner: str = Field(foreign_key="account.name", index=True)
    resource: str
    """inference or training."""
    ask_nanos: int = Field(sa_type=BigInteger)
    capacity_units: int = Field(sa_type=BigInteger)
    """Per epoch."""
    epoch: int = Field(foreign_key="epoch.number", sa_type=BigInteger)
    at: float
    key: str = Field(foreign_key="request.key", unique=True)


class ComputeUse(MarketTable, table=True):
    """Units of an offer that were paid for in an epoch, at that epoch's rate."""

    __tablename__: ClassVar[str] = "compute_use"
    __table_args__: ClassVar[Any] = (Index("compute_use_by_offer", "offer", "epoch"),)

    transfer_id: int = transfer_key()
    offer: str = Field(foreign_key="compute_offer.name")
    user: str = Field(foreign_key="account.name")
    epoch: int = Field(foreign_key="epoch.number", sa_type=BigInteger)
    units: int = Field(sa_type=BigInteger)
    rate_nanos: int = Field(sa_type=BigInteger)
    """Per 1,000 units, surplus included."""


RESOURCES = ("inference", "training")


@dataclass(frozen=True, slots=True)
class OfferView:
    """An offer of machine time at its running rate."""

    name: str
    owner: str
    resource: str
    ask_nanos: Nanos
    """Per 1,000 units, what the seller is paid by."""
    rate_nanos: Nanos
    """Per 1,000 units, what users pay now."""
    capacity_units: int
    """Per epoch."""
    left_units: int
    """In the running epoch."""
    at: float


@dataclass(frozen=True, slots=True)
class ComputeUseView:
    """Machine time as its user paid for it."""

    use: int
    """Number of the transfer."""
    user: str
    offer: str
    units: int
    rate_nanos: Nanos
    price_nanos: Nanos
    surplus_nanos: Nanos
    """The part of the price that scarcity added."""
    replayed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferCompute(Operation[OfferView]):
    """Put machine time up for sale.

    Raises:
        ListingTakenError: There is an offer of this name.
    """

    OPERATION: ClassVar[str] = "offer"

    owner: Actor
    name: Name
    resource: Text
    ask_nanos: Credits
    """Per 1,000 units."""
    capacity_units: Several
    """Per epoch."""

    def check(self) -> None:
        """Refuse the house, and a machine that is none."""
        refuse_house(self.owner, "offer machine time")
        check_name(self.name, "offer name")
        check_amount(self.ask_nanos, "ask")
        check_amount(self.capacity_units, "capacity")
        if self.resource not in RESOURCES or self.capacity_units < 2:
            raise InvalidInputError(
                f"an offer is {' or '.join(RESOURCES)} of at least 2 units, got"
                f" {self.resource!r} of {self.capacity_units}: change it"
            )

    def do(self, session: Session, at: float) -> None:
        """Note the offer."""
        find_account(session, self.owner)
        if session.get(ComputeOffer, self.name) is not None:
            raise ListingTakenError(f"offer name {self.name!r} is taken: choose another")
        refuse_more(session, "offer", self.owner)
        put(session, alike(ComputeOffer, self, epoch=current_epoch(session), at=at))

    def done(self, session: Session, at: float) -> OfferView:
        """The offer as it is now."""
        return offer_view(session, self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class UseCompute(Operation[ComputeUseView]):
    """Pay for machine time at the running epoch's rate.

    Raises:
        TradeNotFoundError: There is no such offer.
        OwnLayerError: The buyer offers it.
        CapacityError: Fewer units are left in this epoch.
        PriceAboveLimitError: The price is above `max_price_nanos`.
    """

    OPERATION: ClassVar[str] = "compute"

    buyer: Actor
    offer: ListingName
    units: Several
    max_price_nanos: Credits | None = None

    def check(self) -> None:
        """Refuse the house, and no units."""
        refuse_house(self.buyer, "use machine time")
        check_amount(self.units, "units")

    def do(self, session: Session, at: float) -> None:
        """Pay, and count the units."""
        account, row = find_account(session, self.buyer), _row(session, self.offer)
        principal, units = principal_of(self.buyer), self.units
        if principal == principal_of(row.owner):
            raise OwnLayerError(f"{principal!r} offers {self.offer!r}: use the machine directly")
        view = offer_view(session, self.offer)
        if units > view.left_units:
            raise CapacityError(
                f"offer {self.offer!r} has {view.left_units} units left in this epoch, asked for"
                f" {units}: take fewer, wait, or use another offer"
            )
        price_nanos = cost_nanos(units, view.rate_nanos)
        gross_nanos = cost_nanos(units, row.ask_nanos)
        what = f"{units} units of {self.offer!r}"
        refuse_price(account, what, price_nanos, self.max_price_nanos)
        payment = Payment(
            way="compute",
            payer=self.buyer,
            principal=principal,
            gross_nanos=gross_nanos,
            surplus_nanos=price_nanos - gross_nanos,
            parts=(Part(source=self.offer, seller=row.owner),),
            epoch=current_epoch(session),
            memo=f"{self.buyer} uses {units} units of {self.offer}",
        )
        number, _ = settle(session, payment, key=self.key, at=at)
        put(
            session,
            alike(
                ComputeUse,
                self,
                transfer_id=number,
                user=principal,
                epoch=payment.epoch,
                rate_nanos=view.rate_nanos,
            ),
        )

    def done(self, session: Session, at: float) -> ComputeUseView:
        """The use that the key paid for."""
        return _use_view(session, made_by(session, self.key))


def offer_view(session: Session, name: str) -> OfferView:
    """The offer of this name at its running rate.

    Raises:
        TradeNotFoundError: There is none.
    """
    row = _row(session, name)
    epoch = current_epoch(session)
    units = computed_units(session, name)
    left_units = row.capacity_units - units.get(epoch, 0)
    return alike(OfferView, row, rate_nanos=_rate(row, units, epoch), left_units=left_units)


def offers(session: Session, *, after: str = "", limit: int | None = None) -> list[OfferView]:
    """All offers of machine time by name, at the running rates; or so many behind a name."""
    name = col(ComputeOffer.name)
    query = select(ComputeOffer.name).where(name > after).order_by(name).limit(limit)
    return [offer_view(session, one) for one in session.exec(query).all()]


def _rate(row: ComputeOffer, units: dict[int, int], epoch: int) -> int:
    """The base fee, followed from the offer's first epoch through every one that was closed.

    Idle epochs let it fall back to the ask, after which nothing changes until the next use.
    """
    rate = row.ask_nanos
    used = sorted(number for number in units if number < epoch)
    for place, number in enumerate(used):
        rate = _after(row, rate, units[number])
        until = used[place + 1] if place + 1 < len(used) else epoch
        for _ in range(until - number - 1):
            if rate == row.ask_nanos:
                break
            rate = _after(row, rate, 0)
    return rate


def _after(row: ComputeOffer, rate: int, used: int) -> int:
    return next_base_fee(rate, used=used, capacity=row.capacity_units, floor_nanos=row.ask_nanos)


def _row(session: Session, name: str) -> ComputeOffer:
    row = session.get(ComputeOffer, name)
    if row is None:
        raise TradeNotFoundError(f"offer {name!r} does not exist: see the list of offers")
    return row


def _use_view(session: Session, number: int) -> ComputeUseView:
    row = session.get_one(ComputeUse, number)
    paid = settlement_of(session, number)
    price_nanos, surplus_nanos = paid.gross_nanos + paid.surplus_nanos, paid.surplus_nanos
    said = {"use": number, "price_nanos": price_nanos, "surplus_nanos": surplus_nanos}
    return alike(ComputeUseView, row, **said)


def computed_units(session: Session, offer: str) -> dict[int, int]:
    """Units of an offer sold in each epoch."""
    query = (
        select(ComputeUse.epoch, func.sum(ComputeUse.units))
        .where(ComputeUse.offer == offer)
        .group_by(col(ComputeUse.epoch))
    )
    return {epoch: int(units) for epoch, units in session.exec(query)}
