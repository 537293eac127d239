"""The real problem that a method is given: a model, selection items, and a purse."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from academy.benchmark.problem import BudgetSpent
from academy.challenge import Challenge, prompts_and_answers
from academy.evaluator import LocalEvaluator
from academy.evolution.workbench import TRAINED, scoring_cost
from academy.sources.source import ChallengeSource
from academy.training import Moments, StudyPlan
from genome.base_model import BaseModel, Rows
from genome.genome import Genome
from genome.layer import Layer


@dataclass
class Purse:
    """A `TrainableProblem` on a real model; every call is charged before it is computed."""

    base: BaseModel
    source: ChallengeSource
    experts: tuple[Layer, ...]
    items: list[Challenge]
    item_skill: np.ndarray
    budget: int
    """Token-equivalents in all, those spent before included."""
    spent_before: int = 0
    first: ChallengeSource | None = None
    """Track B: what gradient methods may learn before the track's own questions."""
    first_share: float = 0.0
    """Part of the budget for it."""
    curve: list[tuple[int, float]] = field(default_factory=list)
    """(token-equivalents spent, merit of the incumbent) whenever one is reported."""

    def __post_init__(self) -> None:
        self.evaluator = LocalEvaluator(self.base)

    def of_skill(self, index: int, budget: int) -> Purse:
        """The same problem for one skill alone, with a purse of its own."""
        mine = np.flatnonzero(self.item_skill == index)
        one = _OneSkill(self.source, self.source.skills[index])
        items = [self.items[i] for i in mine]
        return Purse(self.base, one, self.experts, items, np.zeros(len(mine), int), budget)

    @property
    def base_model(self) -> str:
        return self.base.fingerprint

    @property
    def skills(self) -> tuple[str, ...]:
        return self.source.skills

    @property
    def spent(self) -> int:
        """Token-equivalents so far."""
        return self.spent_before + self.evaluator.tokens.equivalents

    @property
    def left(self) -> int:
        return self.budget - self.spent

    def scores(self, genomes: Sequence[Genome], items: np.ndarray | None = None) -> np.ndarray:
        asked = self._asked(genomes, items)
        return self.evaluator.scores(genomes, asked)

    def losses(self, genomes: Sequence[Genome], items: np.ndarray | None = None) -> np.ndarray:
        asked = self._asked(genomes, items)
        return self.evaluator.losses(genomes, asked)

    def report(self, genomes: Sequence[Genome], score: float) -> None:
        self.curve.append((self.spent, float(score)))

    def first_rows(self, n: int, rng: np.random.Generator) -> Rows:
        """Training questions of `first`, all skills in turn."""
        assert self.first is not None
        return self.base.rows(*prompts_and_answers(train_questions(self.first, None, n, rng)))

    def train_rows(self, skill: str | None, n: int, rng: np.random.Generator) -> Rows:
        return self.base.rows(*prompts_and_answers(train_questions(self.source, skill, n, rng)))

    def train_rows_of_all(self, n: int, rng: np.random.Generator) -> Rows:
        """Training questions of all the track's skills in turn."""
        return self.train_rows(None, n, rng)

    def train(
        self,
        layers: Sequence[Layer],
        studies: Sequence[Rows],
        plan: StudyPlan,
        *,
        rates: Sequence[float] | None = None,
        below: Sequence[Genome] | None = None,
    ) -> list[Layer]:
        widest = max(rows.input_ids.shape[1] for rows in studies)
        self._charge(TRAINED * plan.n_rows * len(layers) * widest)
        return self.evaluator.train(layers, studies, plan, rates=rates, below=below)

    def train_on(
        self, layer: Layer, study: Rows, plan: StudyPlan, moments: Moments | None
    ) -> tuple[Layer, Moments]:
        """A stretch of one layer's training, the optimiser's memory kept (`academy.training`)."""
        self._charge(TRAINED * plan.n_rows * study.input_ids.shape[1])
        return self.evaluator.train_on(layer, study, plan, moments)

    def _asked(self, genomes: Sequence[Genome], items: np.ndarray | None) -> list[Challenge]:
        asked = self.items if items is None else [self.items[int(i)] for i in items]
        self._charge(scoring_cost(self.base, len(genomes), asked))
        return asked

    def _charge(self, needed: int) -> None:
        if needed > self.left:
            raise BudgetSpent(needed, self.left)


class _OneSkill:
    """A source cut down to one of its skills."""

    def __init__(self, source: ChallengeSource, skill: str) -> None:
        self.name = f"{source.name}:{skill}"
        self.skills: tuple[str, ...] = (skill,)
        self.describe = source.describe
        self.draw = source.draw


def train_questions(
    source: ChallengeSource, skill: str | None, n: int, rng: np.random.Generator
) -> list[Challenge]:
    """Train questions of one skill or evenly of all, shuffled; repeated where a source is small."""
    names = source.skills if skill is None else (skill,)
    drawn: list[Challenge] = []
    for index, name in enumerate(names):
        count = n // len(names) + (index < n % len(names))
        if count:
            some = source.draw(name, "train", count, rng)
            drawn += [some[i % len(some)] for i in range(count)]
    return [drawn[i] for i in rng.permutation(len(drawn))]
