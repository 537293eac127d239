"""Reviews: only who paid may rate, and a rating counts uses instead of stars.

A review states how many uses helped and how many did not, for the version its writer uses. The
newest one per reviewer and version counts. A large number buys no weight: reputation lets one
reviewer contribute a few uses at most, weighted by trust (R3, R4).
"""

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import pydantic
from sqlalchemy import BigInteger, CheckConstraint, Index, func
from sqlmodel import Field, Session, col, select

from marketplace.database.sql import MarketTable, RowNumber, alike, put
from marketplace.errors import InvalidInputError, OwnLayerError, UnpaidReviewError
from marketplace.fields import Actor, Count, ListingName
from marketplace.ledger.account import principal_of, refuse_house
from marketplace.ledger.operation import Operation
from marketplace.ledger.statement import find_account
from marketplace.listing import catalogue
from marketplace.names import check_text
from marketplace.trade.incomes import has_paid_use


class Review(MarketTable, table=True):
    """What a paying user counted: uses that helped and uses that did not."""

    __tablename__: ClassVar[str] = "review"
    __table_args__: ClassVar[Any] = (
        CheckConstraint("n_good >= 0 AND n_bad >= 0 AND n_good + n_bad > 0", name="review_counts"),
        Index("review_by_listing", "listing", "reviewer"),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=RowNumber)
    reviewer: str = Field(foreign_key="account.name")
    listing: str = Field(foreign_key="listing.name")
    digest: str
    n_good: int = Field(sa_type=BigInteger)
    n_bad: int = Field(sa_type=BigInteger)
    text: str
    at: float
    key: str = Field(foreign_key="request.key", unique=True)


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
    text: Annotated[str, pydantic.Field(max_length=MAX_TEXT_CHARS)] = ""

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
        if not has_paid_use(session, principal, self.listing):
            raise UnpaidReviewError(
                f"{principal!r} has no settled use of listing {self.listing!r}:"
                " buy, rent or use it first"
            )
        put(session, alike(Review, self, reviewer=principal, digest=view.digest, at=at))

    def done(self, session: Session, at: float) -> ReviewView:
        """The review that the key wrote."""
        return _view(session.exec(select(Review).where(Review.key == self.key)).one())


def review_views(session: Session, listing: str) -> list[ReviewView]:
    """Every reviewer's newest review of each version, oldest first."""
    catalogue.listing_view(session, listing)
    return [_view(row) for row in latest_reviews(session, listing)]


def _check_counts(n_good: object, n_bad: object) -> None:
    for what, count in (("n_good", n_good), ("n_bad", n_bad)):
        if type(count) is not int or not 0 <= count <= MAX_USES:
            raise InvalidInputError(
                f"{what} must be a whole number from 0 to {MAX_USES}, got {count!r}: count again"
            )
    if n_good == n_bad == 0:
        raise InvalidInputError("a review must count at least one use: n_good + n_bad > 0")


def _view(row: Review) -> ReviewView:
    return alike(ReviewView, row, review=row.id)


def latest_reviews(session: Session, listing: str | None = None) -> list[Review]:
    """Each reviewer's newest review of each layer, oldest first."""
    newest = select(func.max(Review.id)).group_by(col(Review.reviewer), col(Review.digest))
    query = select(Review).where(col(Review.id).in_(newest)).order_by(col(Review.id))
    if listing is not None:
        query = query.where(Review.listing == listing)
    return list(session.exec(query))
