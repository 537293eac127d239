"""The rows of what people put up for others to see: terms, bundles, bounties, offers, reviews.

None of these moves credits by itself. Rows are only added; the newest one of a kind applies.
"""

from typing import Any, ClassVar

from sqlalchemy import BigInteger, CheckConstraint, Index
from sqlmodel import Field

from marketplace.database.tables import MarketTable, RowNumber
from marketplace.trade.records import transfer_key


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


class Bounty(MarketTable, table=True):
    """A reward held for the first layer that scores enough on an exam."""

    __tablename__: ClassVar[str] = "bounty"

    hold_id: int = transfer_key()
    sponsor: str = Field(foreign_key="account.name")
    principal: str = Field(foreign_key="account.name")
    skill: str = Field(index=True)
    base_model: str
    exam: str
    min_questions: int = Field(sa_type=BigInteger)
    min_accuracy_parts: int = Field(sa_type=BigInteger)
    reward_nanos: int = Field(sa_type=BigInteger)
    opened_at: float
    ends_at: float


class BountyAward(MarketTable, table=True):
    """The listing that earned a bounty, and the exam that says so."""

    __tablename__: ClassVar[str] = "bounty_award"

    hold_id: int = Field(primary_key=True, foreign_key="bounty.hold_id", sa_type=BigInteger)
    listing: str = Field(foreign_key="listing.name")
    digest: str
    judge: str = Field(foreign_key="account.name")
    n_questions: int = Field(sa_type=BigInteger)
    n_correct: int = Field(sa_type=BigInteger)
    at: float


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


class ComputeOffer(MarketTable, table=True):
    """Somebody's machine time, priced per 1,000 units; what one uses, another cannot."""

    __tablename__: ClassVar[str] = "compute_offer"
    __table_args__: ClassVar[Any] = (
        CheckConstraint("ask_nanos > 0 AND capacity_units > 0", name="offer_is_positive"),
    )

    name: str = Field(primary_key=True)
    owner: str = Field(foreign_key="account.name", index=True)
    resource: str
    """inference or training."""
    ask_nanos: int = Field(sa_type=BigInteger)
    capacity_units: int = Field(sa_type=BigInteger)
    """Per epoch."""
    epoch: int = Field(foreign_key="epoch.number", sa_type=BigInteger)
    at: float
    key: str = Field(foreign_key="request.key", unique=True)


class ComputeUse(MarketTable, table=True):
    """Units of an offer that were paid for in an epoch, at that epoch's rate."""

    __tablename__: ClassVar[str] = "compute_use"
    __table_args__: ClassVar[Any] = (Index("compute_use_by_offer", "offer", "epoch"),)

    transfer_id: int = transfer_key()
    offer: str = Field(foreign_key="compute_offer.name")
    user: str = Field(foreign_key="account.name")
    epoch: int = Field(foreign_key="epoch.number", sa_type=BigInteger)
    units: int = Field(sa_type=BigInteger)
    rate_nanos: int = Field(sa_type=BigInteger)
    """Per 1,000 units, surplus included."""


class SearchMiss(MarketTable, table=True):
    """A day on which an account searched for a skill and found nothing it could use."""

    __tablename__: ClassVar[str] = "search_miss"

    account: str = Field(primary_key=True, foreign_key="account.name")
    skill: str = Field(primary_key=True)
    day: int = Field(primary_key=True, index=True, sa_type=BigInteger)
    """Whole days since 1970."""
