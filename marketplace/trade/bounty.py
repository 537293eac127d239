"""Bounties: wanted, a layer that scores this much on that exam; the reward is held from the start.

The exam decides, and it is sat by somebody who does not gain from it. A listing states its result
as a receipt; the sponsor, who rents the layer for that, the platform or an appointed evaluator sits
that exam on fresh questions, which the maker cannot have trained on; the re-run's counts, not the
maker's and not the claimer's, must reach the mark. Where an evaluator sat it, the sponsor's own
re-run no longer counts, so neither a friend nor a miser decides. Anybody may then claim for the
listing, its maker above all: a silent sponsor keeps no reward that is earned.

The first listing that reaches the mark gets the reward, divided like any sale, royalties included,
and the sponsor owns the layer. So nobody but its maker can have a layer rewarded for less than its
price. Unclaimed, the reward goes back.
"""

from dataclasses import dataclass
from typing import ClassVar

from sqlalchemy import BigInteger
from sqlmodel import Field, Session, col, select

from marketplace.database.sql import MarketTable, alike, put
from marketplace.errors import (
    BountyError,
    InvalidInputError,
    NotOwnerError,
    TradeNotFoundError,
)
from marketplace.fields import Actor, Credits, Days, Name, Nanos, Number, Parts, Several, Text
from marketplace.formula.price import PARTS
from marketplace.ledger.account import principal_of, refuse_house, speaks_for
from marketplace.ledger.epoch import current_epoch
from marketplace.ledger.hold import hold, is_open
from marketplace.ledger.journal import OpenHold, transfer_key
from marketplace.ledger.mandate import refuse_more
from marketplace.ledger.operation import Due, Operation
from marketplace.ledger.statement import find_account, made_by
from marketplace.listing.listing import ListingView
from marketplace.money import check_amount, format_credits
from marketplace.names import check_name, check_text
from marketplace.receipt import ReceiptView, RecheckView, check_counts
from marketplace.trade import terms
from marketplace.trade.buy import note_purchase, purchase_by
from marketplace.trade.recheck import receipt_views, recheck_views
from marketplace.trade.rent import DAY_S, check_days
from marketplace.trade.settlement import Payment, settle_hold


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


@dataclass(frozen=True, slots=True)
class BountyView:
    """A bounty as everybody sees it."""

    bounty: int
    """Number of the hold."""
    sponsor: str
    skill: str
    base_model: str
    exam: str
    min_questions: int
    min_accuracy_parts: int
    """Millionths of the questions that must be answered."""
    reward_nanos: Nanos
    ends_at: float
    state: str
    """open, paid or returned."""
    listing: str | None = None
    """The one that earned it."""
    replayed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PostBounty(Operation[BountyView]):
    """Hold a reward for the first layer that scores enough on an exam.

    Raises:
        InsufficientCreditsError: The sponsor has less than the reward available.
    """

    OPERATION: ClassVar[str] = "bounty"

    sponsor: Actor
    skill: Name
    base_model: Text
    exam: Name
    min_questions: Several
    min_accuracy_parts: Parts
    reward_nanos: Credits
    days: Days

    def check(self) -> None:
        """Refuse the house, and a mark that nobody could reach or miss."""
        refuse_house(self.sponsor, "sponsor")
        check_name(self.skill, "skill")
        check_name(self.exam, "exam")
        check_text(self.base_model, "base_model", min_chars=1)
        check_amount(self.reward_nanos, "reward")
        check_days(self.days)
        check_counts(self.min_questions, 0, 0)
        parts = self.min_accuracy_parts
        if type(parts) is not int or not 0 < parts <= PARTS:
            raise InvalidInputError(
                f"min_accuracy_parts must be 1 to {PARTS} millionths, got {parts!r}:"
                " 900000 means 90 %"
            )

    def do(self, session: Session, at: float) -> None:
        """Hold the reward."""
        find_account(session, self.sponsor)
        refuse_more(session, "bounty", self.sponsor)
        number = hold(
            session,
            payer=self.sponsor,
            amount_nanos=self.reward_nanos,
            purpose=f"{self.sponsor} wants {self.skill}",
            key=self.key,
            expires_at=at + self.days * DAY_S,
            at=at,
        )
        put(
            session,
            alike(
                Bounty,
                self,
                hold_id=number,
                principal=principal_of(self.sponsor),
                opened_at=at,
                ends_at=at + self.days * DAY_S,
            ),
        )

    def done(self, session: Session, at: float) -> BountyView:
        """The bounty that the key posted."""
        return bounty_view(session, at, made_by(session, self.key))

    def due(self, session: Session) -> Due:
        """The reward."""
        return Due(self.reward_nanos)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimBounty(Operation[BountyView]):
    """Pay the reward to a listing whose receipt a judge has re-run and found above the mark.

    Raises:
        TradeNotFoundError: There is no such bounty.
        NotOwnerError: The listing is the sponsor's own.
        BountyError: It is over, the listing does not meet it, or no judge has sat the exam yet.
        NotForSaleError: The listing was withdrawn, quarantined or revoked.
    """

    OPERATION: ClassVar[str] = "bounty-claim"

    bounty: Number
    listing: Name
    by: Actor
    """Who asks for it: the maker, the sponsor, or anybody else."""

    def do(self, session: Session, at: float) -> None:
        """Pay the reward, and note who judged."""
        row = _row(session, self.bounty)
        find_account(session, self.by)
        state = bounty_view(session, at, self.bounty).state
        if state != "open":
            raise BountyError(f"bounty {self.bounty} is {state}: look for an open one")
        view = terms.on_sale(session, self.listing)
        if principal_of(view.owner) == row.principal:
            raise NotOwnerError(
                f"{view.owner!r} sponsors bounty {row.hold_id} and cannot earn it: let it run out"
            )
        proof = _proof(session, row, view)
        _refuse_cheap(session, row, view, self.by)
        payment = Payment(
            way="bounty",
            payer=row.sponsor,
            principal=row.principal,
            gross_nanos=row.reward_nanos,
            parts=(terms.part(session, view),),
            epoch=current_epoch(session),
            memo=f"{self.listing} earns bounty {self.bounty} of {row.sponsor}",
        )
        number, division = settle_hold(session, self.bounty, payment, key=self.key, at=at)
        if purchase_by(session, row.principal, self.listing) is None:
            note_purchase(session, number, payment, division)
        put(
            session,
            alike(
                BountyAward, proof, hold_id=self.bounty, digest=view.digest, judge=proof.by, at=at
            ),
        )

    def done(self, session: Session, at: float) -> BountyView:
        """The bounty as it is now."""
        return bounty_view(session, at, self.bounty)


def bounty_view(session: Session, at: float, bounty: int) -> BountyView:
    """The bounty of this number.

    Raises:
        TradeNotFoundError: There is none.
    """
    row = _row(session, bounty)
    award = session.get(BountyAward, bounty)
    return _view(row, award, is_open(session, bounty), at)


def bounties(
    session: Session,
    at: float,
    *,
    open_only: bool = True,
    after: int = 0,
    limit: int | None = None,
) -> list[BountyView]:
    """Rewards that can be earned, or all there ever were, oldest first; so many behind a number."""
    query = (
        select(Bounty, BountyAward, OpenHold.transfer_id)
        .outerjoin(BountyAward, col(BountyAward.hold_id) == col(Bounty.hold_id))
        .outerjoin(OpenHold, col(OpenHold.transfer_id) == col(Bounty.hold_id))
        .where(col(Bounty.hold_id) > after)
        .order_by(col(Bounty.hold_id))
        .limit(limit)
    )
    if open_only:
        query = query.where(col(OpenHold.transfer_id).is_not(None), col(Bounty.ends_at) > at)
    return [_view(row, award, held is not None, at) for row, award, held in session.exec(query)]


def _proof(session: Session, row: Bounty, view: ListingView) -> RecheckView:
    """The judge's re-run that reaches the mark.

    Raises:
        BountyError: The listing states no such exam, nobody judged it on fresh questions, or it
            falls short.
    """
    receipt = _stated(session, row, view)
    judged = [
        again
        for again in recheck_views(session, receipt.id)
        if _may_judge(session, row, view.owner, again)
    ]
    binding = [again for again in judged if again.binding]
    if not judged:
        raise BountyError(
            f"no judge of bounty {row.hold_id} has sat the exam of {view.name!r} on fresh"
            f" questions: its sponsor {row.principal!r} or an evaluator runs `continuum market"
            f" bounty claim {row.hold_id} {view.name}`, until then the reward stays held"
        )
    proof = (binding or judged)[-1]
    if proof.n_correct * PARTS < row.min_accuracy_parts * proof.n_questions:
        raise BountyError(
            f"bounty {row.hold_id} asks for {row.min_accuracy_parts / PARTS:.1%} on"
            f" {row.exam!r}, {proof.by!r} found {proof.n_correct} of {proof.n_questions}:"
            " improve the layer"
        )
    return proof


def _refuse_cheap(session: Session, row: Bounty, view: ListingView, by: str) -> None:
    """Let nobody get a layer below its price by a small reward, unless its maker agrees.

    Raises:
        BountyError: The reward is below the price, or below a day's rent.
    """
    by_maker = speaks_for(by, view.owner)
    asked = terms.terms_view(session, view)
    least = asked.trial_nanos if by_maker else asked.price_nanos
    if row.reward_nanos < least:
        remedy = "look for a larger one" if by_maker else f"buy it, or ask {view.owner!r} to claim"
        raise BountyError(
            f"bounty {row.hold_id} pays {format_credits(row.reward_nanos)}, listing {view.name!r}"
            f" goes for {format_credits(least)} at least: {remedy}"
        )


def _stated(session: Session, row: Bounty, view: ListingView) -> ReceiptView:
    """The listing's receipt for the exam that the bounty names.

    Raises:
        BountyError: There is none, it is too short, or the layer is for another base model.
    """
    if view.base_model != row.base_model:
        raise BountyError(
            f"bounty {row.hold_id} wants a layer for {row.base_model!r}, this one is for"
            f" {view.base_model!r}: train one for that base"
        )
    wanted = (row.skill, row.exam)
    stated = receipt_views(session, view.name, view.version)
    found = next((one for one in stated if (one.skill, one.exam) == wanted), None)
    if found is None:
        known = ", ".join(f"{one.skill} ({one.exam})" for one in stated)
        raise BountyError(
            f"bounty {row.hold_id} is about {row.skill} ({row.exam}), listing {view.name!r} states"
            f" results of {known}: publish a layer with a receipt for that exam"
        )
    if found.n_questions < row.min_questions:
        raise BountyError(
            f"bounty {row.hold_id} asks for {row.min_questions} questions, the exam had"
            f" {found.n_questions}: sit a longer one"
        )
    return found


def _may_judge(session: Session, row: Bounty, seller: str, again: RecheckView) -> bool:
    judge = principal_of(again.by)
    is_fresh = again.seed is not None
    return is_fresh and judge != principal_of(seller) and (again.binding or judge == row.principal)


def _row(session: Session, bounty: int) -> Bounty:
    row = session.get(Bounty, bounty)
    if row is None:
        raise TradeNotFoundError(f"bounty {bounty} does not exist: see the list of bounties")
    return row


def _view(row: Bounty, award: BountyAward | None, held: bool, at: float) -> BountyView:
    state = "paid" if award is not None else "open" if held and at < row.ends_at else "returned"
    listing = None if award is None else award.listing
    return alike(BountyView, row, bounty=row.hold_id, state=state, listing=listing)
