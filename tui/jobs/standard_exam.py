"""The exams that receipts state, drawn again from what a receipt says about them."""

from __future__ import annotations

import numpy as np

from academy.challenge import Challenge, Split
from academy.exam import EXAM_SEED
from academy.skills import SKILLS, skill_named, unique_questions
from marketplace.errors import ReceiptError
from marketplace.receipt import STANDARD_EXAM, ReceiptView


def standard_sheet(
    skill: str, n: int, *, split: Split = "test", seed: int = EXAM_SEED
) -> list[Challenge]:
    """`n` different questions of a skill; with the usual seed those of `academy.exam`."""
    niche = skill_named(skill)
    rng = np.random.default_rng([seed, [s.name for s in SKILLS].index(skill)])
    return unique_questions(niche, split, n, rng)


def sheet_of(receipt: ReceiptView, fresh_seed: int | None = None) -> list[Challenge]:
    """The very questions a receipt is about, or as many others of its exam.

    Args:
        fresh_seed: What the others are drawn with; few-questioned skills repeat some.

    Raises:
        UnknownSkillError: The skill is none of this program's.
        ReceiptError: The exam is none of this program's, or has fewer questions.
    """
    if receipt.exam != STANDARD_EXAM:
        raise ReceiptError(
            f"receipt {receipt.id} is about exam {receipt.exam!r}, this program has only"
            f" {STANDARD_EXAM!r}: ask whoever wrote it for the exam"
        )
    split: Split = "audit" if receipt.split == "audit" else "test"
    stated = EXAM_SEED if receipt.seed is None else receipt.seed
    seed = stated if fresh_seed is None else fresh_seed
    sheet = standard_sheet(receipt.skill, receipt.n_questions, split=split, seed=seed)
    if len(sheet) != receipt.n_questions:
        raise ReceiptError(
            f"receipt {receipt.id} is about {receipt.n_questions} questions of {receipt.skill!r},"
            f" which has {len(sheet)}: use the version of continuum that wrote it"
        )
    return sheet
