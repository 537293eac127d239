"""Final exams: the only code that opens the test split, once a run is over.

The headline is by the rules of the questions. Partial credit, where a source gives any
(reasoning-gym), is a number of its own that is never mixed into it.

How an exam is put (system prompt, examples, longest answer) is the same for all who sit it and part
of its digest. A base that is shown examples stands beside it as a control of its own.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np

from academy.challenge import Challenge, Split
from academy.errors import TooFewQuestionsError
from academy.evaluator import LocalEvaluator
from academy.scoring.rule import KINDS, LIKELIHOOD, reason, rule_of
from academy.scoring.scorer import refusal
from academy.skills.curriculum import name_number, skill_named, skill_number
from academy.skills.skill import unique_questions
from academy.sources.builtin import SkillSource
from academy.statistics.intervals import wilson_interval
from academy.trial import Drawer, draw_items
from genome.genome import Genome
from genome.preamble import Preamble

EXAM_SEED = 20_000
"""Every run of every seed sits the same exams, so that runs can be compared."""


@dataclass(frozen=True, slots=True)
class Terms:
    """How an exam is put to everyone."""

    system: str = ""
    n_shots: int = 0
    """Answered examples of the skill's train split before every question."""
    max_new_tokens: int | None = None
    """Longest written answer; None = each kind's own. An exact answer is as long as it is."""

    def evaluator(self, evaluator: LocalEvaluator, source: Drawer, skill: str) -> LocalEvaluator:
        """The same evaluator, asking a skill's questions on these terms.

        Raises:
            TooFewQuestionsError: The skill has fewer train questions with an answer.
        """
        if self == Terms():
            return evaluator
        shots = draw_shots(source, skill, self.n_shots)
        if len(shots) < self.n_shots:
            raise TooFewQuestionsError(
                f"{source.name} has {len(shots)} train questions of {skill!r} to show before the "
                f"others, {self.n_shots} are asked for: show fewer, or add some"
            )
        limits = evaluator.max_new_tokens
        if self.max_new_tokens is not None:
            limits = dict.fromkeys(KINDS, self.max_new_tokens)
        base = evaluator.base.after(Preamble(self.system, shots))
        return replace(evaluator, base=base, max_new_tokens=limits)


@dataclass(frozen=True, slots=True)
class Answered:
    """One question of an exam, and what became of it."""

    challenge: Challenge
    said: str
    worth: float
    reason: str
    """Why it counted or not, in a few words."""


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


def exam_sheet(
    skill: str, n: int, split: Split = "test", *, seed: int = EXAM_SEED
) -> list[Challenge]:
    """`n` different questions of a skill; of one seed always the same ones.

    Raises:
        UnknownSkillError: There is no such skill.
    """
    rng = np.random.default_rng([seed, skill_number(skill)])
    return unique_questions(skill_named(skill), split, n, rng)


def source_sheet(source: Drawer, skill: str, n: int) -> list[Challenge]:
    """Up to `n` different test questions of a skill of any source; the same ones every time.

    Of skills that draw their own those of `exam_sheet`, which receipts are about.

    Raises:
        TrialItemsError, SourceError: The source has no test question of the skill.
    """
    if isinstance(getattr(source, "source", source), SkillSource):
        return exam_sheet(skill, n)
    rng = np.random.default_rng([EXAM_SEED, skill_number(skill)])
    return draw_items(source, n, rng, skills=(skill,), split="test")


def draw_shots(source: Drawer, skill: str, n: int) -> tuple[tuple[str, str], ...]:
    """Up to `n` train questions with their answers; always the same ones, the first ones first."""
    rng = np.random.default_rng([EXAM_SEED, name_number(skill), 1])
    drawn: list[Challenge] = []
    if n:
        with suppress(TooFewQuestionsError):
            drawn = source.draw(skill, "train", n, rng)
    return tuple((c.prompt, c.answer) for c in drawn if c.answer)


def sheet_digest(sheet: Sequence[Challenge]) -> str:
    """Every question with its answer and what decides its score, 64 hex digits."""
    content = [
        [c.prompt, c.answer, list(c.choices), list(c.tests), c.tolerance, *filter(None, [c.rule])]
        for c in sheet
    ]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def exam_digest(evaluator: LocalEvaluator, sheet: Sequence[Challenge]) -> str:
    """The sheet, how its questions are put, and how long answers may be: 16 hex digits."""
    kinds = sorted({rule_of(challenge).kind for challenge in sheet})
    limits = {kind: evaluator.max_new_tokens[kind] for kind in kinds}
    content = [sheet_digest(sheet), evaluator.base.prompt_digest, limits]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]


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


def few_shot_base(
    evaluator: LocalEvaluator, terms: Terms, source: Drawer, sheet: Sequence[Challenge], n: int
) -> tuple[ExamResult, int] | None:
    """What the base alone scores after up to `n` examples, and after how many.

    None where not one fits before every question, or there is none.
    """
    skill = sheet[0].skill
    for n_shots in range(len(draw_shots(source, skill, n)), 0, -1):
        shown = replace(terms, n_shots=n_shots).evaluator(evaluator, source, skill)
        if all(refusal(shown.base, challenge) is None for challenge in sheet):
            return sit_exam(shown, [Genome(shown.base.fingerprint)], sheet)[0], n_shots
    return None


def answers(
    evaluator: LocalEvaluator, genome: Genome, sheet: Sequence[Challenge]
) -> list[Answered]:
    """What a genome says to every question, what that is worth, and why."""
    scores = evaluator.scores([genome], sheet)[0]
    said = evaluator.answers(genome, [c for c in sheet if not _is_likeliest(c)])
    told = iter(said)
    found = []
    for challenge, worth in zip(sheet, scores.tolist(), strict=True):
        if _is_likeliest(challenge):
            option = _likeliest(evaluator, genome, challenge)
            why = f"{option!r} is the likeliest option" if option else "no option is likelier"
        else:
            option = next(told)
            why = reason(challenge, option, worth)
        found.append(Answered(challenge, option, worth, why))
    return found


def _is_likeliest(challenge: Challenge) -> bool:
    return rule_of(challenge).kind in LIKELIHOOD


def _likeliest(evaluator: LocalEvaluator, genome: Genome, challenge: Challenge) -> str:
    """The option that would count if it were right; empty where there is a tie."""
    each = [replace(challenge, answer=option) for option in challenge.choices]
    scores = evaluator.scores([genome], each)[0]
    return challenge.choices[int(scores.argmax())] if scores.any() else ""


def general_sheet(
    skills: Sequence[str], n_per_skill: int, split: Split = "test"
) -> list[Challenge]:
    """The same number of questions from every skill, skill by skill."""
    return [c for skill in skills for c in exam_sheet(skill, n_per_skill, split)]


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
    def of(cls, hits: np.ndarray, n_skills: int) -> SkillAccuracies:
        """From 0/1 scores on a general sheet, (n_skills * n_per_skill,)."""
        return cls(tuple(hits.reshape(n_skills, -1).mean(1).tolist()))


def general_accuracy(
    evaluator: LocalEvaluator, genome: Genome, skills: Sequence[str], n_per_skill: int
) -> SkillAccuracies:
    """One genome's accuracy per skill on the general test exam."""
    scores = evaluator.scores([genome], general_sheet(skills, n_per_skill))[0]
    return SkillAccuracies.of(scores, len(skills))
