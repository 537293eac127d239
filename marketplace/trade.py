"""The rules of trading. Each function is the inside of one transaction that the caller holds.

A refusal raises, the caller's transaction rolls back, and the idempotency key stays free:
after the reason is removed, the same request can be sent again.
"""

from dataclasses import asdict, replace

from sqlmodel import Session

from marketplace import repository
from marketplace.account import PLATFORM, WORLD, Account, refuse_house
from marketplace.epoch import Epoch, price_row
from marketplace.errors import (
    AlreadyOwnedError,
    InsufficientCreditsError,
    ListingTakenError,
    OwnLayerError,
    PriceAboveLimitError,
)
from marketplace.idempotency import claim
from marketplace.ledger import record_transfer
from marketplace.listing import Listing, ListingView, Purchase, PurchaseView, Receipt, ReceiptFacts
from marketplace.money import format_credits, split_price
from marketplace.price import Demand, next_demand, step_nanos, target_nanos
from marketplace.reputation import exam_reputation


def open_account(session: Session, *, name: str, key: str | None, at: float) -> Account:
    """The account of this name, opened now if it is new."""
    if key is not None:
        claim(session, key=key, operation="open", body={"name": name}, at=at)
    account = session.get(Account, name)
    if account is None:
        account = Account(name=name, opened_at=at)
        session.add(account)
        session.flush()
    return account


def fund(session: Session, *, name: str, amount_nanos: int, key: str, at: float) -> None:
    """Move credits from 'world' to the account, once per key."""
    refuse_house(name, "be funded")
    account = repository.account(session, name)
    body: dict[str, object] = {"account": name, "amount_nanos": amount_nanos}
    if claim(session, key=key, operation="fund", body=body, at=at):
        record_transfer(
            session,
            at=at,
            kind="fund",
            memo=f"credits for {name}",
            key=key,
            legs=[(repository.account(session, WORLD), -amount_nanos), (account, amount_nanos)],
        )


def publish(session: Session, listing: Listing, receipt: ReceiptFacts, *, at: float) -> ListingView:
    """Put a layer up for sale at the price its exam supports.

    Raises:
        HouseAccountError: The owner is 'world' or 'platform'.
        ListingTakenError: The name or the layer is already listed.
    """
    refuse_house(listing.owner, "publish")
    repository.account(session, listing.owner)
    body = listing.model_dump(exclude={"key", "published_at"}) | {"receipt": asdict(receipt)}
    if claim(session, key=listing.key, operation="publish", body=body, at=at):
        _refuse_taken(session, listing)
        session.add(listing)
        session.flush()
        session.add(Receipt(listing=listing.name, **asdict(receipt)))
        reputation = exam_reputation(receipt.n_questions, receipt.n_correct)
        price_nanos = target_nanos(listing.ask_nanos, reputation, log_premium=0.0)
        epoch = repository.current_epoch(session)
        session.add(price_row(listing.name, epoch, price_nanos, Demand()))
        session.flush()
    return repository.listing_view(session, listing.name)


def buy(
    session: Session, *, buyer: str, listing: str, key: str, max_price_nanos: int | None, at: float
) -> PurchaseView:
    """Pay the running price once per key; the buyer then owns the layer for good.

    The limit guards the payment but is not part of the request's identity: repeating a lost
    answer after the price has moved must still find the purchase that was made.

    Raises:
        OwnLayerError: The buyer published the layer.
        AlreadyOwnedError: The buyer bought it before, under another key.
        PriceAboveLimitError: The price is above `max_price_nanos`.
        InsufficientCreditsError: The buyer's balance is below the price.
    """
    refuse_house(buyer, "buy")
    account = repository.account(session, buyer)
    body: dict[str, object] = {"buyer": buyer, "listing": listing}
    if not claim(session, key=key, operation="buy", body=body, at=at):
        return replace(_made_purchase(session, key), replayed=True)
    offer = repository.listing_view(session, listing)
    _refuse_purchase(session, account, offer, max_price_nanos)
    _pay(session, account, offer, key=key, at=at)
    return _made_purchase(session, key)


def close_epoch(session: Session, *, number: int | None = None, at: float) -> None:
    """Let the closing epoch's distinct buyers move every price, then open the next epoch.

    With a number, an epoch that is not the running one is left as it is.
    """
    closing = repository.current_epoch(session)
    if number not in (None, closing):
        return
    buyers = repository.distinct_buyers(session, closing)
    views = {view.name: view for view in repository.listing_views(session)}
    rows = repository.price_rows(session, closing)
    session.add(Epoch(number=closing + 1, opened_at=at))
    session.flush()
    for row in rows:
        view = views[row.listing]
        demand = next_demand(row.demand, buyers.get(row.listing, 0))
        target = target_nanos(view.ask_nanos, view.reputation, demand.log_premium)
        price_nanos = step_nanos(row.price_nanos, target)
        session.add(price_row(row.listing, closing + 1, price_nanos, demand))
    session.flush()


def _refuse_taken(session: Session, listing: Listing) -> None:
    same_name = session.get(Listing, listing.name)
    if same_name is not None and same_name.digest != listing.digest:
        raise ListingTakenError(
            f"listing name {listing.name!r} is taken by layer {same_name.digest} of"
            f" {same_name.owner!r}: publish under another name"
        )
    same_layer = repository.listing_of_digest(session, listing.digest)
    if same_layer is not None:
        raise ListingTakenError(
            f"layer {listing.digest} is already listed as {same_layer.name!r} by"
            f" {same_layer.owner!r}: use that listing, or publish a layer that differs"
        )


def _refuse_purchase(
    session: Session, buyer: Account, offer: ListingView, max_price_nanos: int | None
) -> None:
    price = format_credits(offer.price_nanos)
    if offer.owner == buyer.name:
        raise OwnLayerError(
            f"{buyer.name!r} published listing {offer.name!r} and owns it already:"
            " use the layer from the library"
        )
    if repository.has_bought(session, buyer.name, offer.name):
        raise AlreadyOwnedError(
            f"{buyer.name!r} already bought listing {offer.name!r} and keeps it for good:"
            " use the layer from the library"
        )
    if max_price_nanos is not None and offer.price_nanos > max_price_nanos:
        raise PriceAboveLimitError(
            f"listing {offer.name!r} costs {price}, above the limit of"
            f" {format_credits(max_price_nanos)}: raise the limit or wait for another price"
        )
    if buyer.balance_nanos < offer.price_nanos:
        raise InsufficientCreditsError(
            f"listing {offer.name!r} costs {price}, {buyer.name!r} has"
            f" {format_credits(buyer.balance_nanos)}: add credits with `continuum market fund`"
        )


def _pay(session: Session, buyer: Account, offer: ListingView, *, key: str, at: float) -> None:
    split = split_price(offer.price_nanos)
    transfer_id = record_transfer(
        session,
        at=at,
        kind="sale",
        memo=f"{buyer.name} buys {offer.name}",
        key=key,
        legs=[
            (buyer, -offer.price_nanos),
            (repository.account(session, offer.owner), split.creator_nanos),
            (repository.account(session, PLATFORM), split.fee_nanos),
        ],
    )
    session.add(
        Purchase(
            transfer_id=transfer_id,
            buyer=buyer.name,
            listing=offer.name,
            epoch=repository.current_epoch(session),
            price_nanos=offer.price_nanos,
            fee_nanos=split.fee_nanos,
            creator_nanos=split.creator_nanos,
        )
    )
    session.flush()


def _made_purchase(session: Session, key: str) -> PurchaseView:
    purchase = repository.purchase_of_key(session, key)
    assert purchase is not None, f"key {key!r} was claimed by a purchase that left no row"
    return purchase
