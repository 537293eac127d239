"""What is for sale, on which evidence, and who bought it.

A listing is one layer, known by its digest, under one name; both are unique in the market,
so an exact copy cannot be sold beside the original. Rows never change: the moving price is a
row per epoch in `marketplace.epoch`.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

from sqlalchemy import BigInteger, CheckConstraint, UniqueConstraint
from sqlmodel import Field

from marketplace.errors import ReceiptError
from marketplace.names import check_name
from marketplace.tables import MarketTable

PRICED_SPLITS = ("audit", "test")
"""Splits nothing was trained or selected on; only these can carry a price."""
MAX_QUESTIONS = 10**9


class Listing(MarketTable, table=True):
    """One layer for sale."""

    __tablename__: ClassVar[str] = "listing"

    name: str = Field(primary_key=True)
    owner: str = Field(foreign_key="account.name", index=True)
    digest: str = Field(unique=True)
    base_model: str
    niche: str
    description: str
    ask_nanos: int = Field(sa_type=BigInteger)
    published_at: float
    key: str = Field(foreign_key="request.key", unique=True)


class Receipt(MarketTable, table=True):
    """The exam result a listing was published with."""

    __tablename__: ClassVar[str] = "receipt"
    __table_args__ = (
        CheckConstraint(
            "n_correct BETWEEN 0 AND n_questions AND n_base_correct BETWEEN 0 AND n_questions",
            name="no_more_right_than_asked",
        ),
    )

    listing: str = Field(primary_key=True, foreign_key="listing.name")
    skill: str
    split: str
    n_questions: int = Field(sa_type=BigInteger)
    n_correct: int = Field(sa_type=BigInteger)
    n_base_correct: int = Field(sa_type=BigInteger)


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
class ReceiptFacts:
    """What a layer, and its base model alone, scored on the same questions.

    Raises:
        ReceiptError: The numbers cannot be true, or the split cannot carry a price.
    """

    skill: str
    n_questions: int
    n_correct: int
    n_base_correct: int
    split: str = "test"

    def __post_init__(self) -> None:
        check_name(self.skill, "skill")
        if self.split not in PRICED_SPLITS:
            raise ReceiptError(
                f"a price rests on questions from {' or '.join(PRICED_SPLITS)},"
                f" got split {self.split!r}: examine the layer again on one of these"
            )
        _check_count("n_questions", self.n_questions, 1, MAX_QUESTIONS)
        _check_count("n_correct", self.n_correct, 0, self.n_questions)
        _check_count("n_base_correct", self.n_base_correct, 0, self.n_questions)


@dataclass(frozen=True, slots=True)
class ListingView:
    """A listing as others see it, at its price of the running epoch."""

    name: str
    owner: str
    digest: str
    base_model: str
    niche: str
    description: str
    price_nanos: int
    ask_nanos: int
    reputation: float
    """Lower bound of the proven success rate, in [0, 1]."""
    n_questions: int
    accuracy: float
    base_accuracy: float
    sales: int
    skill: str
    split: str
    n_correct: int
    n_base_correct: int
    log_premium: float
    """Demand term x of the price; 0 means none."""
    published_at: float


@dataclass(frozen=True, slots=True)
class PurchaseView:
    """A purchase as its buyer sees it."""

    buyer: str
    listing: str
    digest: str
    price_nanos: int
    fee_nanos: int
    creator_nanos: int
    key: str
    replayed: bool
    """True when the key had already taken effect and nothing moved this time."""
    at: float


def _check_count(what: str, value: object, low: int, high: int) -> None:
    if type(value) is not int or not low <= value <= high:
        raise ReceiptError(
            f"{what} must be a whole number from {low} to {high}, got {value!r}: count again"
        )
