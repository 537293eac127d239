"""What a run works with, as opposed to what it is: model, evaluator, questions, budget.

What a run may spend, in token-equivalents (forward 1, forward and backward 3) or in scored answers.

Every cost is known before it is incurred (rows times the widest row of the batch, padding
included), so a run stops at its budget and never after it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from deap.base import Toolbox

from academy.challenge import Challenge, Split, prompts_and_answers
from academy.errors import EmptyChallengesError
from academy.evaluator import MAX_NEW_TOKENS, Evaluator
from academy.evolution.events import Observer, silent
from academy.evolution.state import Candidate, LayerPool
from academy.operators.stacking import Find
from academy.scoring.scorer import most_tokens
from academy.selection.demand import Demand
from academy.sources.source import ChallengeSource
from academy.training import TokenMeter
from genome.base_model import BaseModel
from genome.genome import Genome
from genome.layer import Layer


@dataclass
class Workbench:
    """Held by the process, not by the checkpoint."""

    base: BaseModel
    evaluator: Evaluator
    source: ChallengeSource
    pool: LayerPool
    budget: Budget
    demand: Demand
    observe: Observer = silent
    found: Mapping[str, Sequence[Layer]] = field(default_factory=dict)
    """Layers of a library that may be added and swapped in, by skill."""
    toolbox: Toolbox = field(default_factory=Toolbox)
    """The operators, by name; empty = only an ancestor can be raised."""
    _scores: dict[tuple[tuple[str, ...], tuple[float, ...], str], float] = field(
        default_factory=dict
    )

    @property
    def skills(self) -> tuple[str, ...]:
        return self.source.skills

    def items(
        self, split: Split, counts: int | np.ndarray, rng: np.random.Generator
    ) -> tuple[list[Challenge], np.ndarray]:
        """Questions of every skill; their skill indices, (n_items,).

        Args:
            counts: Questions per skill, one number or (n_skills,) of at least 1.

        Raises:
            EmptyChallengesError: A skill has no question in this split.
        """
        drawn: list[Challenge] = []
        skills: list[int] = []
        each = np.broadcast_to(counts, len(self.skills))
        for index, skill in enumerate(self.skills):
            some = self.source.draw(skill, split, int(each[index]), rng)
            if not some:
                raise EmptyChallengesError(
                    f"skill {skill!r} of {self.source.name} has no question in split {split!r}: "
                    "give it more questions (about one in five goes to select)"
                )
            drawn += some
            skills += [index] * len(some)
        return drawn, np.array(skills)

    def study(
        self, skill: str, n: int, rng: np.random.Generator, *, level: int | None = None
    ) -> list[Challenge]:
        """`n` train questions that have a written answer, repeated where the source is small.

        Empty where it has none: a task with hidden tests alone can be scored, not imitated.
        """
        drawn = self.source.draw(skill, "train", n, rng, level=level)
        some = [c for c in drawn if c.answer]
        return [some[i % len(some)] for i in range(n)] if some else []

    def scores(
        self, candidates: Sequence[Candidate], challenges: Sequence[Challenge]
    ) -> np.ndarray:
        """Every candidate on every challenge; what runs alike is run once, (n, n_challenges).

        The cache key is (layers, weights, item): a score never depends on who else is asked.
        """
        keys = [(c.genes.layers, c.genes.weights) for c in candidates]
        unknown = [
            key
            for key in dict.fromkeys(keys)
            if any((*key, item.id) not in self._scores for item in challenges)
        ]
        if unknown:
            first = {key: keys.index(key) for key in unknown}
            genomes = [candidates[first[key]].genes.genome(self.pool) for key in unknown]
            rows = self.evaluator.scores(genomes, challenges)
            self.budget.answered(rows.size)
            for key, row in zip(unknown, rows, strict=True):
                for item, score in zip(challenges, row, strict=True):
                    self._scores[(*key, item.id)] = float(score)
        return np.array([[self._scores[(*key, item.id)] for item in challenges] for key in keys])

    def find(self, skill: str) -> Find | None:
        """Proposes layers found for a skill, all alike; None if there are none."""
        some = self.found.get(skill, ())
        return (lambda rng: self.pool.add(some[int(rng.integers(len(some)))])) if some else None

    def forget_scores(self) -> None:
        """Empty the cache; the next generation asks other items."""
        self._scores.clear()

    def scoring_cost(self, n_candidates: int, challenges: Sequence[Challenge]) -> int:
        """Most that scoring may cost, in the unit of the budget."""
        if self.budget.answers is not None:
            return n_candidates * len(challenges)
        return scoring_cost(self.base, n_candidates, challenges)

    def training_cost(self, positions: int) -> int:
        """What training on so many positions costs, in the unit of the budget."""
        return 0 if self.budget.answers is not None else TRAINED * positions

    def bare(self) -> Genome:
        """The base alone."""
        return Genome(self.base.fingerprint)


FORWARD, TRAINED = 1, 3


@dataclass
class Budget:
    """A limit and the meter it is read from."""

    limit: int
    meter: TokenMeter
    answers: int | None = None
    """Scored answers of candidates so far, where these are counted; None = tokens are."""

    def answered(self, n: int) -> None:
        """So many more answers of candidates were scored."""
        if self.answers is not None:
            self.answers += n

    @property
    def spent(self) -> int:
        return self.meter.equivalents if self.answers is None else self.answers

    @property
    def left(self) -> int:
        return self.limit - self.spent

    def affords(self, cost: float) -> bool:
        """Whether so much may still be spent."""
        return cost <= self.left


def width(base: BaseModel, challenges: Sequence[Challenge]) -> int:
    """Positions of the widest row, questions and answers together."""
    return int(base.rows(*prompts_and_answers(challenges)).input_ids.shape[1])


def scoring_cost(base: BaseModel, n_genomes: int, challenges: Sequence[Challenge]) -> int:
    """Most that scoring so many genomes on these challenges can cost."""
    if not n_genomes or not challenges:
        return 0
    return FORWARD * n_genomes * most_tokens(base, challenges, MAX_NEW_TOKENS)
