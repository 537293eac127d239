"""What may be sold at this moment, on which terms, and who is paid for it.

A seller sets the price of owning a layer. Renting and metered use cost a share of that running
price, in millionths, so that quality and demand move them too:

    rent per day         = price * rent_day_parts / 1 000 000     usual: 5 %
    rate per 1,000 units = price * use_parts      / 1 000 000     usual: 0.01 %

A unit is one token generated, or one call where tokens are not counted.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar, NamedTuple

from sqlalchemy import BigInteger, CheckConstraint, exists, func
from sqlalchemy import select as columns
from sqlmodel import Field, Session, col, select

from marketplace.database.sql import (
    MarketTable,
    RowNumber,
    Statement,
    alike,
    ask,
    one_of,
    put,
    table_of,
)
from marketplace.errors import AmountError, NotOfferedError, NotOwnerError
from marketplace.fields import Actor, ListingName, Nanos, Parts
from marketplace.formula.price import PARTS
from marketplace.formula.royalty import Share
from marketplace.ledger.epoch import Epoch, PriceRow
from marketplace.ledger.operation import Operation
from marketplace.listing import catalogue
from marketplace.listing.listing import (
    LISTED,
    Listing,
    ListingView,
    StatusEvent,
    Version,
    VersionParent,
)
from marketplace.listing.parents import shares_of
from marketplace.listing.rows import priced
from marketplace.money import INT64_MAX, check_amount
from marketplace.trade.settlement import Part


class Terms(MarketTable, table=True):
    """How a listing may be paid for other than by buying it."""

    __tablename__: ClassVar[str] = "terms"
    __table_args__: ClassVar[Any] = (
        CheckConstraint("rent_day_parts >= 0 AND use_parts >= 0", name="terms_are_not_negative"),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=RowNumber)
    listing: str = Field(foreign_key="listing.name", index=True)
    rent_day_parts: int = Field(sa_type=BigInteger)
    use_parts: int = Field(sa_type=BigInteger)
    subscribable: bool
    at: float
    key: str = Field(foreign_key="request.key", unique=True)


class Shares(NamedTuple):
    """What a seller set."""

    rent_day_parts: int
    """Rent per day, in millionths of the price; 0 = not for rent."""
    use_parts: int
    """Rate per 1,000 units, in millionths of the price; 0 = no metered use."""
    subscribable: bool


class Goods(NamedTuple):
    """A listing as somebody pays for its use."""

    name: str
    owner: str
    digest: str
    price_nanos: int
    status: str
    epoch: int
    is_bred: bool
    """Whether it has parents, which may share in what it earns."""
    terms: Shares | None
    """What the seller set; None = the usual terms."""


_LATEST = Statement(
    select(
        col(Terms.listing), col(Terms.rent_day_parts), col(Terms.use_parts), col(Terms.subscribable)
    ).where(
        col(Terms.id).in_(
            select(func.max(Terms.id))
            .where(one_of(Terms.listing, "names"))
            .group_by(col(Terms.listing))
        )
    )
)

RENT_DAY_PARTS = 50_000
"""Usual rent: renting for 20 days costs as much as owning."""
USE_PARTS = 100
"""Usual rate: ten million tokens cost as much as owning."""
UNITS_PER_RATE = 1_000
MIN_CHARGE_NANOS = 10
"""Ten fee units: below, the rounded-up fee would take more than a tenth."""


@dataclass(frozen=True, slots=True)
class TermsView:
    """How a listing may be paid for besides buying it."""

    listing: str
    price_nanos: Nanos
    """For owning it."""
    rent_day_nanos: Nanos | None
    """None = not for rent."""
    use_rate_nanos: Nanos | None
    """Per 1,000 units; None = no metered use."""
    subscribable: bool

    @property
    def trial_nanos(self) -> int:
        """The least that files are handed out for, and what a trial costs whatever comes out of
        it: a day's rent, at most the usual one."""
        usual = _share(self.price_nanos, RENT_DAY_PARTS)
        assert usual is not None
        rent = usual if self.rent_day_nanos is None else self.rent_day_nanos
        return max(MIN_CHARGE_NANOS, min(usual, rent))


@dataclass(frozen=True, slots=True, kw_only=True)
class SetTerms(Operation[TermsView]):
    """Set how one's own listing may be paid for; If-Match is optional: the last word counts.

    Rights already paid for stay as they are.

    Raises:
        NotOwnerError: The listing belongs to somebody else.
        AmountError: A share is negative or above the whole price.
    """

    OPERATION: ClassVar[str] = "terms"

    owner: Actor
    listing: ListingName
    rent_day_parts: Parts = RENT_DAY_PARTS
    """Rent per day in millionths of the price; 0 = not for rent."""
    use_parts: Parts = USE_PARTS
    """Rate per 1,000 units in millionths of the price; 0 = no metered use."""
    subscribable: bool = True

    def check(self) -> None:
        """Refuse shares that are none."""
        for what in ("rent_day_parts", "use_parts"):
            parts = getattr(self, what)
            if type(parts) is not int or not 0 <= parts <= PARTS:
                raise AmountError(
                    f"{what} must be 0 to {PARTS} millionths of the price, got {parts!r}:"
                    " 0 = not offered"
                )

    def do(self, session: Session, at: float) -> None:
        """Note the new terms."""
        view = catalogue.listing_view(session, self.listing)
        if view.owner != self.owner:
            raise NotOwnerError(
                f"listing {self.listing!r} belongs to {view.owner!r}, not to {self.owner!r}:"
                " set terms for your own"
            )
        put(session, alike(Terms, self, at=at))

    def done(self, session: Session, at: float) -> TermsView:
        """The terms that apply now."""
        return terms_of(session, self.listing)


def terms_of(session: Session, listing: ListingName) -> TermsView:
    """What the listing costs to own, to rent and to use.

    Raises:
        ListingNotFoundError: There is none.
    """
    return terms_view(session, catalogue.listing_view(session, listing))


def terms_view(session: Session, view: ListingView) -> TermsView:
    """The terms that apply to a listing now."""
    return terms_from(view, latest_terms(session, [view.name]).get(view.name))


def terms_from(view: ListingView | Goods, terms: Shares | None) -> TermsView:
    """A listing's terms at its running price; None = the usual ones."""
    rent = RENT_DAY_PARTS if terms is None else terms.rent_day_parts
    use = USE_PARTS if terms is None else terms.use_parts
    return TermsView(
        listing=view.name,
        price_nanos=view.price_nanos,
        rent_day_nanos=_share(view.price_nanos, rent),
        use_rate_nanos=_share(view.price_nanos, use),
        subscribable=terms is None or terms.subscribable,
    )


def offered(rate_nanos: int | None, listing: str, what: str) -> int:
    """The rate itself, when the seller offers that way of paying.

    Raises:
        NotOfferedError: The seller does not.
    """
    if rate_nanos is None:
        raise NotOfferedError(f"listing {listing!r} is not offered {what}: buy it instead")
    return rate_nanos


def cost_nanos(units: int, rate_nanos: int) -> int:
    """Price of some units at a rate per 1,000, rounded up to a whole nano-credit."""
    exact = -(-check_amount(units, "units") * rate_nanos // UNITS_PER_RATE)
    return check_amount(max(MIN_CHARGE_NANOS, exact), "charge")


def on_sale(session: Session, listing: str) -> ListingView:
    """The listing, when it may be sold now.

    Raises:
        ListingNotFoundError: There is none of this name.
        NotForSaleError: It was withdrawn, quarantined or revoked.
    """
    view = catalogue.listing_view(session, listing)
    catalogue.refuse_unsold(view.name, view.status)
    return view


def part(session: Session, view: ListingView) -> Part:
    """The listing's place in a payment: its seller, and the ancestors' shares."""
    return parts(session, [view])[view.name]


def parts(session: Session, views: Sequence[ListingView]) -> dict[str, Part]:
    """Each listing's place in a payment, by name."""
    shares = shares_of(session, {view.digest: view.owner for view in views if view.parents})
    return {view.name: part_from(view, shares) for view in views}


def part_from(view: ListingView | Goods, shares: Mapping[str, tuple[Share, ...]]) -> Part:
    """The listing's place in a payment, with the shares of bred layers by digest."""
    return Part(source=view.name, seller=view.owner, shares=shares.get(view.digest, ()))


def _share(price_nanos: int, parts: int) -> int | None:
    if parts == 0:
        return None
    return min(INT64_MAX, max(1, -(-price_nanos * parts // PARTS)))


def goods(session: Session, names: Collection[str]) -> dict[str, Goods]:
    """The listings of these names that exist, by name."""
    found = {}
    for row in ask(session, _goods(), names=names):
        name, owner, digest, price_nanos, status, epoch, is_bred = row[:7]
        rent_day_parts, use_parts, subscribable = row[7:]
        terms = None
        if rent_day_parts is not None:
            terms = Shares(rent_day_parts, use_parts, bool(subscribable))
        found[name] = Goods(name, owner, digest, price_nanos, status, epoch, bool(is_bred), terms)
    return found


@lru_cache
def _goods() -> Statement:
    newest = (
        select(func.max(Terms.id))
        .where(col(Terms.listing) == col(Listing.name))
        .correlate(Listing)
        .scalar_subquery()
    )
    return Statement(
        columns(
            col(Listing.name),
            col(Listing.owner),
            col(Version.digest),
            col(PriceRow.price_nanos),
            func.coalesce(StatusEvent.status, LISTED),
            col(Epoch.number),
            exists().where(col(VersionParent.child) == col(Version.digest)),
            col(Terms.rent_day_parts),
            col(Terms.use_parts),
            col(Terms.subscribable),
        )
        .select_from(priced().outerjoin(table_of(Terms), col(Terms.id) == newest))
        .where(one_of(Listing.name, "names"))
    )


def latest_terms(session: Session, listings: Collection[str]) -> dict[str, Shares]:
    """The terms that apply to each of these listings; those without have the usual ones."""
    found = ask(session, _LATEST, names=listings)
    return {
        listing: Shares(rent, use, bool(subscribable)) for listing, rent, use, subscribable in found
    }
