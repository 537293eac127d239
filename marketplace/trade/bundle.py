"""Bundles: several listings bought at once, all or none.

A bundle is a linked group of ordinary sales, so fee, royalties and ownership are those of a sale.
The one who puts it together can take something off the own listings; others' are sold at full
price, so nobody's work is discounted by somebody else. What the buyer owns already is left out.
No discount goes below a day's rent: files cost that much whichever way they are paid for.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

import pydantic
from sqlalchemy import BigInteger
from sqlmodel import Field, Session, col, select

from marketplace.database.sql import MarketTable, alike, put
from marketplace.errors import (
    AlreadyOwnedError,
    AmountError,
    InvalidInputError,
    ListingTakenError,
    TradeNotFoundError,
)
from marketplace.fields import Actor, Credits, ListingName, Name, Nanos, Parts
from marketplace.formula.price import PARTS
from marketplace.ledger.account import principal_of, refuse_house, speaks_for
from marketplace.ledger.idempotency import claim, free_key
from marketplace.ledger.journal import keys_of_group
from marketplace.ledger.ledger import linked
from marketplace.ledger.mandate import refuse_more
from marketplace.ledger.operation import Due, Operation
from marketplace.ledger.statement import find_account
from marketplace.listing import catalogue
from marketplace.listing.listing import ListingView
from marketplace.names import check_name, check_text
from marketplace.trade import terms
from marketplace.trade.buy import PurchaseView, made, note_purchase, purchase_by, refuse_price, sale
from marketplace.trade.settlement import settle
from marketplace.trade.terms import latest_terms


class Bundle(MarketTable, table=True):
    """Several listings under one name, bought together."""

    __tablename__: ClassVar[str] = "bundle"

    name: str = Field(primary_key=True)
    owner: str = Field(foreign_key="account.name", index=True)
    discount_parts: int = Field(sa_type=BigInteger)
    """Millionths taken off the owner's own listings; others' go in at full price."""
    at: float
    key: str = Field(foreign_key="request.key", unique=True)


class BundlePart(MarketTable, table=True):
    """One listing of a bundle."""

    __tablename__: ClassVar[str] = "bundle_part"

    bundle: str = Field(primary_key=True, foreign_key="bundle.name")
    listing: str = Field(primary_key=True, foreign_key="listing.name")


MAX_LISTINGS = 50
MAX_KEY_CHARS = 180
"""A bundle's key, so that its sales' keys still fit."""


@dataclass(frozen=True, slots=True)
class BundleView:
    """A bundle at the running prices."""

    name: str
    owner: str
    listings: tuple[str, ...]
    discount_parts: int
    """Millionths off the owner's own listings."""
    price_nanos: Nanos
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateBundle(Operation[BundleView]):
    """Put listings together.

    Raises:
        ListingTakenError: There is a bundle of this name.
        ListingNotFoundError: One of the listings does not exist.
        NotForSaleError: One of them is not for sale.
    """

    OPERATION: ClassVar[str] = "bundle"

    owner: Actor
    name: Name
    listings: Annotated[Sequence[Name], pydantic.Field(min_length=1, max_length=100)]
    discount_parts: Parts = 0
    """Millionths off the owner's own listings."""

    def check(self) -> None:
        """Refuse the house, and a bundle that is none."""
        refuse_house(self.owner, "offer bundles")
        check_name(self.name, "bundle name")
        n_listings = len(set(self.listings))
        if not 2 <= n_listings <= MAX_LISTINGS:
            raise InvalidInputError(
                f"a bundle has 2 to {MAX_LISTINGS} different listings, got {n_listings}: change it"
            )
        parts = self.discount_parts
        if type(parts) is not int or not 0 <= parts < PARTS:
            raise AmountError(
                f"discount_parts must be 0 to {PARTS - 1} millionths, got {parts!r}: change it"
            )

    def identity(self, session: Session) -> dict[str, object]:
        """The listings in any order."""
        return Operation.identity(self, session) | {"listings": sorted(set(self.listings))}

    def do(self, session: Session, at: float) -> None:
        """Note the bundle."""
        find_account(session, self.owner)
        name, names = self.name, sorted(set(self.listings))
        if session.get(Bundle, name) is not None:
            raise ListingTakenError(f"bundle name {name!r} is taken: choose another")
        refuse_more(session, "bundle", self.owner)
        for listing in names:
            terms.on_sale(session, listing)
        put(session, alike(Bundle, self, at=at))
        session.add_all(BundlePart(bundle=name, listing=listing) for listing in names)
        session.flush()

    def done(self, session: Session, at: float) -> BundleView:
        """The bundle as it is now."""
        return bundle_view(session, self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class BuyBundle(Operation[list[PurchaseView]]):
    """Buy whatever of a bundle the buyer does not own yet: all of it or nothing.

    Raises:
        TradeNotFoundError: There is no such bundle.
        NotForSaleError: One of its listings is not for sale any more.
        AlreadyOwnedError: The buyer owns all of them.
        PriceAboveLimitError: Together they cost more than `max_price_nanos`.
    """

    OPERATION: ClassVar[str] = "bundle-buy"

    buyer: Actor
    bundle: ListingName
    max_price_nanos: Credits | None = None

    def check(self) -> None:
        """Refuse the house, and a key that leaves no room for the sales' own."""
        refuse_house(self.buyer, "buy")
        check_text(self.key, "key", min_chars=1, max_chars=MAX_KEY_CHARS)

    def do(self, session: Session, at: float) -> None:
        """One sale per listing, linked."""
        account, row = find_account(session, self.buyer), _row(session, self.bundle)
        principal = principal_of(self.buyer)
        wanted = [
            view
            for name in bundle_listings(session, self.bundle)
            if not _has(session, principal, view := terms.on_sale(session, name))
        ]
        if not wanted:
            raise AlreadyOwnedError(
                f"{principal!r} owns every listing of bundle {self.bundle!r} already"
            )
        prices = _prices(session, row, wanted)
        refuse_price(account, f"bundle {self.bundle!r}", sum(prices), self.max_price_nanos)
        with linked(session):
            for view, price_nanos in zip(wanted, prices, strict=True):
                own_key = free_key(session, f"{self.key}/{view.name}"[:200])
                part: dict[str, object] = {
                    "buyer": self.buyer,
                    "listing": view.name,
                    "bundle": self.bundle,
                }
                claim(session, key=own_key, operation="buy", body=part, at=at)
                payment = sale(session, account, principal, view, price_nanos)
                number, division = settle(session, payment, key=own_key, at=at, group_key=self.key)
                note_purchase(session, number, payment, division)

    def done(self, session: Session, at: float) -> list[PurchaseView]:
        """The purchases that the key made."""
        return [made(session, key) for key in keys_of_group(session, self.key)]

    def due(self, session: Session) -> Due:
        """The running price of all of it."""
        return Due(bundle_view(session, self.bundle).price_nanos)

    def hands_over(self, session: Session) -> Sequence[str]:
        """Every listing of the bundle."""
        return bundle_view(session, self.bundle).listings


def bundle_view(session: Session, name: str) -> BundleView:
    """The bundle of this name at the running prices.

    Raises:
        TradeNotFoundError: There is none.
    """
    row = _row(session, name)
    names = bundle_listings(session, name)
    views = catalogue.listing_views(session, names)
    price_nanos = sum(_prices(session, row, views))
    return alike(BundleView, row, listings=tuple(names), price_nanos=price_nanos)


def bundles(session: Session, *, after: str = "", limit: int | None = None) -> list[BundleView]:
    """All bundles by name, at the running prices; or so many behind a name."""
    query = select(Bundle.name).where(col(Bundle.name) > after).order_by(col(Bundle.name))
    return [bundle_view(session, name) for name in session.exec(query.limit(limit)).all()]


def _row(session: Session, name: str) -> Bundle:
    row = session.get(Bundle, name)
    if row is None:
        raise TradeNotFoundError(f"bundle {name!r} does not exist: see the list of bundles")
    return row


def _has(session: Session, principal: str, view: ListingView) -> bool:
    is_own = principal_of(view.owner) == principal
    return is_own or purchase_by(session, principal, view.name) is not None


def _prices(session: Session, bundle: Bundle, views: Sequence[ListingView]) -> list[int]:
    """The running prices, less the discount on the bundler's own listings.

    What is discounted costs a day's rent at least, for which alone files are handed out.
    """
    set_by_owner = latest_terms(session, [view.name for view in views])
    prices = []
    for view in views:
        price_nanos = view.price_nanos
        if speaks_for(bundle.owner, view.owner):
            discounted = -(-price_nanos * (PARTS - bundle.discount_parts) // PARTS)
            floor = terms.terms_from(view, set_by_owner.get(view.name)).trial_nanos
            price_nanos = min(price_nanos, max(floor, discounted))
        prices.append(price_nanos)
    return prices


def bundle_listings(session: Session, bundle: str) -> list[str]:
    """Names of the listings of a bundle."""
    query = select(BundlePart.listing).where(BundlePart.bundle == bundle)
    return list(session.exec(query.order_by(col(BundlePart.listing))))
