"""Buying: pay the running price once, own the listing with all its versions for good.

A mandate may pay; its owner then owns the layer. Bought means bought once: a second intention
finds nothing left to buy, and a sale that was paid back is not made again.
"""

from dataclasses import dataclass
from typing import ClassVar

from sqlmodel import Session

from marketplace.errors import (
    AlreadyOwnedError,
    InsufficientCreditsError,
    OwnLayerError,
    PriceAboveLimitError,
)
from marketplace.fields import Actor, Credits, ListingName
from marketplace.ledger.account import Account, principal_of, refuse_house
from marketplace.ledger.epoch import current_epoch
from marketplace.ledger.operation import Due, Operation
from marketplace.ledger.statement import find_account
from marketplace.listing import catalogue
from marketplace.listing.listing import ListingView, Purchase, PurchaseView
from marketplace.money import format_credits
from marketplace.trade import queries, terms
from marketplace.trade.settlement import Division, Payment, settle


@dataclass(frozen=True, slots=True, kw_only=True)
class Buy(Operation[PurchaseView]):
    """Pay the running price; the buyer then owns the layer for good.

    Raises:
        NotForSaleError: The listing was withdrawn, quarantined or revoked.
        OwnLayerError: The buyer published the layer.
        AlreadyOwnedError: The buyer bought it before, under another key.
        PriceAboveLimitError: The price is above `max_price_nanos`.
        InsufficientCreditsError: The buyer's available balance is below the price.
    """

    OPERATION: ClassVar[str] = "buy"

    buyer: Actor
    listing: ListingName
    max_price_nanos: Credits | None = None

    def check(self) -> None:
        """Refuse the house."""
        refuse_house(self.buyer, "buy")

    def do(self, session: Session, at: float) -> None:
        """Pay, and note whose the listing is now."""
        account = find_account(session, self.buyer)
        view = terms.on_sale(session, self.listing)
        principal = principal_of(self.buyer)
        refuse_owner(session, principal, view)
        what = f"listing {view.name!r}"
        refuse_price(account, what, view.price_nanos, self.max_price_nanos)
        payment = sale(session, account, principal, view, view.price_nanos)
        number, division = settle(session, payment, key=self.key, at=at)
        note_purchase(session, number, payment, division)

    def done(self, session: Session, at: float) -> PurchaseView:
        """The purchase that the key made."""
        return made(session, self.key)

    def due(self, session: Session) -> Due:
        """The running price."""
        view = catalogue.listing_view(session, self.listing)
        return Due(view.price_nanos, view.owner)

    def hands_over(self, session: Session) -> tuple[str, ...]:
        """The listing's."""
        return (self.listing,)


def sale(
    session: Session, buyer: Account, principal: str, view: ListingView, price_nanos: int
) -> Payment:
    """The payment for owning one listing."""
    return Payment(
        way="sale",
        payer=buyer.name,
        principal=principal,
        gross_nanos=price_nanos,
        parts=(terms.part(session, view),),
        epoch=current_epoch(session),
        memo=f"{buyer.name} buys {view.name}",
    )


def note_purchase(session: Session, number: int, payment: Payment, division: Division) -> None:
    """Write down that the payment made its principal an owner."""
    session.add(
        Purchase(
            transfer_id=number,
            buyer=payment.principal,
            listing=payment.parts[0].source,
            epoch=payment.epoch,
            price_nanos=payment.gross_nanos,
            fee_nanos=division.fee_nanos,
            creator_nanos=payment.gross_nanos - division.fee_nanos,
        )
    )
    session.flush()


def made(session: Session, key: str) -> PurchaseView:
    """The purchase that this key made."""
    purchase = queries.purchase_of_key(session, key)
    assert purchase is not None, f"key {key!r} was claimed by a purchase that left no row"
    return purchase


def refuse_owner(session: Session, principal: str, view: ListingView) -> None:
    """Nobody pays for what is theirs.

    Raises:
        OwnLayerError: They published the layer.
        AlreadyOwnedError: They bought it, or bought it and were paid back.
    """
    if principal_of(view.owner) == principal:
        raise OwnLayerError(
            f"{principal!r} published listing {view.name!r} and owns it already:"
            " use the layer from the library"
        )
    before = queries.purchase(session, principal, view.name)
    if before is None:
        return
    if before.returned:
        raise AlreadyOwnedError(
            f"{principal!r} bought listing {view.name!r} and was paid back: rent it instead,"
            " or buy another"
        )
    raise AlreadyOwnedError(
        f"{principal!r} already bought listing {view.name!r} and keeps it for good:"
        " use the layer from the library"
    )


def refuse_price(payer: Account, what: str, price_nanos: int, max_price_nanos: int | None) -> None:
    """Stop before paying more than was allowed, or than there is.

    Raises:
        PriceAboveLimitError: The price is above the limit.
        InsufficientCreditsError: The payer's available balance is below the price.
    """
    price = format_credits(price_nanos)
    if max_price_nanos is not None and price_nanos > max_price_nanos:
        raise PriceAboveLimitError(
            f"{what} costs {price}, above the limit of"
            f" {format_credits(max_price_nanos)}: raise the limit or wait for another price"
        )
    available = payer.balance_nanos - payer.held_nanos
    if available < price_nanos:
        held = f" ({format_credits(payer.held_nanos)} more held)" if payer.held_nanos else ""
        raise InsufficientCreditsError(
            f"{what} costs {price}, {payer.name!r} has {format_credits(available)}{held}:"
            f" the operator adds credits with `continuum market fund CREDITS --account {payer.name}"
            " --key KEY`"
        )
