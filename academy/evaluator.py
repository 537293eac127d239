"""Exact scoring of whole populations, without generating anything.

Greedy decoding gives the right answer exactly when the right token is the arg-max at every
answer position under teacher forcing: up to the first wrong token both see the same prefix,
and after it both have failed. (`tests/academy/test_evaluator.py` proves it against real
generation.) So one forward pass scores a whole batch of questions, for many genomes at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import torch

from academy.challenge import Challenge
from academy.training import StudyPlan, TokenMeter, train_litter
from genome.base_model import IGNORED, BaseModel, Rows
from genome.genome import Genome
from genome.layer import Layer
from genome.population import PopulationModel
from genome.running.stack import check_fit

BATCH_ROWS = 512
"""Rows per forward pass: large enough to keep two cores busy, small enough for a laptop."""


Measure = Callable[[BaseModel, Rows], np.ndarray]
"""(base, n rows) -> (n,) float64, while the population's rows are open."""


class Evaluator(Protocol):
    """Anything that can score genomes on challenges, and train layers."""

    tokens: TokenMeter

    def scores(self, genomes: Sequence[Genome], challenges: Sequence[Challenge]) -> np.ndarray:
        """1.0 where a genome answers a challenge exactly, (n_genomes, n_challenges) float."""
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


@dataclass
class LocalEvaluator:
    """Scores in this process, in population batches."""

    base: BaseModel
    tokens: TokenMeter = field(default_factory=TokenMeter)

    def __post_init__(self) -> None:
        self._population = PopulationModel(self.base.model)

    def check(self, genome: Genome) -> None:
        """Refuse a genome that this base cannot run.

        Raises:
            GenomeError: It changes what the model does not have, or of another size.
        """
        check_fit(genome, self._population.sites)

    def scores(self, genomes: Sequence[Genome], challenges: Sequence[Challenge]) -> np.ndarray:
        """Every genome on every challenge, (n_genomes, n_challenges) float."""
        return self.scores_each(genomes, [challenges] * len(genomes))

    def losses(self, genomes: Sequence[Genome], challenges: Sequence[Challenge]) -> np.ndarray:
        """Mean negative log-likelihood per answer token, (n_genomes, n_challenges), in nats."""
        return self._in_batches(genomes, [challenges] * len(genomes), answer_losses)

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

    def scores_each(
        self, genomes: Sequence[Genome], challenges: Sequence[Sequence[Challenge]]
    ) -> np.ndarray:
        """Genome i on its own list of challenges i, all lists equally long."""
        return self._in_batches(genomes, challenges, exact_hits)

    def _in_batches(
        self,
        genomes: Sequence[Genome],
        challenges: Sequence[Sequence[Challenge]],
        measure: Measure,
    ) -> np.ndarray:
        n_each = len(challenges[0]) if challenges else 0
        if not n_each:
            return np.zeros((len(genomes), 0))
        at_once = max(1, BATCH_ROWS // n_each)
        parts = [
            self._measure_batch(genomes[i : i + at_once], challenges[i : i + at_once], measure)
            for i in range(0, len(genomes), at_once)
        ]
        return np.concatenate(parts)

    def _measure_batch(
        self,
        genomes: Sequence[Genome],
        challenges: Sequence[Sequence[Challenge]],
        measure: Measure,
    ) -> np.ndarray:
        flat = [challenge for one in challenges for challenge in one]
        rows = self.base.rows([c.prompt for c in flat], [c.answer for c in flat])
        slots = self._population.load(genomes)
        n_each = len(challenges[0])
        with torch.no_grad(), self._population.rows([s for s in slots for _ in range(n_each)]):
            values = measure(self.base, rows)
        self.tokens.forward += rows.n_tokens
        return np.asarray(values.reshape(len(genomes), n_each))


def exact_hits(base: BaseModel, rows: Rows) -> np.ndarray:
    """1.0 for every row whose answer greedy decoding would give exactly, (n_rows,) float."""
    asked = (rows.labels != IGNORED).any(0).nonzero().flatten()  # columns with an answer token
    output = base.model(input_ids=rows.input_ids, use_cache=False, logits_to_keep=asked)
    labels = rows.labels[:, asked]
    right = ((output.logits.argmax(-1) == labels) | (labels == IGNORED)).all(-1)
    return np.asarray(right.numpy(), dtype=np.float64)


def answer_losses(base: BaseModel, rows: Rows) -> np.ndarray:
    """Mean negative log-likelihood per answer token of every row, in nats, (n_rows,) float."""
    asked = (rows.labels != IGNORED).any(0).nonzero().flatten()
    output = base.model(input_ids=rows.input_ids, use_cache=False, logits_to_keep=asked)
    labels = rows.labels[:, asked]
    losses = torch.nn.functional.cross_entropy(
        output.logits.float().flatten(0, 1), labels.flatten(), ignore_index=IGNORED,
        reduction="none",
    ).view(labels.shape)  # fmt: skip
    n_tokens = (labels != IGNORED).sum(1)
    return np.asarray((losses.sum(1) / n_tokens).numpy(), dtype=np.float64)
