"""The evidence a layer is sold on: exam results that anyone can obtain again.

A receipt names the exam, its seed and its questions' digest besides the counts, so that whoever
re-runs it sits the very same questions. But a maker who knows them beforehand can train on them:
a fresh re-run draws other questions of the same exam, with a seed chosen after the layer was
published, and the claim must hold there too. A version may carry a receipt for every exam it sat;
the first is the headline, from which the market makes reputation and price.
"""

from dataclasses import asdict, dataclass
from typing import Annotated, Any, ClassVar, Literal

import pydantic
from pydantic import ConfigDict
from sqlalchemy import BigInteger, CheckConstraint, ForeignKeyConstraint, UniqueConstraint
from sqlmodel import Field, col, func, select

from marketplace.database.sql import MarketTable, RowNumber
from marketplace.errors import ReceiptError
from marketplace.fields import NESTED, Count, Digest, Name, QuestionsDigest, Seed, Several
from marketplace.names import check_digest, check_name, check_text

PRICED_SPLITS = ("audit", "test")
"""Splits nothing was trained or selected on; only these can carry a price."""
MAX_QUESTIONS = 10**9
STANDARD_EXAM = "standard"
"""The exam of the skill's own generator, at its own seed."""

_NO_MORE_RIGHT_THAN_ASKED = (
    "n_correct BETWEEN 0 AND n_questions AND n_base_correct BETWEEN 0 AND n_questions"
)


class ReceiptRow(MarketTable, table=True):
    """What a version, and its base model alone, scored on one exam, as its owner states."""

    __tablename__: ClassVar[str] = "receipt"
    __table_args__: ClassVar[Any] = (
        CheckConstraint(_NO_MORE_RIGHT_THAN_ASKED, name="no_more_right_than_asked"),
        UniqueConstraint("listing", "number", "exam", "skill", name="one_receipt_per_exam"),
        ForeignKeyConstraint(["listing", "number"], ["version.listing", "version.number"]),
        {"sqlite_autoincrement": True},
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=RowNumber)
    listing: str
    number: int = Field(default=1, sa_type=BigInteger)
    exam: str = STANDARD_EXAM
    skill: str
    split: str
    n_questions: int = Field(sa_type=BigInteger)
    n_correct: int = Field(sa_type=BigInteger)
    n_base_correct: int = Field(sa_type=BigInteger)
    seed: int | None = Field(default=None, sa_type=BigInteger)
    """None = the exam's own."""
    questions_digest: str = ""
    """sha256 of the sheet, 64 hex digits; empty = not stated."""
    layer: str = Field(default="", sa_column_kwargs={"server_default": ""})
    """Digest of what was examined, the version's own; empty = not stated."""
    base_model: str = Field(default="", sa_column_kwargs={"server_default": ""})
    """Fingerprint of the base model it ran on; empty = not stated."""
    prompt: str = Field(default="", sa_column_kwargs={"server_default": ""})
    """How questions were put, 16 hex digits; empty = not stated."""
    rule: str = Field(default="", sa_column_kwargs={"server_default": ""})
    """How answers were scored; empty = not stated."""
    n_ancestor_correct: int | None = Field(default=None, sa_type=BigInteger)
    """Right answers of what it was made from; None = not stated."""
    at: float = 0.0


class Recheck(MarketTable, table=True):
    """A receipt's exam, sat again."""

    __tablename__: ClassVar[str] = "recheck"
    __table_args__: ClassVar[Any] = (
        CheckConstraint(_NO_MORE_RIGHT_THAN_ASKED, name="no_more_right_than_asked_again"),
        {"sqlite_autoincrement": True},
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=RowNumber)
    receipt: int = Field(foreign_key="receipt.id", index=True, sa_type=BigInteger)
    by: str = Field(foreign_key="account.name")
    n_questions: int = Field(sa_type=BigInteger)
    n_correct: int = Field(sa_type=BigInteger)
    n_base_correct: int = Field(sa_type=BigInteger)
    passed: bool
    binding: bool
    """Sat by an evaluator, so that money and reputation follow it."""
    seed: int | None = Field(default=None, sa_type=BigInteger)
    """What fresh questions were drawn with; None = the receipt's own questions."""
    at: float
    key: str = Field(foreign_key="request.key", unique=True)


def last_recheck() -> Any:
    """Number of a receipt's last binding re-run, in a question about receipts."""
    return (
        select(func.max(Recheck.id))
        .where(Recheck.receipt == ReceiptRow.id, col(Recheck.binding))
        .correlate(ReceiptRow)
        .scalar_subquery()
    )


_LATER = ("layer", "base_model", "prompt", "rule", "n_ancestor_correct")
"""What receipts did not state from the beginning."""


@dataclass(frozen=True, slots=True)
class ReceiptFacts:
    """What a layer, and its base model alone, scored on the same questions.

    Raises:
        ReceiptError: The numbers cannot be true, or the split cannot carry a price.
    """

    __pydantic_config__: ClassVar[ConfigDict] = NESTED

    skill: Name
    n_questions: Several
    n_correct: Count
    n_base_correct: Count
    split: Literal["audit", "test"] = "test"
    exam: Name = STANDARD_EXAM
    seed: Seed | None = None
    """What the questions were drawn with; None = the exam's own."""
    questions_digest: QuestionsDigest = ""
    """sha256 of the sheet, 64 hex digits; empty = not stated."""
    layer: Digest | Literal[""] = ""
    """Digest of what was examined, alone and as trained; empty = not stated."""
    base_model: Annotated[str, pydantic.Field(max_length=200)] = ""
    """Fingerprint of the base model it ran on; empty = not stated."""
    prompt: Annotated[str, pydantic.Field(max_length=64)] = ""
    """How questions were put, 16 hex digits; empty = not stated."""
    rule: Annotated[str, pydantic.Field(max_length=64)] = ""
    """How answers were scored, such as "exact"; empty = not stated."""
    n_ancestor_correct: Count | None = None
    """Right answers of what it was made from; None = not stated."""

    def body(self) -> dict[str, object]:
        """What identifies the request; what is not stated is left out, so that old ones repeat."""
        return {
            key: value
            for key, value in asdict(self).items()
            if key not in _LATER or value not in ("", None)
        }

    def __post_init__(self) -> None:
        check_name(self.skill, "skill")
        check_name(self.exam, "exam")
        if self.split not in PRICED_SPLITS:
            raise ReceiptError(
                f"a price rests on questions from {' or '.join(PRICED_SPLITS)},"
                f" got split {self.split!r}: examine the layer again on one of these"
            )
        check_counts(self.n_questions, self.n_correct, self.n_base_correct)
        if self.n_ancestor_correct is not None:
            _check_count("n_ancestor_correct", self.n_ancestor_correct, 0, self.n_questions)
        if self.layer:
            check_digest(self.layer)
        check_text(self.base_model, "base_model")
        for what in ("prompt", "rule"):
            check_text(getattr(self, what), what, max_chars=64)
        if self.seed is not None:
            check_seed(self.seed)
        digest = self.questions_digest
        if digest and not (len(digest) == 64 and set(digest) <= set("0123456789abcdef")):
            raise ReceiptError(
                f"questions_digest must be 64 hex digits or empty, got {digest[:80]!r}:"
                " take the sha256 of the sheet"
            )


@dataclass(frozen=True, slots=True)
class ReceiptView:
    """A receipt as others see it, with what its re-runs showed."""

    id: int
    listing: str
    version: int
    digest: str
    exam: str
    skill: str
    split: str
    n_questions: int
    n_correct: int
    n_base_correct: int
    seed: int | None
    questions_digest: str
    at: float
    n_passed: int
    """Re-runs that agreed, by anyone."""
    n_failed: int
    """Re-runs that did not."""
    refuted: bool
    """The last re-run by an evaluator did not agree: the claim no longer counts."""
    layer: str = ""
    """Digest of what was examined; empty = not stated."""
    base_model: str = ""
    prompt: str = ""
    rule: str = ""
    n_ancestor_correct: int | None = None

    @property
    def lift(self) -> float:
        """Claimed accuracy gained over the base model."""
        return (self.n_correct - self.n_base_correct) / self.n_questions


@dataclass(frozen=True, slots=True)
class RecheckView:
    """One re-run and what came of it."""

    id: int
    receipt: int
    listing: str
    by: str
    n_questions: int
    n_correct: int
    n_base_correct: int
    passed: bool
    binding: bool
    seed: int | None
    """What fresh questions were drawn with; None = the receipt's own questions."""
    reason: str
    """The comparison in words and numbers."""
    at: float


def check_subject(facts: ReceiptFacts, digest: str, base_model: str) -> None:
    """Refuse a receipt of something else than what is sold.

    Raises:
        ReceiptError: Another layer, or the same on another base model.
    """
    if facts.layer not in ("", digest):
        raise ReceiptError(
            f"the receipt is about layer {facts.layer[:12]}, sold is {digest[:12]}: examine what"
            " is sold; layers that were examined together are sold as one (persona:NAME)"
        )
    if facts.base_model not in ("", base_model):
        raise ReceiptError(
            f"the receipt is about base model {facts.base_model[:16]!r}, the layer is for"
            f" {base_model[:16]!r}: examine it on its own base"
        )


def check_counts(n_questions: object, n_correct: object, n_base_correct: object) -> None:
    """Refuse counts that cannot be true.

    Raises:
        ReceiptError: More right than asked, negative, or no whole number.
    """
    questions = _check_count("n_questions", n_questions, 1, MAX_QUESTIONS)
    _check_count("n_correct", n_correct, 0, questions)
    _check_count("n_base_correct", n_base_correct, 0, questions)


def check_seed(seed: object) -> None:
    """Refuse what no questions can be drawn with.

    Raises:
        ReceiptError: It is no whole number of 63 bits.
    """
    _check_count("seed", seed, 0, 2**63 - 1)


def _check_count(what: str, value: object, low: int, high: int) -> int:
    if type(value) is not int or not low <= value <= high:
        raise ReceiptError(
            f"{what} must be a whole number from {low} to {high}, got {value!r}: count again"
        )
    return value
