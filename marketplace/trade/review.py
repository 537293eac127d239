"""Reviews: only who paid may rate, and a rating counts uses instead of stars.

A review states how many uses helped and how many did not, for the version its writer uses. The
newest one per reviewer and version counts. A large number buys no weight: reputation lets one
reviewer contribute a few uses at most, weighted by trust (R3, R4).
"""

from dataclasses import dataclass

from sqlmodel import Session, select

from marketplace.errors import InvalidInputError, OwnLayerError, UnpaidReviewError
from marketplace.ledger.account import principal_of, refuse_house
from marketplace.ledger.idempotency import claim
from marketplace.ledger.statement import find_account
from marketplace.listing import catalogue
from marketplace.names import check_text
from marketplace.trade import noticeboard, queries
from marketplace.trade.notices import Review

MAX_USES = 10**6
MAX_TEXT_CHARS = 2000


@dataclass(frozen=True, slots=True)
class ReviewView:
    """A review as everybody sees it."""

    review: int
    reviewer: str
    listing: str
    digest: str
    """Of the version that was rated."""
    n_good: int
    n_bad: int
    text: str
    at: float


def review(
    session: Session,
    *,
    reviewer: str,
    listing: str,
    n_good: int,
    n_bad: int,
    text: str,
    key: str,
    at: float,
) -> ReviewView:
    """Rate the listing's newest version.

    Raises:
        OwnLayerError: The reviewer published the layer.
        UnpaidReviewError: The reviewer never paid for it, or was paid back.
    """
    refuse_house(reviewer, "review")
    _check_counts(n_good, n_bad)
    check_text(text, "review", max_chars=MAX_TEXT_CHARS)
    find_account(session, reviewer)
    body: dict[str, object] = {
        "reviewer": reviewer, "listing": listing, "n_good": n_good, "n_bad": n_bad, "text": text,
    }  # fmt: skip
    if claim(session, key=key, operation="review", body=body, at=at):
        view = catalogue.listing_view(session, listing)
        principal = principal_of(reviewer)
        if principal_of(view.owner) == principal:
            raise OwnLayerError(f"{principal!r} published listing {listing!r}: let users rate it")
        if not queries.has_paid_use(session, principal, listing):
            raise UnpaidReviewError(
                f"{principal!r} has no settled use of listing {listing!r}:"
                " buy, rent or use it first"
            )
        session.add(
            Review(
                reviewer=principal,
                listing=listing,
                digest=view.digest,
                n_good=n_good,
                n_bad=n_bad,
                text=text,
                at=at,
                key=key,
            )
        )
        session.flush()
    return _view(session.exec(select(Review).where(Review.key == key)).one())


def review_views(session: Session, listing: str) -> list[ReviewView]:
    """Every reviewer's newest review of each version, oldest first."""
    catalogue.listing_view(session, listing)
    return [_view(row) for row in noticeboard.latest_reviews(session, listing)]


def _check_counts(n_good: object, n_bad: object) -> None:
    for what, count in (("n_good", n_good), ("n_bad", n_bad)):
        if type(count) is not int or not 0 <= count <= MAX_USES:
            raise InvalidInputError(
                f"{what} must be a whole number from 0 to {MAX_USES}, got {count!r}: count again"
            )
    if n_good == n_bad == 0:
        raise InvalidInputError("a review must count at least one use: n_good + n_bad > 0")


def _view(row: Review) -> ReviewView:
    assert row.id is not None
    return ReviewView(
        row.id, row.reviewer, row.listing, row.digest, row.n_good, row.n_bad, row.text, row.at
    )
