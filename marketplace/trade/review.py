"""Reviews: only who paid may rate, and a rating counts uses instead of stars.

A review states how many uses helped and how many did not, for the version its writer uses. The
newest one per reviewer and version counts. A large number buys no weight: reputation lets one
reviewer contribute a few uses at most, weighted by trust (R3, R4).
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import Field
from sqlmodel import Session, select

from marketplace.errors import InvalidInputError, OwnLayerError, UnpaidReviewError
from marketplace.fields import Actor, Count, ListingName
from marketplace.ledger.account import principal_of, refuse_house
from marketplace.ledger.operation import Operation
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


@dataclass(frozen=True, slots=True, kw_only=True)
class RateListing(Operation[ReviewView]):
    """Rate a listing after paid use.

    Raises:
        OwnLayerError: The reviewer published the layer.
        UnpaidReviewError: The reviewer never paid for it, or was paid back.
    """

    OPERATION: ClassVar[str] = "review"

    reviewer: Actor
    listing: ListingName
    n_good: Count
    """Uses that helped."""
    n_bad: Count
    text: Annotated[str, Field(max_length=MAX_TEXT_CHARS)] = ""

    def check(self) -> None:
        """Refuse the house, and counts that say nothing."""
        refuse_house(self.reviewer, "review")
        _check_counts(self.n_good, self.n_bad)
        check_text(self.text, "review", max_chars=MAX_TEXT_CHARS)

    def do(self, session: Session, at: float) -> None:
        """Rate the listing's newest version."""
        find_account(session, self.reviewer)
        view = catalogue.listing_view(session, self.listing)
        principal = principal_of(self.reviewer)
        if principal_of(view.owner) == principal:
            raise OwnLayerError(
                f"{principal!r} published listing {self.listing!r}: let users rate it"
            )
        if not queries.has_paid_use(session, principal, self.listing):
            raise UnpaidReviewError(
                f"{principal!r} has no settled use of listing {self.listing!r}:"
                " buy, rent or use it first"
            )
        session.add(
            Review(
                reviewer=principal,
                listing=self.listing,
                digest=view.digest,
                n_good=self.n_good,
                n_bad=self.n_bad,
                text=self.text,
                at=at,
                key=self.key,
            )
        )
        session.flush()

    def done(self, session: Session, at: float) -> ReviewView:
        """The review that the key wrote."""
        return _view(session.exec(select(Review).where(Review.key == self.key)).one())


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
