"""Adding exam results to a listing, and sitting a stated exam again.

Whoever had a right to the files may re-run a receipt and file what came out, three times at most.
The market compares it with the claim (`marketplace.formula.significance`). Only an evaluator's
re-run binds, because a stranger's word must not move other people's money; a user's failed re-run
is shown on the receipt and asks for an evaluator's. When a binding re-run refutes the newest
version's claim:

    its reputation falls: the claim's trials count as failures
    (`marketplace.formula.reputation.measured`) its sales are paid back
    (`marketplace.trade.returns`, called by `Reexamine`) it is quarantined, if it stated a lift on
    its headline exam and the re-run shows none
"""

from dataclasses import dataclass
from typing import ClassVar

from sqlmodel import Session, col, func, select

from marketplace.database.sql import alike, put
from marketplace.errors import (
    NotOwnerError,
    ReceiptError,
    ReceiptNotFoundError,
    StatusError,
    UnpaidRecheckError,
)
from marketplace.fields import Actor, Count, ListingName, Number, QuestionsDigest, Seed
from marketplace.formula.significance import Counts, compare
from marketplace.ledger.account import principal_of
from marketplace.ledger.operation import Operation
from marketplace.ledger.statement import find_account
from marketplace.listing import catalogue
from marketplace.listing.listing import LISTED, ListingView, Version, is_evaluator
from marketplace.listing.submission import MAX_RECEIPTS
from marketplace.names import PLATFORM
from marketplace.receipt import (
    ReceiptFacts,
    ReceiptRow,
    ReceiptView,
    Recheck,
    RecheckView,
    check_counts,
    check_seed,
    check_subject,
    last_recheck,
)
from marketplace.trade.moderation import add_event
from marketplace.trade.returns import return_failed
from marketplace.trade.rights import had_files

MAX_RECHECKS = 3
"""Of one receipt by one principal; evaluators are not counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AddReceipt(Operation[ReceiptView]):
    """State another exam's result of one's own listing.

    Raises:
        NotOwnerError: The account does not own the listing.
        StatusError: The version is not for sale.
        ReceiptError: It has a receipt for this exam, or too many.
    """

    OPERATION: ClassVar[str] = "add_receipt"

    listing: ListingName
    owner: Actor
    receipt: ReceiptFacts

    def identity(self, session: Session) -> dict[str, object]:
        """Of the receipt only what it states."""
        return Operation.identity(self, session) | {"receipt": self.receipt.body()}

    def do(self, session: Session, at: float) -> None:
        """File it with the newest version."""
        view = catalogue.listing_view(session, self.listing)
        _refuse_receipt(session, view, self.owner, self.receipt)
        row = alike(ReceiptRow, self.receipt, listing=self.listing, number=view.version, at=at)
        put(session, row)

    def done(self, session: Session, at: float) -> ReceiptView:
        """The newest version's receipt for this exam."""
        wanted = (self.receipt.skill, self.receipt.exam)
        stated = receipt_views(session, self.listing)
        return next(one for one in stated if (one.skill, one.exam) == wanted)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reexamine(Operation[RecheckView]):
    """File a re-run: same exam, the same questions or, with their seed, fresh ones.

    An evaluator's re-run that refutes the claim also pays recent sales back; a repeat tries again
    what a seller could not pay at once.

    Raises:
        ReceiptNotFoundError: There is no such receipt.
        ReceiptError: Impossible counts, other questions than the receipt's, or, with a seed, the
            same ones.
        NotOwnerError: The owner cannot confirm its own claim.
        UnpaidRecheckError: `by` never had a right to the files, or has filed too many.
    """

    OPERATION: ClassVar[str] = "recheck"

    receipt: Number
    by: Actor
    n_correct: Count
    n_base_correct: Count
    questions_digest: QuestionsDigest = ""
    seed: Seed | None = None
    """What fresh questions were drawn with; None = the receipt's own questions."""

    def identity(self, session: Session) -> dict[str, object]:
        """The seed only where there is one."""
        body = Operation.identity(self, session)
        if self.seed is None:
            del body["seed"]
        return body

    def do(self, session: Session, at: float) -> None:
        """File it, and take down what turns out to have no lift."""
        find_account(session, self.by)
        found = receipt_row(session, self.receipt)
        again = Counts(found.n_questions, self.n_correct, self.n_base_correct)
        _refuse_recheck(session, found, again, self.by)
        _refuse_questions(found, self.questions_digest, self.seed)
        row = alike(
            Recheck,
            self,
            n_questions=again.n_questions,
            passed=compare(_counts(found), again, fresh=self.seed is not None).passed,
            binding=is_evaluator(session, self.by),
            at=at,
        )
        put(session, row)
        _quarantine_without_lift(session, found, row, at)

    def done(self, session: Session, at: float) -> RecheckView:
        """The re-run that the key filed."""
        row = session.exec(select(Recheck).where(Recheck.key == self.key)).one()
        view = _recheck_view(receipt_row(session, self.receipt), row)
        if view.binding and not view.passed and is_refuted(session, view):
            return_failed(session, listing=view.listing, at=at)
        return view


def receipts(session: Session, listing: ListingName) -> list[ReceiptView]:
    """A listing's receipts, newest version first, headline before the others.

    Raises:
        ListingNotFoundError: There is none of this name.
    """
    catalogue.listing_view(session, listing)
    return receipt_views(session, listing)


def receipt_row(session: Session, number: int) -> ReceiptRow:
    """The receipt of this number.

    Raises:
        ReceiptNotFoundError: There is none.
    """
    found = session.get(ReceiptRow, number)
    if found is None:
        raise ReceiptNotFoundError(
            f"there is no receipt {number}: take a number from the listing's receipts"
        )
    return found


def receipt_views(session: Session, listing: str, number: int | None = None) -> list[ReceiptView]:
    """A listing's receipts, newest version first, headline before the others.

    Args:
        number: Only those of this version.
    """
    query = (
        select(ReceiptRow, Version.digest, Recheck.passed)
        .join(
            Version,
            (col(Version.listing) == col(ReceiptRow.listing))
            & (col(Version.number) == col(ReceiptRow.number)),
        )
        .outerjoin(Recheck, col(Recheck.id) == last_recheck())
        .where(ReceiptRow.listing == listing)
        .order_by(col(ReceiptRow.number).desc(), col(ReceiptRow.id))
    )
    if number is not None:
        query = query.where(ReceiptRow.number == number)
    rows = session.exec(query).all()
    tally = _tally(session, listing)
    return [
        _receipt_view(receipt, digest, tally, refuted=passed is False)
        for receipt, digest, passed in rows
    ]


def is_refuted(session: Session, view: RecheckView) -> bool:
    """Whether a re-run is its receipt's last binding one, and failed: a repeat may be outdated."""
    found = receipt_row(session, view.receipt)
    return any(
        r.refuted for r in receipt_views(session, found.listing, found.number) if r.id == found.id
    )


def recheck_views(session: Session, receipt: Number) -> list[RecheckView]:
    """Every re-run of a receipt, oldest first."""
    found = receipt_row(session, receipt)
    query = select(Recheck).where(Recheck.receipt == receipt).order_by(col(Recheck.id))
    return [_recheck_view(found, row) for row in session.exec(query)]


def _refuse_receipt(session: Session, view: ListingView, owner: str, facts: ReceiptFacts) -> None:
    if owner != view.owner:
        raise NotOwnerError(
            f"only its owner {view.owner!r} may add receipts to {view.name!r}, got {owner!r}:"
            " file a re-run instead"
        )
    check_subject(facts, view.digest, view.base_model)
    if view.status != LISTED:
        raise StatusError(
            f"listing {view.name!r} is {view.status} and takes no receipts: relist it first"
        )
    present = receipt_views(session, view.name, view.version)
    if any((old.skill, old.exam) == (facts.skill, facts.exam) for old in present):
        raise ReceiptError(
            f"{view.name!r} version {view.version} has a receipt for exam {facts.exam!r} of"
            f" {facts.skill!r}: claims are not rewritten, publish a new version"
        )
    if len(present) >= MAX_RECEIPTS:
        raise ReceiptError(
            f"a version has at most {MAX_RECEIPTS} receipts, {view.name!r} has {len(present)}:"
            " choose the exams that matter"
        )


def _refuse_recheck(session: Session, receipt: ReceiptRow, again: Counts, by: str) -> None:
    check_counts(again.n_questions, again.n_correct, again.n_base_correct)
    owner = catalogue.listing_view(session, receipt.listing).owner
    if principal_of(by) == principal_of(owner):
        raise NotOwnerError(
            f"{by!r} owns {receipt.listing!r} and cannot confirm its own claim: let somebody else"
            " re-run it"
        )
    if is_evaluator(session, by):
        return
    if not had_files(session, by, receipt.listing):
        raise UnpaidRecheckError(
            f"{by!r} never paid for the files of {receipt.listing!r} and cannot have examined them:"
            f" run `continuum market rent {receipt.listing}` for a day, or ask an evaluator"
        )
    if _n_rechecks(session, receipt, principal_of(by)) >= MAX_RECHECKS:
        raise UnpaidRecheckError(
            f"{principal_of(by)!r} has filed {MAX_RECHECKS} re-runs of receipt {receipt.id}, the"
            " most for who is no evaluator: ask an evaluator"
        )


def _n_rechecks(session: Session, receipt: ReceiptRow, principal: str) -> int:
    """How many re-runs of a receipt whoever this is has filed, mandates' included."""
    by = col(Recheck.by)
    mine = (by == principal) | by.startswith(f"{principal}/", autoescape=True)
    query = select(func.count()).select_from(Recheck).where(Recheck.receipt == receipt.id, mine)
    return session.exec(query).one()


def _refuse_questions(receipt: ReceiptRow, questions_digest: str, seed: int | None) -> None:
    if seed is not None:
        check_seed(seed)
        if seed == receipt.seed or questions_digest in ("", receipt.questions_digest):
            raise ReceiptError(
                f"a fresh re-run of receipt {receipt.id} asks other questions than the receipt and"
                " states their digest: draw them with another seed"
            )
    elif receipt.questions_digest and questions_digest != receipt.questions_digest:
        raise ReceiptError(
            f"receipt {receipt.id} is about questions {receipt.questions_digest[:12]}, the re-run"
            f" asked {questions_digest[:12] or 'unstated ones'}: use the version of continuum that"
            " wrote the receipt"
        )


def _quarantine_without_lift(
    session: Session, receipt: ReceiptRow, again: Recheck, at: float
) -> None:
    """Take a version down whose headline lift turns out to be none at all (R5)."""
    if not again.binding or again.passed:
        return
    view = catalogue.listing_view(session, receipt.listing)
    headline = receipt_views(session, view.name, view.version)[0]
    lifts = receipt.n_correct > receipt.n_base_correct, again.n_correct > again.n_base_correct
    if headline.id == receipt.id and lifts == (True, False) and view.status != "quarantined":
        reason = f"re-run {again.id} of receipt {receipt.id} shows no lift"
        add_event(session, view, "quarantine", by=PLATFORM, reason=reason, key=None, at=at)


def _tally(session: Session, listing: str) -> dict[tuple[int, bool], int]:
    """Re-runs of a listing's receipts by (receipt, passed)."""
    query = (
        select(Recheck.receipt, Recheck.passed, func.count())
        .join(ReceiptRow, col(ReceiptRow.id) == col(Recheck.receipt))
        .where(ReceiptRow.listing == listing)
        .group_by(col(Recheck.receipt), col(Recheck.passed))
    )
    return {(receipt, bool(passed)): n for receipt, passed, n in session.exec(query)}


def _counts(row: ReceiptRow | Recheck) -> Counts:
    return Counts(row.n_questions, row.n_correct, row.n_base_correct)


def _receipt_view(
    receipt: ReceiptRow, digest: str, tally: dict[tuple[int, bool], int], *, refuted: bool
) -> ReceiptView:
    assert receipt.id is not None
    return alike(
        ReceiptView,
        receipt,
        version=receipt.number,
        digest=digest,
        n_passed=tally.get((receipt.id, True), 0),
        n_failed=tally.get((receipt.id, False), 0),
        refuted=refuted,
    )


def _recheck_view(receipt: ReceiptRow, row: Recheck) -> RecheckView:
    verdict = compare(_counts(receipt), _counts(row), fresh=row.seed is not None)
    return alike(RecheckView, row, listing=receipt.listing, reason=verdict.reason)
