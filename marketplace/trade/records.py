"""The rows behind payments and the rights they buy; all of them are only ever added.

A payment is one `settlement` row, numbered like its transfer, with one `income` row per listing
and payee. Rights that run out, such as a rental, carry their end; nothing has to be deleted.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

from sqlalchemy import BigInteger, CheckConstraint, Index, UniqueConstraint
from sqlmodel import Field

from marketplace.database.tables import MarketTable

SELLER, ROYALTY = "seller", "royalty"
"""Roles of a payee: of the listing itself, or of a layer it was bred from."""


def transfer_key() -> Any:
    """A primary key that is the number of a transfer."""
    return Field(primary_key=True, foreign_key="transfer.id", sa_type=BigInteger)


class Settlement(MarketTable, table=True):
    """One payment for layers or computing time that has moved for good."""

    __tablename__: ClassVar[str] = "settlement"
    __table_args__: ClassVar[Any] = (
        CheckConstraint("gross_nanos > 0", name="somebody_paid"),
        CheckConstraint(  # gross + 9 could pass 64 bits
            "fee_nanos = gross_nanos / 10 + CASE WHEN gross_nanos % 10 > 0 THEN 1 ELSE 0 END",
            name="fee_is_a_tenth_rounded_up",
        ),
        Index("settlement_by_time", "at"),
        Index("settlement_by_principal", "principal"),
    )

    transfer_id: int = transfer_key()
    way: str
    """sale, rent, meter, usage, subscription, bounty or compute."""
    payer: str = Field(foreign_key="account.name")
    principal: str = Field(foreign_key="account.name")
    """Who stands behind the payer: the owner of a mandate, else the payer itself."""
    epoch: int = Field(foreign_key="epoch.number", index=True, sa_type=BigInteger)
    gross_nanos: int = Field(sa_type=BigInteger)
    """What was divided; a surplus for scarce computing time comes on top."""
    fee_nanos: int = Field(sa_type=BigInteger)
    surplus_nanos: int = Field(default=0, sa_type=BigInteger)
    """Paid above the ask for a scarce resource; the platform's, so that nobody gains by faking
    scarcity."""
    at: float


class Income(MarketTable, table=True):
    """What one listing brought one payee in one payment."""

    __tablename__: ClassVar[str] = "income"
    __table_args__: ClassVar[Any] = (
        CheckConstraint("amount_nanos > 0", name="income_is_positive"),
        Index("income_by_account", "account", "transfer_id"),
    )

    transfer_id: int = Field(
        primary_key=True, foreign_key="settlement.transfer_id", sa_type=BigInteger
    )
    source: str = Field(primary_key=True, index=True)
    """Name of the listing that was paid for, or of the offer of computing time."""
    account: str = Field(primary_key=True, foreign_key="account.name")
    role: str = Field(primary_key=True)
    amount_nanos: int = Field(sa_type=BigInteger)


@dataclass(frozen=True, slots=True)
class IncomeView:
    """What one payment for one listing brought an account."""

    transfer_id: int
    at: float
    way: str
    """sale, rent, meter, usage, subscription, bounty or compute."""
    listing: str
    """What was paid for; of computing time, the offer."""
    role: str
    """seller, or royalty for a layer that was bred from the account's."""
    amount_nanos: int


class SaleReturn(MarketTable, table=True):
    """A payment that was given back: what it bought has ended."""

    __tablename__: ClassVar[str] = "sale_return"

    sale_id: int = transfer_key()
    refund_id: int = Field(foreign_key="transfer.id", unique=True, sa_type=BigInteger)
    reason: str
    at: float


class Debt(MarketTable, table=True):
    """Who could not give back at once what was received in a payment that is being given back.

    Refunds of the payment pay it off; when all of it is back there is a `sale_return`.
    """

    __tablename__: ClassVar[str] = "debt"
    __table_args__: ClassVar[Any] = (CheckConstraint("amount_nanos > 0", name="something_is_owed"),)

    transfer_id: int = transfer_key()
    debtor: str = Field(primary_key=True, foreign_key="account.name", index=True)
    """Whoever stands behind the account that received it."""
    creditor: str = Field(foreign_key="account.name")
    """The account that paid."""
    listing: str
    """What was paid for."""
    amount_nanos: int = Field(sa_type=BigInteger)
    """All that was claimed from this debtor, paid by now or not."""
    reason: str
    at: float


class Rental(MarketTable, table=True):
    """The right to use a listing during a stretch of time, paid in advance."""

    __tablename__: ClassVar[str] = "rental"
    __table_args__: ClassVar[Any] = (
        CheckConstraint("ends_at > starts_at", name="rental_lasts"),
        Index("rental_by_renter", "renter", "listing"),
    )

    transfer_id: int = transfer_key()
    renter: str = Field(foreign_key="account.name")
    listing: str = Field(foreign_key="listing.name")
    starts_at: float
    ends_at: float
    rate_nanos: int = Field(sa_type=BigInteger)
    """Per day."""


class Meter(MarketTable, table=True):
    """A rental by use: a hold that readings count against, paid once when it is closed."""

    __tablename__: ClassVar[str] = "meter"
    __table_args__: ClassVar[Any] = (Index("meter_by_account", "account", "listing"),)

    hold_id: int = transfer_key()
    account: str = Field(foreign_key="account.name")
    principal: str = Field(foreign_key="account.name")
    listing: str = Field(foreign_key="listing.name")
    rate_nanos: int = Field(sa_type=BigInteger)
    """Per 1,000 units, fixed when the meter was opened."""
    limit_nanos: int = Field(sa_type=BigInteger)
    opened_at: float
    ends_at: float = Field(index=True)


class MeterReading(MarketTable, table=True):
    """Units used since the reading before; the running totals can only grow."""

    __tablename__: ClassVar[str] = "meter_reading"
    __table_args__: ClassVar[Any] = (
        CheckConstraint("units > 0", name="reading_is_positive"),
        UniqueConstraint("hold_id", "n_units", name="totals_grow"),
    )

    key: str = Field(primary_key=True, foreign_key="request.key")
    hold_id: int = Field(foreign_key="meter.hold_id", sa_type=BigInteger)
    units: int = Field(sa_type=BigInteger)
    n_units: int = Field(sa_type=BigInteger)
    """All units up to this reading."""
    at: float


class Usage(MarketTable, table=True):
    """Units of a listing that an account used, and what covered them."""

    __tablename__: ClassVar[str] = "usage"
    __table_args__: ClassVar[Any] = (
        CheckConstraint("units > 0", name="usage_is_positive"),
        CheckConstraint("amount_nanos >= 0", name="usage_costs_nothing_or_something"),
        Index("usage_by_user", "principal", "listing"),
        Index("usage_by_cover", "cover_id"),
    )

    key: str = Field(primary_key=True)
    """Of the charge; a charge in bulk has its request in the transfer itself."""
    account: str = Field(foreign_key="account.name")
    principal: str = Field(foreign_key="account.name")
    listing: str = Field(foreign_key="listing.name", index=True)
    units: int = Field(sa_type=BigInteger)
    amount_nanos: int = Field(sa_type=BigInteger)
    covered_by: str
    """charge, subscription, or the right that made it free: sale, rent, trial."""
    cover_id: int | None = Field(default=None, sa_type=BigInteger)
    """Transfer of the charge or hold of the subscription."""
    at: float


class Subscription(MarketTable, table=True):
    """A fee held for a stretch of time and then divided by the subscriber's own usage."""

    __tablename__: ClassVar[str] = "subscription"

    hold_id: int = transfer_key()
    account: str = Field(foreign_key="account.name")
    principal: str = Field(foreign_key="account.name", index=True)
    fee_nanos: int = Field(sa_type=BigInteger)
    starts_at: float
    ends_at: float = Field(index=True)


class Trial(MarketTable, table=True):
    """A price held while the buyer's own challenges are tried."""

    __tablename__: ClassVar[str] = "trial"
    __table_args__: ClassVar[Any] = (
        UniqueConstraint("principal", "listing", name="one_trial_per_buyer_and_listing"),
    )

    hold_id: int = transfer_key()
    buyer: str = Field(foreign_key="account.name")
    principal: str = Field(foreign_key="account.name")
    listing: str = Field(foreign_key="listing.name", index=True)
    challenge_digest: str
    """Of the buyer's challenges, fixed before the layer is tried."""
    n_questions: int = Field(sa_type=BigInteger)
    min_gain: int = Field(sa_type=BigInteger)
    """Questions the layer must answer beyond the base model for the sale to hold."""
    price_nanos: int = Field(sa_type=BigInteger)
    opened_at: float
    ends_at: float


class TrialResult(MarketTable, table=True):
    """How the layer did on the buyer's challenges; decides the trial."""

    __tablename__: ClassVar[str] = "trial_result"

    hold_id: int = Field(primary_key=True, foreign_key="trial.hold_id", sa_type=BigInteger)
    n_correct: int = Field(sa_type=BigInteger)
    n_base_correct: int = Field(sa_type=BigInteger)
    passed: bool
    at: float
