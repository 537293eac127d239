"""Which near-duplicates have proven that they are better than the layer they repeat (P4).

What sellers state proves nothing here: a copy that claims to know everything would outrank its
original the same day. A near-duplicate is always linked; the link weighs nothing once evaluators
have sat the same exam with both layers and the younger one was significantly better. The exam is
the younger one's headline, from which rank and price are made, and every elder version must have
been sat with. One refuted receipt of the younger one, and the link holds again.
"""

from collections import defaultdict
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import Select, select, true
from sqlalchemy.orm import aliased
from sqlmodel import Session, col

from marketplace.database.sql import one_of
from marketplace.formula.significance import Counts, is_better
from marketplace.listing.listing import Version
from marketplace.receipt import ReceiptRow, Recheck, last_recheck


class _Sat(NamedTuple):
    """A receipt, and its last binding re-run where there is one."""

    listing: str
    number: int
    near_of: str | None
    published_at: float
    receipt: int
    skill: str
    exam: str
    split: str
    seed: int | None
    questions_digest: str
    passed: bool | None
    fresh_seed: int | None
    n_questions: int | None
    n_correct: int | None
    n_base_correct: int | None

    @property
    def sheet(self) -> tuple[str, str, str, int | None, str]:
        """The questions that evaluators asked, so that equal ones are compared."""
        if self.fresh_seed is not None:
            return self.skill, self.exam, self.split, self.fresh_seed, ""
        return self.skill, self.exam, self.split, self.seed, self.questions_digest

    @property
    def counts(self) -> Counts | None:
        """What evaluators found; None if they never looked."""
        if self.n_questions is None or self.n_correct is None or self.n_base_correct is None:
            return None
        return Counts(self.n_questions, self.n_correct, self.n_base_correct)


def better_than_elder(session: Session, names: Sequence[str] | None = None) -> set[tuple[str, int]]:
    """Versions (listing, number) that nearly repeat an elder layer and are better, as measured.

    Args:
        names: Only versions of these listings; None = of all.
    """
    by_version: dict[tuple[str, int], list[_Sat]] = defaultdict(list)
    for sat in _ask(session, _repeating(names is not None), names):
        by_version[sat.listing, sat.number].append(sat)
    hopeful = {
        version: sats[0]
        for version, sats in by_version.items()
        if sats[0].counts is not None and all(sat.passed is not False for sat in sats)
    }
    elders = sorted({sat.near_of for sat in hopeful.values() if sat.near_of is not None})
    beside: dict[str, list[_Sat]] = defaultdict(list)
    for sat in _ask(session, _of_listings(), elders) if elders else ():
        beside[sat.listing].append(sat)
    return {version for version, sat in hopeful.items() if _beats(sat, beside[sat.near_of or ""])}


def _beats(young: _Sat, elders: Sequence[_Sat]) -> bool:
    """Whether evaluators found it better than every elder version that states the same exam."""
    rivals = [
        elder.counts
        for elder in elders
        if elder.sheet == young.sheet and elder.published_at <= young.published_at
    ]
    found = young.counts
    return (
        found is not None
        and bool(rivals)
        and all(rival is not None and is_better(found, rival) for rival in rivals)
    )


def _ask(session: Session, query: Select[Any], names: Sequence[str] | None) -> list[_Sat]:
    values = {} if names is None else {"names": names}
    return [_Sat(*row) for row in session.connection().execute(query, values)]


@lru_cache
def _repeating(by_name: bool) -> Select[Any]:
    """Receipts of near-duplicates that evaluators looked at, headline first."""
    looked = aliased(Recheck)
    seen = (
        select(col(looked.id))
        .join(ReceiptRow, col(ReceiptRow.id) == col(looked.receipt))
        .where(
            col(ReceiptRow.listing) == col(Version.listing),
            col(ReceiptRow.number) == col(Version.number),
            col(looked.binding),
        )
        .correlate(Version)
        .exists()
    )
    chosen = one_of(col(Version.listing), "names") if by_name else true()
    return _sats().where(col(Version.near_of).is_not(None), seen, chosen)


@lru_cache
def _of_listings() -> Select[Any]:
    """Receipts of all versions of some listings."""
    return _sats().where(one_of(col(Version.listing), "names"))


def _sats() -> Select[Any]:
    """Columns of `_Sat`, in order of publication."""
    columns: tuple[Any, ...] = (
        Version.listing,
        Version.number,
        Version.near_of,
        Version.published_at,
        ReceiptRow.id,
        ReceiptRow.skill,
        ReceiptRow.exam,
        ReceiptRow.split,
        ReceiptRow.seed,
        ReceiptRow.questions_digest,
        Recheck.passed,
        Recheck.seed,
        Recheck.n_questions,
        Recheck.n_correct,
        Recheck.n_base_correct,
    )
    return (
        select(*columns)
        .select_from(Version)
        .join(
            ReceiptRow,
            (col(ReceiptRow.listing) == col(Version.listing))
            & (col(ReceiptRow.number) == col(Version.number)),
        )
        .outerjoin(Recheck, col(Recheck.id) == last_recheck())
        .order_by(col(ReceiptRow.id))
    )
