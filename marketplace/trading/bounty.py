"""Bounties: wanted, a layer that scores this much on that exam; the reward is held from the start.

The exam decides, and it is sat by somebody who does not gain from it: the sponsor, the platform
or an appointed evaluator. The first listing that reaches the mark gets the reward, divided like
any sale, royalties included, and the sponsor owns the layer. Unclaimed, the reward goes back.
"""

from dataclasses import dataclass, replace

from sqlmodel import Session

from marketplace import repository
from marketplace.account import refuse_house
from marketplace.errors import (
    BountyError,
    InvalidInputError,
    NotOwnerError,
    TradeNotFoundError,
)
from marketplace.hold import hold
from marketplace.idempotency import claim
from marketplace.money import check_amount
from marketplace.names import check_name, check_text
from marketplace.price import PARTS
from marketplace.receipt import check_counts
from marketplace.status import is_evaluator
from marketplace.trading import offer, pending, queries
from marketplace.trading.buy import note_purchase
from marketplace.trading.notices import Bounty, BountyAward
from marketplace.trading.rent import DAY_S, check_days
from marketplace.trading.settlement import Payment, settle_hold


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
    reward_nanos: int
    ends_at: float
    state: str
    """open, paid or returned."""
    listing: str | None = None
    """The one that earned it."""
    replayed: bool = False


def bounty_post(
    session: Session,
    *,
    sponsor: str,
    skill: str,
    base_model: str,
    exam: str,
    min_questions: int,
    min_accuracy_parts: int,
    reward_nanos: int,
    days: int,
    key: str,
    at: float,
) -> BountyView:
    """Hold a reward for a layer that does not exist yet.

    Raises:
        InsufficientCreditsError: The sponsor has less than the reward available.
    """
    refuse_house(sponsor, "sponsor")
    check_name(skill, "skill")
    check_name(exam, "exam")
    check_text(base_model, "base_model", min_chars=1)
    check_amount(reward_nanos, "reward")
    check_days(days)
    check_counts(min_questions, 0, 0)
    if type(min_accuracy_parts) is not int or not 0 < min_accuracy_parts <= PARTS:
        raise InvalidInputError(
            f"min_accuracy_parts must be 1 to {PARTS} millionths, got {min_accuracy_parts!r}:"
            " 900000 means 90 %"
        )
    repository.account(session, sponsor)
    body: dict[str, object] = {
        "sponsor": sponsor, "skill": skill, "base_model": base_model, "exam": exam,
        "min_questions": min_questions, "min_accuracy_parts": min_accuracy_parts,
        "reward_nanos": reward_nanos, "days": days,
    }  # fmt: skip
    if not claim(session, key=key, operation="bounty", body=body, at=at):
        number = queries.transfer_of_key(session, key)
        assert number is not None, f"key {key!r} left no bounty"
        return replace(bounty_view(session, number, at), replayed=True)
    number = hold(
        session,
        payer=sponsor,
        amount_nanos=reward_nanos,
        purpose=f"{sponsor} wants {skill}",
        key=key,
        expires_at=at + days * DAY_S,
        at=at,
    )
    session.add(
        Bounty(
            hold_id=number,
            sponsor=sponsor,
            principal=queries.principal(session, sponsor),
            opened_at=at,
            ends_at=at + days * DAY_S,
            skill=skill,
            base_model=base_model,
            exam=exam,
            min_questions=min_questions,
            min_accuracy_parts=min_accuracy_parts,
            reward_nanos=reward_nanos,
        )
    )
    session.flush()
    return bounty_view(session, number, at)


def bounty_claim(
    session: Session,
    *,
    bounty: int,
    listing: str,
    by: str,
    n_questions: int,
    n_correct: int,
    key: str,
    at: float,
) -> BountyView:
    """Pay the reward to a listing whose exam reached the mark.

    Args:
        by: Who sat the exam; answers for the counts.

    Raises:
        TradeNotFoundError: There is no such bounty.
        NotOwnerError: `by` may not judge it, or gains from it.
        BountyError: It is over, or the listing does not meet it.
        NotForSaleError: The listing was withdrawn, quarantined or revoked.
    """
    check_counts(n_questions, n_correct, 0)
    row = _row(session, bounty)
    body: dict[str, object] = {
        "bounty": bounty, "listing": listing, "by": by, "n_questions": n_questions,
        "n_correct": n_correct,
    }  # fmt: skip
    if not claim(session, key=key, operation="bounty-claim", body=body, at=at):
        return replace(bounty_view(session, bounty, at), replayed=True)
    state = bounty_view(session, bounty, at).state
    if state != "open":
        raise BountyError(f"bounty {bounty} is {state}: look for an open one")
    view = offer.on_sale(session, listing)
    _refuse_judge(session, row, view.owner, by)
    _refuse_short(row, view.base_model, n_questions, n_correct)
    payment = Payment(
        way="bounty",
        payer=row.sponsor,
        principal=row.principal,
        gross_nanos=row.reward_nanos,
        parts=(offer.part(session, view),),
        epoch=repository.current_epoch(session),
        memo=f"{listing} earns bounty {bounty} of {row.sponsor}",
    )
    number, division = settle_hold(session, bounty, payment, key=key, at=at)
    if queries.purchase(session, row.principal, listing) is None:
        note_purchase(session, number, payment, division)
    session.add(
        BountyAward(
            hold_id=bounty,
            listing=listing,
            digest=view.digest,
            judge=by,
            n_questions=n_questions,
            n_correct=n_correct,
            at=at,
        )
    )
    session.flush()
    return bounty_view(session, bounty, at)


def bounty_view(session: Session, bounty: int, at: float) -> BountyView:
    """The bounty of this number.

    Raises:
        TradeNotFoundError: There is none.
    """
    row = _row(session, bounty)
    award = session.get(BountyAward, bounty)
    return _view(row, award, pending.is_open(session, bounty), at)


def bounty_views(session: Session, *, open_only: bool, at: float) -> list[BountyView]:
    """All bounties, or the ones that can still be earned, oldest first."""
    views = [_view(*found, at) for found in pending.bounties(session)]
    return [view for view in views if not open_only or view.state == "open"]


def _refuse_judge(session: Session, row: Bounty, seller: str, by: str) -> None:
    judge = queries.principal(session, repository.account(session, by).name)
    if judge == seller:
        raise NotOwnerError(
            f"{by!r} owns the listing and cannot judge it: let the sponsor or an evaluator sit"
            " the exam"
        )
    if seller == row.principal:
        raise NotOwnerError(
            f"{seller!r} sponsors bounty {row.hold_id} and cannot earn it: let it run out"
        )
    if judge != row.principal and not is_evaluator(session, by):
        raise NotOwnerError(
            f"{by!r} may not judge bounty {row.hold_id}: the sponsor {row.principal!r} or an"
            " evaluator must sit the exam"
        )


def _refuse_short(row: Bounty, base_model: str, n_questions: int, n_correct: int) -> None:
    if base_model != row.base_model:
        raise BountyError(
            f"bounty {row.hold_id} wants a layer for {row.base_model!r}, this one is for"
            f" {base_model!r}: train one for that base"
        )
    if n_questions < row.min_questions:
        raise BountyError(
            f"bounty {row.hold_id} asks for {row.min_questions} questions, the exam had"
            f" {n_questions}: sit a longer one"
        )
    if n_correct * PARTS < row.min_accuracy_parts * n_questions:
        raise BountyError(
            f"bounty {row.hold_id} asks for {row.min_accuracy_parts / PARTS:.1%} on"
            f" {row.exam!r}, got {n_correct} of {n_questions}: improve the layer"
        )


def _row(session: Session, bounty: int) -> Bounty:
    row = session.get(Bounty, bounty)
    if row is None:
        raise TradeNotFoundError(f"bounty {bounty} does not exist: see the list of bounties")
    return row


def _view(row: Bounty, award: BountyAward | None, held: bool, at: float) -> BountyView:
    state = "paid" if award is not None else "open" if held and at < row.ends_at else "returned"
    return BountyView(
        bounty=row.hold_id,
        sponsor=row.sponsor,
        skill=row.skill,
        base_model=row.base_model,
        exam=row.exam,
        min_questions=row.min_questions,
        min_accuracy_parts=row.min_accuracy_parts,
        reward_nanos=row.reward_nanos,
        ends_at=row.ends_at,
        state=state,
        listing=None if award is None else award.listing,
    )
