"""SQL questions about what is put up for others to see: terms, reviews, bundles, offers."""

from collections.abc import Collection
from typing import NamedTuple

from sqlalchemy import func
from sqlmodel import Session, col, select

from marketplace.database.statement import Question, ask, one_of
from marketplace.trade.notices import (
    Bundle,
    BundlePart,
    ComputeOffer,
    ComputeUse,
    Review,
    Terms,
)


class SetTerms(NamedTuple):
    """What a seller set."""

    rent_day_parts: int
    """Rent per day, in millionths of the price; 0 = not for rent."""
    use_parts: int
    """Rate per 1,000 units, in millionths of the price; 0 = no metered use."""
    subscribable: bool


_TERMS = Question(
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


def latest_terms(session: Session, listings: Collection[str]) -> dict[str, SetTerms]:
    """The terms that apply to each of these listings; those without have the usual ones."""
    found = ask(session, _TERMS, names=listings)
    return {
        listing: SetTerms(rent, use, bool(subscribable))
        for listing, rent, use, subscribable in found
    }


def latest_reviews(session: Session, listing: str | None = None) -> list[Review]:
    """Each reviewer's newest review of each layer, oldest first."""
    newest = select(func.max(Review.id)).group_by(col(Review.reviewer), col(Review.digest))
    query = select(Review).where(col(Review.id).in_(newest)).order_by(col(Review.id))
    if listing is not None:
        query = query.where(Review.listing == listing)
    return list(session.exec(query))


def bundle_names(session: Session, after: str = "", limit: int | None = None) -> list[str]:
    """Names of bundles in order, those behind a name, so many."""
    query = select(Bundle.name).where(col(Bundle.name) > after).order_by(col(Bundle.name))
    return list(session.exec(query.limit(limit)))


def bundle_listings(session: Session, bundle: str) -> list[str]:
    """Names of the listings of a bundle."""
    query = select(BundlePart.listing).where(BundlePart.bundle == bundle)
    return list(session.exec(query.order_by(col(BundlePart.listing))))


def offer_names(session: Session, after: str = "", limit: int | None = None) -> list[str]:
    """Names of offers of computing time in order, those behind a name, so many."""
    name = col(ComputeOffer.name)
    query = select(ComputeOffer.name).where(name > after).order_by(name)
    return list(session.exec(query.limit(limit)))


def computed_units(session: Session, offer: str) -> dict[int, int]:
    """Units of an offer sold in each epoch."""
    query = (
        select(ComputeUse.epoch, func.sum(ComputeUse.units))
        .where(ComputeUse.offer == offer)
        .group_by(col(ComputeUse.epoch))
    )
    return {epoch: int(units) for epoch, units in session.exec(query)}
