"""Scoring of whole populations, where possible without generating anything.

Greedy decoding gives the right answer's tokens exactly when each is the arg-max under teacher
forcing: up to the first wrong token both see the same prefix. Where a text has one spelling, one
forward pass so scores a whole batch of exact questions, for many genomes at once; where it has
more, those that are still open after the first wrong token are written out (`genome.spelling`).
`tests/academy/test_evaluator.py` proves both against real generation. Multiple choice goes by
likelihood; all else is generated, all genomes together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from academy.answering import greedy_answers
from academy.challenge import Challenge
from academy.scoring.bench import Asked, Bench
from academy.scoring.code import CodeScorer
from academy.scoring.rule import KINDS, Kind, Scorer, rule_of
from academy.scoring.scorer import Failures, room_for
from academy.training import Moments, StudyPlan, TokenMeter, train_litter, train_on
from genome.base_model import BaseModel, Rows
from genome.genome import Genome
from genome.layer import Layer
from genome.population import PopulationModel
from genome.running.stack import check_fit

BATCH_ROWS = 512
"""Rows per forward pass: large enough to keep two cores busy, small enough for a laptop."""
MAX_NEW_TOKENS: Mapping[Kind, int] = {**dict.fromkeys(KINDS, 64), "tests": 256}
"""Longest written answer by kind of challenge."""


class Evaluator(Protocol):
    """Anything that can score genomes on challenges, and train layers."""

    tokens: TokenMeter

    @property
    def failures(self) -> int:
        """Scorings that went wrong so far and counted as 0."""
        ...

    def scores(self, genomes: Sequence[Genome], challenges: Sequence[Challenge]) -> np.ndarray:
        """The worth in [0, 1] of each answer, 1.0 = right, (n_genomes, n_challenges) float."""
        ...

    def losses(self, genomes: Sequence[Genome], challenges: Sequence[Challenge]) -> np.ndarray:
        """Mean negative log-likelihood per token of each right answer, in nats."""
        ...

    def train(
        self,
        layers: Sequence[Layer],
        studies: Sequence[Rows],
        plan: StudyPlan,
        *,
        rates: Sequence[float] | None = None,
        below: Sequence[Genome] | None = None,
    ) -> list[Layer]:
        """Train a litter side by side; see `academy.training.train_litter`."""
        ...

    def train_on(
        self, layer: Layer, study: Rows, plan: StudyPlan, moments: Moments | None = None
    ) -> tuple[Layer, Moments]:
        """Train one layer in stretches; see `academy.training.train_on`."""
        ...


def batches(n_genomes: int, n_each: int) -> list[slice]:
    """Which genomes go through the model together, each with `n_each` questions.

    Whoever splits work between processes splits it here: a row's last bits depend on its batch.
    """
    at_once = max(1, BATCH_ROWS // max(1, n_each))
    return [slice(i, min(i + at_once, n_genomes)) for i in range(0, n_genomes, at_once)]


def _standard_scorers() -> dict[Kind, Scorer]:
    return {"tests": CodeScorer()}


@dataclass
class LocalEvaluator:
    """Scores in this process, in population batches."""

    base: BaseModel
    tokens: TokenMeter = field(default_factory=TokenMeter)
    scorers: Mapping[Kind, Scorer] = field(default_factory=_standard_scorers)
    """Of answers in writing, by kind, where not those of `academy.scoring.rule`."""
    max_new_tokens: Mapping[Kind, int] = field(default_factory=lambda: dict(MAX_NEW_TOKENS))
    failed: Failures = field(default_factory=Failures)
    """What could not be scored: it counted as 0 and the run went on."""

    def __post_init__(self) -> None:
        self._population = PopulationModel(self.base.model)

    @property
    def failures(self) -> int:
        """Scorings that went wrong so far; `failed.causes` says how."""
        return self.failed.count

    def check(self, genome: Genome) -> None:
        """Refuse a genome that this base cannot run.

        Raises:
            GenomeError: It changes what the model does not have, or of another size.
        """
        check_fit(genome, self._population.sites)

    def scores(self, genomes: Sequence[Genome], challenges: Sequence[Challenge]) -> np.ndarray:
        """Every genome on every challenge, (n_genomes, n_challenges) float."""
        return self.scores_each(genomes, [challenges] * len(genomes))

    def scores_each(
        self, genomes: Sequence[Genome], challenges: Sequence[Sequence[Challenge]]
    ) -> np.ndarray:
        """Genome i on its own list of challenges i, all lists equally long, of any kinds.

        Raises:
            ScoringRefusedError: There are code questions and no sandbox to run answers in.
        """
        return self._in_batches(genomes, challenges, Bench.scores)

    def losses(self, genomes: Sequence[Genome], challenges: Sequence[Challenge]) -> np.ndarray:
        """Mean negative log-likelihood per answer token, (n_genomes, n_challenges), in nats."""
        return self._in_batches(genomes, [challenges] * len(genomes), Bench.losses)

    def answers(self, genome: Genome, challenges: Sequence[Challenge]) -> list[str]:
        """What one genome writes to every question, as it is scored; likelihoods need none."""
        slots = self._population.load([genome])
        said = [""] * len(challenges)
        kinds = [rule_of(challenge).kind for challenge in challenges]
        for kind in dict.fromkeys(kinds):
            places = [i for i, found in enumerate(kinds) if found == kind]
            some = [challenges[i] for i in places]
            room = self.max_new_tokens[kind]
            if kind == "exact":
                room = max(room, room_for(some))
            asked = slots * len(some), [challenge.prompt for challenge in some]
            written = greedy_answers(self.base, self._population, *asked, room, self.tokens)
            for i, text in zip(places, written, strict=True):
                said[i] = text
        return said

    def train(
        self,
        layers: Sequence[Layer],
        studies: Sequence[Rows],
        plan: StudyPlan,
        *,
        rates: Sequence[float] | None = None,
        below: Sequence[Genome] | None = None,
    ) -> list[Layer]:
        """Train a litter side by side, charged to `tokens`."""
        return train_litter(self.base, layers, studies, plan, self.tokens, rates=rates, below=below)

    def train_on(
        self, layer: Layer, study: Rows, plan: StudyPlan, moments: Moments | None = None
    ) -> tuple[Layer, Moments]:
        """One stretch of a longer study, charged to `tokens`."""
        return train_on(self.base, layer, study, plan, self.tokens, moments)

    def _in_batches(
        self,
        genomes: Sequence[Genome],
        challenges: Sequence[Sequence[Challenge]],
        measure: Callable[[Bench, Sequence[Asked]], np.ndarray],
    ) -> np.ndarray:
        n_each = len(challenges[0]) if challenges else 0
        values = np.zeros((len(genomes), n_each))
        if not n_each:
            return values
        bench = Bench(
            self.base, self._population, self.tokens, self.failed, self.scorers, self.max_new_tokens
        )
        for part in batches(len(genomes), n_each):
            slots = self._population.load(genomes[part])
            asked = [
                Asked(slot, challenge)
                for slot, one in zip(slots, challenges[part], strict=True)
                for challenge in one
            ]
            values[part] = measure(bench, asked).reshape(len(slots), n_each)
        return values
