"""Final exams: the only code that opens the test split, once a run is over.

The headline is exact. Partial credit, where a source gives any (reasoning-gym), is a number of
its own that is never mixed into it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from academy.challenge import Challenge, Split
from academy.evaluator import LocalEvaluator
from academy.skills import SKILLS, skill_named, unique_questions
from academy.sources.builtin import BuiltinSource
from academy.statistics.intervals import wilson_interval
from academy.trial import Drawer, draw_items
from genome.genome import Genome

EXAM_SEED = 20_000
"""Every run of every seed sits the same exams, so that runs can be compared."""


@dataclass(frozen=True, slots=True)
class ExamResult:
    """How many questions of one exam were answered exactly."""

    n_questions: int
    n_correct: int

    @property
    def accuracy(self) -> float:
        return self.n_correct / self.n_questions

    @property
    def interval(self) -> tuple[float, float]:
        """95 % Wilson interval of the accuracy."""
        return wilson_interval(self.n_correct, self.n_questions)


def exam_sheet(skill: str, n: int, split: Split = "test") -> list[Challenge]:
    """`n` different questions of a skill; always the same ones."""
    index = [s.name for s in SKILLS].index(skill)
    rng = np.random.default_rng([EXAM_SEED, index])
    return unique_questions(skill_named(skill), split, n, rng)


def source_sheet(source: Drawer, skill: str, n: int) -> list[Challenge]:
    """Up to `n` different test questions of a skill of any source; the same ones every time.

    Of a built-in skill those of `exam_sheet`, which receipts are about.

    Raises:
        TrialItemsError, SourceError: The source has no test question of the skill.
    """
    if isinstance(getattr(source, "source", source), BuiltinSource):
        return exam_sheet(skill, n)
    tag = int.from_bytes(hashlib.sha256(skill.encode()).digest()[:8], "big")
    rng = np.random.default_rng([EXAM_SEED, tag])
    return draw_items(source, n, rng, skills=(skill,), split="test")


def partial_credit(
    evaluator: LocalEvaluator, genomes: Sequence[Genome], source: Drawer, sheet: Sequence[Challenge]
) -> list[float] | None:
    """Every genome's mean credit in [0, 1] for what it writes; None if the source gives none.

    Args:
        source: The very one that the sheet was drawn from.
    """
    give = getattr(source, "partial_credit", None)
    if give is None:
        return None
    reader = LocalEvaluator(
        evaluator.base, evaluator.tokens, scorers={"exact": lambda c, said: give(c, said) or 0.0}
    )
    return [float(mean) for mean in reader.scores(genomes, sheet).mean(1)]


def sit_exam(
    evaluator: LocalEvaluator, genomes: Sequence[Genome], sheet: Sequence[Challenge]
) -> list[ExamResult]:
    """Every genome answers the whole sheet.

    Raises:
        ExamFailedError: Most answers could not be scored, so that the rest says nothing.
    """
    before = evaluator.failed.count
    scores = evaluator.scores(genomes, sheet)
    evaluator.failed.refuse_most(evaluator.failed.count - before, scores.size)
    return [ExamResult(len(sheet), int(row.sum())) for row in scores]


def general_sheet(n_per_skill: int, split: Split = "test") -> list[Challenge]:
    """The same number of questions from every skill, skill by skill."""
    return [c for skill in SKILLS for c in exam_sheet(skill.name, n_per_skill, split)]


@dataclass(frozen=True, slots=True)
class SkillAccuracies:
    """Accuracy per skill on a general exam, with the two numbers that are compared."""

    by_skill: tuple[float, ...]

    @property
    def mean(self) -> float:
        return float(np.mean(self.by_skill))

    @property
    def worst(self) -> float:
        return float(np.min(self.by_skill))

    @classmethod
    def of(cls, hits: np.ndarray) -> SkillAccuracies:
        """From 0/1 scores on a general sheet, (n_skills * n_per_skill,)."""
        return cls(tuple(hits.reshape(len(SKILLS), -1).mean(1).tolist()))


def general_accuracy(
    evaluator: LocalEvaluator, genome: Genome, n_per_skill: int
) -> SkillAccuracies:
    """One genome's accuracy per skill on the general test exam."""
    return SkillAccuracies.of(evaluator.scores([genome], general_sheet(n_per_skill))[0])
