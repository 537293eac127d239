"""What is for sale: a listing, its versions, and how others see it.

A listing is a name and an owner for good; what it sells is its newest version. A version is one
layer, known by its digest, which is unique in the market: an exact copy cannot be sold beside
the original. Rows never change. The moving price is a row per epoch in `marketplace.ledger.epoch`,
the evidence is in `marketplace.receipt`. What a search asks for and gives back stands here too:
plain data, so that asking loads no numpy.

What befell a version since it was published, and whose verdicts bind:

    listed ──withdraw (owner)──> withdrawn ──relist (owner)──> listed
    listed, withdrawn ──quarantine (evaluator)──> quarantined ──release (evaluator)──> listed
    any but revoked ──revoke (evaluator; owner, of what nobody paid for)──> revoked, for good

Only a listed version is sold. Who bought a withdrawn one keeps it; a quarantined or revoked one
must not be used either. Rows are only added; the last one of a version holds, and a version
without any is listed.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

from sqlalchemy import BigInteger, CheckConstraint, ForeignKeyConstraint, Index, LargeBinary, true
from sqlmodel import Field, Session

from marketplace.database.sql import MarketTable, RowNumber
from marketplace.fields import Nanos
from marketplace.names import PLATFORM

PAGE_SIZE = 20
MAX_PAGE_SIZE = 100
LISTED, WITHDRAWN, QUARANTINED, REVOKED = "listed", "withdrawn", "quarantined", "revoked"
UNUSABLE = (QUARANTINED, REVOKED)
"""Statuses under which even a buyer may not use the layer."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Conditions; all that are given must hold."""

    base_model: str | None = None
    niche: str | None = None
    owner: str | None = None
    licences: tuple[str, ...] = ()
    """Any of these, exactly as stated."""
    commercial: bool = False
    """Only where commercial use is not forbidden."""
    tags: tuple[str, ...] = ()
    """All of these."""
    max_price_nanos: Nanos | None = None
    min_reputation: float = 0.0


class StatusEvent(MarketTable, table=True):
    """One change of status of one version."""

    __tablename__: ClassVar[str] = "status_event"
    __table_args__: ClassVar[Any] = (
        ForeignKeyConstraint(["listing", "number"], ["version.listing", "version.number"]),
        Index("status_event_of", "listing", "number"),
        {"sqlite_autoincrement": True},
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=RowNumber)
    listing: str
    number: int = Field(sa_type=BigInteger)
    status: str
    reason: str
    by: str = Field(foreign_key="account.name")
    at: float
    key: str | None = Field(default=None, foreign_key="request.key")
    """The request that asked for it; None for a consequence, such as of a failed re-run."""


class Evaluator(MarketTable, table=True):
    """An account whose re-runs and verdicts bind, besides the platform's own."""

    __tablename__: ClassVar[str] = "evaluator"

    account: str = Field(primary_key=True, foreign_key="account.name")
    appointed_at: float


class Listing(MarketTable, table=True):
    """A name in the market; base model and niche are the same for all its versions."""

    __tablename__: ClassVar[str] = "listing"

    name: str = Field(primary_key=True)
    owner: str = Field(foreign_key="account.name", index=True)
    base_model: str
    niche: str
    published_at: float
    key: str = Field(foreign_key="request.key", unique=True)


class Version(MarketTable, table=True):
    """One layer under a listing's name; the highest number is the one for sale."""

    __tablename__: ClassVar[str] = "version"
    __table_args__: ClassVar[Any] = (CheckConstraint("ask_nanos > 0", name="ask_is_positive"),)

    listing: str = Field(primary_key=True, foreign_key="listing.name")
    number: int = Field(primary_key=True, sa_type=BigInteger)
    digest: str = Field(unique=True)
    description: str
    licence: str = ""
    """SPDX expression; empty = none was stated."""
    tags: str = ""
    """Words with a space between, sorted."""
    ask_nanos: int = Field(sa_type=BigInteger)
    near_of: str | None = Field(default=None, foreign_key="listing.name", index=True)
    """The elder listing whose update it repeats or contains without being better."""
    is_repeat: bool = Field(default=True, sa_column_kwargs={"server_default": true()})
    """Whether it repeats that update and nothing else; False = it contains it."""
    sketch: bytes = Field(default=b"", sa_type=LargeBinary)
    """`marketplace.listing.similarity.sketch` of its update; empty = unknown."""
    creator: str = ""
    """Public key that signed its manifest, 64 hex digits; empty = unsigned."""
    release: str = ""
    """Version its manifest states, such as 1.0.0; empty = none."""
    published_at: float
    key: str = Field(foreign_key="request.key", unique=True)


class VersionParent(MarketTable, table=True):
    """A layer that a version was made from, itself in the market."""

    __tablename__: ClassVar[str] = "version_parent"
    __table_args__: ClassVar[Any] = (
        CheckConstraint("weight > 0", name="parent_contributed"),
        Index("version_parent_of", "parent"),
    )

    child: str = Field(primary_key=True, foreign_key="version.digest")
    parent: str = Field(primary_key=True, foreign_key="version.digest")
    weight: int = Field(default=1, sa_type=BigInteger)
    """Contribution relative to the other parents."""


@dataclass(frozen=True, slots=True)
class ListingView:
    """A listing as others see it: its newest version at its price of the running epoch."""

    name: str
    owner: str
    digest: str
    base_model: str
    niche: str
    description: str
    price_nanos: Nanos
    ask_nanos: Nanos
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
    version: int = 1
    licence: str = ""
    tags: tuple[str, ...] = ()
    parents: tuple[str, ...] = ()
    """Names of the listings it was made from."""
    near_of: str | None = None
    """The elder listing it nearly repeats; it ranks below that one."""
    status: str = LISTED
    exam: str = "standard"

    @property
    def lift(self) -> float:
        """Accuracy gained over the base model on the headline exam."""
        return self.accuracy - self.base_accuracy


@dataclass(frozen=True, slots=True)
class VersionView:
    """One version of a listing, sold now or before."""

    listing: str
    number: int
    digest: str
    description: str
    licence: str
    tags: tuple[str, ...]
    ask_nanos: Nanos
    parents: tuple[str, ...]
    """Digests of the layers it was made from."""
    near_of: str | None
    creator: str
    release: str
    status: str
    published_at: float


@dataclass(frozen=True, slots=True)
class SearchPage:
    """Some of what was found."""

    listings: tuple[ListingView, ...]
    total: int
    """How many were found in all."""
    next: str | None
    """Cursor of the next page; None after the last."""


def is_evaluator(session: Session, account: str) -> bool:
    """Whether the account's verdicts bind; the platform's always do."""
    return account == PLATFORM or session.get(Evaluator, account) is not None
