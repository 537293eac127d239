"""Buying: pay the running price once, own the listing with all its versions for good.

A mandate may pay; its owner then owns the layer. Bought means bought once: a second intention
finds nothing left to buy, and a sale that was paid back is not made again.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple

from sqlalchemy import BigInteger, CheckConstraint, UniqueConstraint, and_, func
from sqlalchemy.orm import aliased
from sqlmodel import Field, Session, col, select

from marketplace.database.sql import MarketTable, Statement, alike, ask, one_of, put
from marketplace.errors import (
    AlreadyOwnedError,
    InsufficientCreditsError,
    OwnLayerError,
    PriceAboveLimitError,
)
from marketplace.fields import Actor, Credits, ListingName, Nanos
from marketplace.ledger.account import Account, principal_of, refuse_house
from marketplace.ledger.epoch import current_epoch
from marketplace.ledger.journal import Transfer
from marketplace.ledger.operation import Due, Operation
from marketplace.ledger.statement import find_account
from marketplace.listing import catalogue
from marketplace.listing.listing import ListingView, Version
from marketplace.money import format_credits
from marketplace.trade import terms
from marketplace.trade.incomes import SaleReturn
from marketplace.trade.settlement import Division, Payment, settle

Pair = tuple[str, str]
"""An account and a listing."""


class Purchase(MarketTable, table=True):
    """One sale of one listing to one buyer; its money moved in the transfer of that number."""

    __tablename__: ClassVar[str] = "purchase"
    __table_args__: ClassVar[Any] = (
        UniqueConstraint("buyer", "listing", name="nobody_buys_twice"),
        CheckConstraint("fee_nanos + creator_nanos = price_nanos", name="split_is_exact"),
    )

    transfer_id: int = Field(primary_key=True, foreign_key="transfer.id", sa_type=BigInteger)
    buyer: str = Field(foreign_key="account.name")
    listing: str = Field(foreign_key="listing.name", index=True)
    epoch: int = Field(foreign_key="epoch.number", index=True, sa_type=BigInteger)
    price_nanos: int = Field(sa_type=BigInteger)
    fee_nanos: int = Field(sa_type=BigInteger)
    creator_nanos: int = Field(sa_type=BigInteger)


@dataclass(frozen=True, slots=True)
class PurchaseView:
    """A purchase as its buyer sees it."""

    buyer: str
    listing: str
    digest: str
    price_nanos: Nanos
    fee_nanos: Nanos
    creator_nanos: Nanos
    key: str
    replayed: bool
    """True when the key had already taken effect and nothing moved this time."""
    at: float
    balance_nanos: Nanos | None = None
    """What the payer has now; told by the purchase alone, not by lists."""


class Bought(NamedTuple):
    """A purchase: its number, and whether it was paid back."""

    number: int
    returned: bool


_PURCHASES = Statement(
    select(Purchase.buyer, Purchase.listing, Purchase.transfer_id, SaleReturn.refund_id)
    .outerjoin(SaleReturn, col(SaleReturn.sale_id) == col(Purchase.transfer_id))
    .where(one_of(Purchase.buyer, "names"), one_of(Purchase.listing, "layers"))
)


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
        view = terms.on_sale(session, self.listing)
        account = find_account(session, self.buyer)
        principal = principal_of(self.buyer)
        refuse_owner(session, principal, view)
        what = f"listing {view.name!r}"
        refuse_price(account, what, view.price_nanos, self.max_price_nanos)
        payment = sale(session, account, principal, view, view.price_nanos)
        number, division = settle(session, payment, key=self.key, at=at)
        note_purchase(session, number, payment, division)

    def done(self, session: Session, at: float) -> PurchaseView:
        """The purchase that the key made."""
        balance_nanos = find_account(session, self.buyer).balance_nanos
        return replace(made(session, self.key), balance_nanos=balance_nanos)

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
    put(
        session,
        Purchase(
            transfer_id=number,
            buyer=payment.principal,
            listing=payment.parts[0].source,
            epoch=payment.epoch,
            price_nanos=payment.gross_nanos,
            fee_nanos=division.fee_nanos,
            creator_nanos=payment.gross_nanos - division.fee_nanos,
        ),
    )


def made(session: Session, key: str) -> PurchaseView:
    """The purchase that this key made."""
    purchase = purchase_of_key(session, key)
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
    before = purchase_by(session, principal, view.name)
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


def names_of(pairs: Collection[Pair]) -> dict[str, Any]:
    """Accounts and listings as values of a statement: it may find more pairs than were asked."""
    return {"names": {account for account, _ in pairs}, "layers": {listing for _, listing in pairs}}


def purchase_views(
    session: Session, buyer: str | None = None, *, after: int = 0, limit: int | None = None
) -> list[tuple[int, PurchaseView]]:
    """Purchases with their numbers, oldest first; returned ones are not left out.

    Args:
        buyer: Only this account's.
        after: Only those with a higher number.
        limit: At most so many.
    """
    query = _purchases().where(col(Purchase.transfer_id) > after).limit(limit)
    if buyer is not None:
        query = query.where(Purchase.buyer == buyer)
    return [(row[0].transfer_id, _purchase_view(*row)) for row in session.exec(query)]


def purchase_page(
    session: Session, buyer: str, *, limit: int, after: int = 0
) -> tuple[list[PurchaseView], int | None]:
    """So many of the account's purchases, oldest first, and what the next page comes after."""
    found = purchase_views(session, buyer, after=after, limit=limit + 1)
    following = found[limit - 1][0] if len(found) > limit else None
    return [view for _, view in found[:limit]], following


def purchase_of_key(session: Session, key: str) -> PurchaseView | None:
    """The purchase this key made."""
    row = session.exec(_purchases().where(Transfer.key == key)).first()
    return None if row is None else _purchase_view(*row)


def purchases_by(session: Session, pairs: Collection[Pair]) -> dict[Pair, Bought]:
    """Purchases of these listings by these accounts."""
    rows = ask(session, _PURCHASES, **names_of(pairs))
    return {
        (buyer, listing): Bought(number, refund is not None)
        for buyer, listing, number, refund in rows
    }


def purchase_by(session: Session, buyer: str, listing: str) -> Bought | None:
    """The account's purchase of a listing."""
    return purchases_by(session, [(buyer, listing)]).get((buyer, listing))


def unreturned_sales(session: Session, listing: str) -> list[tuple[int, float]]:
    """Number and time of a listing's sales that were not paid back, oldest first."""
    return list(
        session.exec(
            select(Purchase.transfer_id, Transfer.at)
            .join(Transfer, col(Transfer.id) == col(Purchase.transfer_id))
            .outerjoin(SaleReturn, col(SaleReturn.sale_id) == col(Purchase.transfer_id))
            .where(
                Purchase.listing == listing,
                col(SaleReturn.sale_id).is_(None),
            )
            .order_by(col(Purchase.transfer_id))
        )
    )


def _purchases() -> Any:
    """Each purchase with its transfer and the digest of the version that was sold then."""
    newest = aliased(Version)
    number = (
        select(func.max(newest.number))
        .where(newest.listing == Purchase.listing, newest.published_at <= Transfer.at)
        .correlate(Purchase, Transfer)
        .scalar_subquery()
    )
    return (
        select(Purchase, Transfer, Version.digest)
        .join(Transfer, col(Transfer.id) == col(Purchase.transfer_id))
        .join(
            Version,
            and_(col(Version.listing) == col(Purchase.listing), col(Version.number) == number),
        )
        .order_by(col(Purchase.transfer_id))
    )


def _purchase_view(purchase: Purchase, transfer: Transfer, digest: str) -> PurchaseView:
    said = {"digest": digest, "key": transfer.key, "at": transfer.at, "replayed": False}
    return alike(PurchaseView, purchase, **said)
