"""Bundles: several listings bought at once, all or none.

A bundle is a linked group of ordinary sales, so fee, royalties and ownership are those of a sale.
The one who puts it together can take something off the own listings; others' are sold at full
price, so nobody's work is discounted by somebody else. What the buyer owns already is left out.
No discount goes below a day's rent: files cost that much whichever way they are paid for.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlmodel import Session

from marketplace.errors import (
    AlreadyOwnedError,
    AmountError,
    InvalidInputError,
    ListingTakenError,
    TradeNotFoundError,
)
from marketplace.formula.price import PARTS
from marketplace.ledger.account import principal_of, refuse_house, speaks_for
from marketplace.ledger.caps import refuse_more
from marketplace.ledger.idempotency import claim
from marketplace.ledger.ledger import linked
from marketplace.ledger.statement import find_account
from marketplace.listing import catalogue
from marketplace.listing.listing import ListingView, PurchaseView
from marketplace.names import check_name, check_text
from marketplace.trade import noticeboard, queries, terms
from marketplace.trade.buy import made, note_purchase, refuse_price, sale
from marketplace.trade.notices import Bundle, BundlePart
from marketplace.trade.settlement import settle

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
    price_nanos: int
    at: float


def bundle_create(
    session: Session,
    *,
    owner: str,
    name: str,
    listings: Sequence[str],
    discount_parts: int,
    key: str,
    at: float,
) -> BundleView:
    """Put listings together under a name.

    Raises:
        ListingTakenError: There is a bundle of this name.
        ListingNotFoundError: One of the listings does not exist.
        NotForSaleError: One of them is not for sale.
    """
    refuse_house(owner, "offer bundles")
    check_name(name, "bundle name")
    names = sorted(set(listings))
    if not 2 <= len(names) <= MAX_LISTINGS:
        raise InvalidInputError(
            f"a bundle has 2 to {MAX_LISTINGS} different listings, got {len(names)}: change it"
        )
    if type(discount_parts) is not int or not 0 <= discount_parts < PARTS:
        raise AmountError(
            f"discount_parts must be 0 to {PARTS - 1} millionths, got {discount_parts!r}: change it"
        )
    find_account(session, owner)
    body: dict[str, object] = {
        "owner": owner, "name": name, "listings": names, "discount_parts": discount_parts,
    }  # fmt: skip
    if claim(session, key=key, operation="bundle", body=body, at=at):
        if session.get(Bundle, name) is not None:
            raise ListingTakenError(f"bundle name {name!r} is taken: choose another")
        refuse_more(session, "bundle", owner)
        for listing in names:
            terms.on_sale(session, listing)
        session.add(Bundle(name=name, owner=owner, discount_parts=discount_parts, at=at, key=key))
        session.flush()
        session.add_all(BundlePart(bundle=name, listing=listing) for listing in names)
        session.flush()
    return bundle_view(session, name)


def bundle_buy(
    session: Session, *, buyer: str, bundle: str, key: str, max_price_nanos: int | None, at: float
) -> list[PurchaseView]:
    """Buy every listing of a bundle that the buyer does not own, or none of them.

    Raises:
        TradeNotFoundError: There is no such bundle.
        NotForSaleError: One of its listings is not for sale any more.
        AlreadyOwnedError: The buyer owns all of them.
        PriceAboveLimitError: Together they cost more than `max_price_nanos`.
    """
    refuse_house(buyer, "buy")
    check_text(key, "key", min_chars=1, max_chars=MAX_KEY_CHARS)
    account = find_account(session, buyer)
    row = _row(session, bundle)
    body: dict[str, object] = {"buyer": buyer, "bundle": bundle}
    if not claim(session, key=key, operation="bundle-buy", body=body, at=at):
        keys = queries.keys_of_group(session, key)
        return [replace(made(session, one), replayed=True) for one in keys]
    principal = principal_of(buyer)
    wanted = [
        view
        for name in noticeboard.bundle_listings(session, bundle)
        if not _has(session, principal, view := terms.on_sale(session, name))
    ]
    if not wanted:
        raise AlreadyOwnedError(f"{principal!r} owns every listing of bundle {bundle!r} already")
    prices = _prices(session, row, wanted)
    refuse_price(account, f"bundle {bundle!r}", sum(prices), max_price_nanos)
    purchases = []
    with linked(session):
        for view, price_nanos in zip(wanted, prices, strict=True):
            own_key = queries.free_key(session, f"{key}/{view.name}"[:200])
            part: dict[str, object] = {"buyer": buyer, "listing": view.name, "bundle": bundle}
            claim(session, key=own_key, operation="buy", body=part, at=at)
            payment = sale(session, account, principal, view, price_nanos)
            number, division = settle(session, payment, key=own_key, at=at, group_key=key)
            note_purchase(session, number, payment, division)
            purchases.append(made(session, own_key))
    return purchases


def bundle_view(session: Session, name: str) -> BundleView:
    """The bundle of this name at the running prices.

    Raises:
        TradeNotFoundError: There is none.
    """
    row = _row(session, name)
    names = noticeboard.bundle_listings(session, name)
    views = catalogue.listing_views(session, names)
    return BundleView(
        name=row.name,
        owner=row.owner,
        listings=tuple(names),
        discount_parts=row.discount_parts,
        price_nanos=sum(_prices(session, row, views)),
        at=row.at,
    )


def bundle_views(
    session: Session, *, after: str = "", limit: int | None = None
) -> list[BundleView]:
    """Bundles by name, those behind a name, so many."""
    names = noticeboard.bundle_names(session, after, limit)
    return [bundle_view(session, name) for name in names]


def _row(session: Session, name: str) -> Bundle:
    row = session.get(Bundle, name)
    if row is None:
        raise TradeNotFoundError(f"bundle {name!r} does not exist: see the list of bundles")
    return row


def _has(session: Session, principal: str, view: ListingView) -> bool:
    is_own = principal_of(view.owner) == principal
    return is_own or queries.purchase(session, principal, view.name) is not None


def _prices(session: Session, bundle: Bundle, views: Sequence[ListingView]) -> list[int]:
    """The running prices, less the discount on the bundler's own listings.

    What is discounted costs a day's rent at least, for which alone files are handed out.
    """
    set_by_owner = noticeboard.latest_terms(session, [view.name for view in views])
    prices = []
    for view in views:
        price_nanos = view.price_nanos
        if speaks_for(bundle.owner, view.owner):
            discounted = -(-price_nanos * (PARTS - bundle.discount_parts) // PARTS)
            floor = terms.terms_from(view, set_by_owner.get(view.name)).trial_nanos
            price_nanos = min(price_nanos, max(floor, discounted))
        prices.append(price_nanos)
    return prices
