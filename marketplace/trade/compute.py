"""Machine time for inference or training: rival, so its price follows how full the machine is.

The owner asks a rate per 1,000 units (tokens or training samples) and states how many units an
epoch has. What users pay is the base fee of EIP-1559, never below the ask:

    rate' = rate + rate * (used - target) / target / 8,   target = half of the capacity

The seller is paid by the ask; what scarcity adds is the platform's, so filling one's own machine
raises a price one never gets. Layers, which any number can use at once, are never priced so.
"""

from dataclasses import dataclass, replace

from sqlmodel import Session

from marketplace.errors import (
    CapacityError,
    InvalidInputError,
    ListingTakenError,
    OwnLayerError,
    TradeNotFoundError,
)
from marketplace.formula.base_fee import next_base_fee
from marketplace.ledger.account import principal_of, refuse_house
from marketplace.ledger.caps import refuse_more
from marketplace.ledger.epoch import current_epoch
from marketplace.ledger.idempotency import claim
from marketplace.ledger.statement import find_account
from marketplace.money import check_amount
from marketplace.names import check_name
from marketplace.trade import noticeboard, queries
from marketplace.trade.buy import refuse_price
from marketplace.trade.notices import ComputeOffer, ComputeUse
from marketplace.trade.settlement import Part, Payment, settle
from marketplace.trade.terms import cost_nanos

RESOURCES = ("inference", "training")


@dataclass(frozen=True, slots=True)
class OfferView:
    """An offer of machine time at its running rate."""

    name: str
    owner: str
    resource: str
    ask_nanos: int
    """Per 1,000 units, what the seller is paid by."""
    rate_nanos: int
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
    rate_nanos: int
    price_nanos: int
    surplus_nanos: int
    """The part of the price that scarcity added."""
    replayed: bool = False


def offer_compute(
    session: Session,
    *,
    owner: str,
    name: str,
    resource: str,
    ask_nanos: int,
    capacity_units: int,
    key: str,
    at: float,
) -> OfferView:
    """Put machine time up for sale.

    Raises:
        ListingTakenError: There is an offer of this name.
    """
    refuse_house(owner, "offer machine time")
    check_name(name, "offer name")
    check_amount(ask_nanos, "ask")
    check_amount(capacity_units, "capacity")
    if resource not in RESOURCES or capacity_units < 2:
        raise InvalidInputError(
            f"an offer is {' or '.join(RESOURCES)} of at least 2 units, got {resource!r} of"
            f" {capacity_units}: change it"
        )
    find_account(session, owner)
    body: dict[str, object] = {
        "owner": owner, "name": name, "resource": resource, "ask_nanos": ask_nanos,
        "capacity_units": capacity_units,
    }  # fmt: skip
    if claim(session, key=key, operation="offer", body=body, at=at):
        if session.get(ComputeOffer, name) is not None:
            raise ListingTakenError(f"offer name {name!r} is taken: choose another")
        refuse_more(session, "offer", owner)
        session.add(
            ComputeOffer(
                name=name,
                owner=owner,
                resource=resource,
                ask_nanos=ask_nanos,
                capacity_units=capacity_units,
                epoch=current_epoch(session),
                at=at,
                key=key,
            )
        )
        session.flush()
    return offer_view(session, name)


def use_compute(
    session: Session,
    *,
    buyer: str,
    offer: str,
    units: int,
    key: str,
    max_price_nanos: int | None,
    at: float,
) -> ComputeUseView:
    """Pay for units of an offer at the running epoch's rate.

    Raises:
        TradeNotFoundError: There is no such offer.
        OwnLayerError: The buyer offers it.
        CapacityError: Fewer units are left in this epoch.
        PriceAboveLimitError: The price is above `max_price_nanos`.
    """
    refuse_house(buyer, "use machine time")
    check_amount(units, "units")
    account = find_account(session, buyer)
    row = _row(session, offer)
    body: dict[str, object] = {"buyer": buyer, "offer": offer, "units": units}
    if not claim(session, key=key, operation="compute", body=body, at=at):
        number = queries.transfer_of_key(session, key)
        assert number is not None, f"key {key!r} left no use"
        return replace(_use_view(session, number), replayed=True)
    principal = principal_of(buyer)
    if principal == principal_of(row.owner):
        raise OwnLayerError(f"{principal!r} offers {offer!r}: use the machine directly")
    view = offer_view(session, offer)
    if units > view.left_units:
        raise CapacityError(
            f"offer {offer!r} has {view.left_units} units left in this epoch, asked for {units}:"
            " take fewer, wait, or use another offer"
        )
    price_nanos, gross_nanos = cost_nanos(units, view.rate_nanos), cost_nanos(units, row.ask_nanos)
    refuse_price(account, f"{units} units of {offer!r}", price_nanos, max_price_nanos)
    payment = Payment(
        way="compute",
        payer=buyer,
        principal=principal,
        gross_nanos=gross_nanos,
        surplus_nanos=price_nanos - gross_nanos,
        parts=(Part(source=offer, seller=row.owner),),
        epoch=current_epoch(session),
        memo=f"{buyer} uses {units} units of {offer}",
    )
    number, _ = settle(session, payment, key=key, at=at)
    session.add(
        ComputeUse(
            transfer_id=number,
            offer=offer,
            user=principal,
            epoch=payment.epoch,
            units=units,
            rate_nanos=view.rate_nanos,
        )
    )
    session.flush()
    return _use_view(session, number)


def offer_view(session: Session, name: str) -> OfferView:
    """The offer of this name at its running rate.

    Raises:
        TradeNotFoundError: There is none.
    """
    row = _row(session, name)
    epoch = current_epoch(session)
    units = noticeboard.computed_units(session, name)
    return OfferView(
        name=row.name,
        owner=row.owner,
        resource=row.resource,
        ask_nanos=row.ask_nanos,
        rate_nanos=_rate(row, units, epoch),
        capacity_units=row.capacity_units,
        left_units=row.capacity_units - units.get(epoch, 0),
        at=row.at,
    )


def offer_views(session: Session, *, after: str = "", limit: int | None = None) -> list[OfferView]:
    """Offers by name, those behind a name, so many."""
    names = noticeboard.offer_names(session, after, limit)
    return [offer_view(session, name) for name in names]


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
    paid = queries.settlement(session, number)
    return ComputeUseView(
        use=number,
        user=row.user,
        offer=row.offer,
        units=row.units,
        rate_nanos=row.rate_nanos,
        price_nanos=paid.gross_nanos + paid.surplus_nanos,
        surplus_nanos=paid.surplus_nanos,
    )
