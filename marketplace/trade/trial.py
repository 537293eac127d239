"""Trying before paying: the price is held, and the buyer's own challenges decide.

The buyer names the challenges by digest, their number and the gain that would satisfy before the
layer is tried, so that the yardstick cannot be chosen afterwards. Gained enough, the held price
is paid and the buyer owns the layer; if not, or if the buyer reports nothing in time, it is
released and the right to try the layer ends.

The buyer's report cannot be checked, and files that were handed out cannot be taken back. So a
trial costs a day's rent, paid when it is opened and kept by the seller whatever comes out: who
reports nothing right pays what a renter pays, who may keep the files as well. It is the seller's
rent, but the usual one at most, or a seller of bad layers could price trials out of reach. One
trial per buyer and listing ever, and few at once.
"""

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import pydantic
from sqlalchemy import BigInteger, UniqueConstraint, func
from sqlmodel import Field, Session, col, select

from marketplace.database.sql import MarketTable, alike, put
from marketplace.errors import InvalidInputError, ReceiptError, TradeNotFoundError, TrialError
from marketplace.fields import (
    HEX64_PATTERN,
    AccountName,
    Actor,
    Count,
    Credits,
    Days,
    ListingName,
    Nanos,
    Number,
    Several,
)
from marketplace.ledger.account import principal_of, refuse_house
from marketplace.ledger.hold import hold, is_open, void_hold
from marketplace.ledger.idempotency import house_key
from marketplace.ledger.journal import OpenHold, transfer_key
from marketplace.ledger.operation import Due, Operation
from marketplace.ledger.statement import find_account, made_by
from marketplace.listing import catalogue
from marketplace.listing.listing import ListingView
from marketplace.money import format_credits
from marketplace.names import check_digest
from marketplace.trade import terms
from marketplace.trade.buy import note_purchase, refuse_owner, refuse_price, sale
from marketplace.trade.rent import DAY_S, lend, rental
from marketplace.trade.settlement import settle_hold


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


MAX_OPEN_TRIALS = 3
MAX_TRIAL_DAYS = 30
MAX_QUESTIONS = 10**6


@dataclass(frozen=True, slots=True)
class TrialView:
    """A trial as its buyer sees it."""

    trial: int
    """Number of the hold."""
    buyer: str
    listing: str
    price_nanos: Nanos
    challenge_digest: str
    n_questions: int
    min_gain: int
    """Questions to be answered beyond the base model."""
    ends_at: float
    state: str
    """open, passed, failed or expired."""
    n_correct: int | None = None
    n_base_correct: int | None = None
    replayed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenTrial(Operation[TrialView]):
    """Take a day's rent and hold the price while the buyer's own questions decide.

    The limit is of both together.

    Raises:
        NotForSaleError: The listing was withdrawn, quarantined or revoked.
        OwnLayerError: The buyer published the layer.
        AlreadyOwnedError: The buyer owns it.
        TrialError: Tried before, or too many trials at once.
        InsufficientCreditsError: The buyer has less than rent and price available.
    """

    OPERATION: ClassVar[str] = "trial"

    buyer: Actor
    listing: ListingName
    challenge_digest: Annotated[str, pydantic.Field(pattern=HEX64_PATTERN)]
    n_questions: Several
    min_gain: Several
    """Questions the layer must answer beyond the base model for the sale to hold."""
    days: Days = 7
    max_price_nanos: Credits | None = None

    def check(self) -> None:
        """Refuse the house, and a yardstick that measures nothing."""
        refuse_house(self.buyer, "try")
        _check_yardstick(self.challenge_digest, self.n_questions, self.min_gain, self.days)

    def do(self, session: Session, at: float) -> None:
        """Hold the price, pay the rent."""
        account = find_account(session, self.buyer)
        view = terms.on_sale(session, self.listing)
        principal = principal_of(self.buyer)
        refuse_owner(session, principal, view)
        _refuse_too_many(session, principal, self.listing, at)
        fee_nanos = terms.terms_view(session, view).trial_nanos
        what = (
            f"trying listing {self.listing!r}, {format_credits(fee_nanos)} for a day's rent"
            " included,"
        )
        refuse_price(account, what, view.price_nanos + fee_nanos, self.max_price_nanos)
        number = hold(
            session,
            payer=self.buyer,
            amount_nanos=view.price_nanos,
            purpose=f"{self.buyer} tries {self.listing}",
            key=self.key,
            expires_at=at + self.days * DAY_S,
            at=at,
        )
        session.add(
            alike(
                Trial,
                self,
                hold_id=number,
                principal=principal,
                price_nanos=view.price_nanos,
                opened_at=at,
                ends_at=at + self.days * DAY_S,
            )
        )
        _pay_rent(session, number, self.buyer, principal, view, fee_nanos, at)

    def done(self, session: Session, at: float) -> TrialView:
        """The trial that the key opened."""
        return trial_view(session, at, made_by(session, self.key))

    def due(self, session: Session) -> Due:
        """Price and rent."""
        view = catalogue.listing_view(session, self.listing)
        asked = terms.terms_view(session, view)
        return Due(asked.price_nanos + asked.trial_nanos, view.owner)

    def hands_over(self, session: Session) -> tuple[str, ...]:
        """The listing's."""
        return (self.listing,)


@dataclass(frozen=True, slots=True, kw_only=True)
class SettleTrial(Operation[TrialView]):
    """Let the result decide: the held price is paid, or released.

    Raises:
        TradeNotFoundError: There is no such trial.
        TrialError: It was decided before, or its time is over.
        ReceiptError: The counts cannot be true.
    """

    OPERATION: ClassVar[str] = "trial-settle"

    trial: Number
    n_correct: Count
    n_base_correct: Count

    def do(self, session: Session, at: float) -> None:
        """Pay the held price, or release it."""
        row = _row(session, self.trial)
        for what, count in (("n_correct", self.n_correct), ("n_base_correct", self.n_base_correct)):
            if type(count) is not int or not 0 <= count <= row.n_questions:
                raise ReceiptError(
                    f"{what} must be a whole number from 0 to {row.n_questions}, got {count!r}:"
                    " count again"
                )
        state = trial_view(session, at, self.trial).state
        if state != "open":
            raise TrialError(
                f"trial {self.trial} of listing {row.listing!r} is {state}: nothing to decide"
            )
        passed = self.n_correct - self.n_base_correct >= row.min_gain
        if passed:
            _pay(session, row, key=self.key, at=at)
        else:
            void_hold(session, self.trial, key=self.key, at=at)
        put(session, alike(TrialResult, self, hold_id=self.trial, passed=passed, at=at))

    def party(self, session: Session, at: float) -> tuple[str, str]:
        """The trial's buyer."""
        return trial_view(session, at, self.trial).buyer, f"trial {self.trial}"

    def done(self, session: Session, at: float) -> TrialView:
        """The trial as it is now."""
        return trial_view(session, at, self.trial)


def trial_view(session: Session, at: float, number: Number) -> TrialView:
    """The trial of this number.

    Raises:
        TradeNotFoundError: There is none.
    """
    return _view(session, _row(session, number), session.get(TrialResult, number), at)


def trials(session: Session, at: float, buyer: AccountName | None = None) -> list[TrialView]:
    """All trials, or one buyer's, oldest first."""
    query = (
        select(Trial, TrialResult)
        .outerjoin(TrialResult, col(TrialResult.hold_id) == col(Trial.hold_id))
        .order_by(col(Trial.hold_id))
    )
    if buyer is not None:
        query = query.where((Trial.buyer == buyer) | (Trial.principal == buyer))
    return [_view(session, *row, at) for row in session.exec(query).all()]


def _pay_rent(
    session: Session,
    trial: int,
    buyer: str,
    principal: str,
    view: ListingView,
    nanos: int,
    at: float,
) -> None:
    """Pay the day that no result gives back."""
    body = {"trial": trial}
    key = house_key(session, f"trial/{trial}", operation="trial-rent", body=body, at=at)
    payment = rental(session, buyer, principal, view, nanos, "for a day, to try it")
    lend(session, payment, days=1, rate_nanos=nanos, key=key, at=at)


def _pay(session: Session, row: Trial, *, key: str, at: float) -> None:
    account = find_account(session, row.buyer)
    view = catalogue.listing_view(session, row.listing)  # the price agreed at the start holds
    refuse_owner(session, row.principal, view)
    payment = sale(session, account, row.principal, view, row.price_nanos)
    number, division = settle_hold(session, row.hold_id, payment, key=key, at=at)
    note_purchase(session, number, payment, division)


def _check_yardstick(digest: str, n_questions: int, min_gain: int, days: int) -> None:
    check_digest(digest)
    if type(n_questions) is not int or not 1 <= n_questions <= MAX_QUESTIONS:
        raise InvalidInputError(
            f"n_questions must be 1 to {MAX_QUESTIONS}, got {n_questions!r}: change it"
        )
    if type(min_gain) is not int or not 0 <= min_gain <= n_questions:
        raise InvalidInputError(
            f"min_gain must be 0 to n_questions = {n_questions}, got {min_gain!r}: change it"
        )
    if type(days) is not int or not 1 <= days <= MAX_TRIAL_DAYS:
        raise InvalidInputError(
            f"a trial lasts 1 to {MAX_TRIAL_DAYS} days, got {days!r}: change it"
        )


def _refuse_too_many(session: Session, principal: str, listing: str, at: float) -> None:
    before = trial_of(session, principal, listing)
    if before is not None:
        raise TrialError(
            f"{principal!r} tried listing {listing!r} before (trial {before.hold_id}):"
            " buy or rent it"
        )
    running = n_open_trials(session, principal, at)
    if running >= MAX_OPEN_TRIALS:
        raise TrialError(
            f"{principal!r} has {running} trials running, the limit is {MAX_OPEN_TRIALS}:"
            " settle one first"
        )


def _row(session: Session, trial: int) -> Trial:
    row = session.get(Trial, trial)
    if row is None:
        raise TradeNotFoundError(f"trial {trial} does not exist: open one first")
    return row


def _view(session: Session, row: Trial, result: TrialResult | None, at: float) -> TrialView:
    if result is not None:
        state = "passed" if result.passed else "failed"
    else:
        waiting = at < row.ends_at and is_open(session, row.hold_id)
        state = "open" if waiting else "expired"
    right = (None, None) if result is None else (result.n_correct, result.n_base_correct)
    said = {"state": state, "n_correct": right[0], "n_base_correct": right[1]}
    return alike(TrialView, row, trial=row.hold_id, **said)


def trial_of(session: Session, principal: str, listing: str) -> Trial | None:
    """The one trial of a listing an account ever had."""
    query = select(Trial).where(Trial.principal == principal, Trial.listing == listing)
    return session.exec(query).first()


def open_trials_of(session: Session, listing: str) -> list[int]:
    """Trials of a listing whose price is still held."""
    query = (
        select(Trial.hold_id)
        .join(OpenHold, col(OpenHold.transfer_id) == col(Trial.hold_id))
        .where(Trial.listing == listing)
        .order_by(col(Trial.hold_id))
    )
    return list(session.exec(query))


def n_open_trials(session: Session, principal: str, at: float) -> int:
    """How many trials an account is running."""
    query = (
        select(func.count())
        .select_from(Trial)
        .join(OpenHold, col(OpenHold.transfer_id) == col(Trial.hold_id))
        .where(Trial.principal == principal, Trial.ends_at > at)
    )
    return session.exec(query).one()
