"""Exact scoring of whole populations, without generating anything.

Greedy decoding gives the right answer exactly when the right token is the arg-max at every
answer position under teacher forcing: up to the first wrong token both see the same prefix,
and after it both have failed. (`tests/academy/test_evaluator.py` proves it against real
generation.) So one forward pass scores a whole batch of questions, for many genomes at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import torch

from academy.challenge import Challenge
from genome.base_model import IGNORED, BaseModel, Rows
from genome.genome import Genome
from genome.population import PopulationModel
from genome.running.stack import check_fit

BATCH_ROWS = 512
"""Rows per forward pass: large enough to keep two cores busy, small enough for a laptop."""


@dataclass(slots=True)
class TokenMeter:
    """Tokens computed so far, padding included: the budget every method is compared under."""

    forward: int = 0
    backward: int = 0
    """Tokens that went forward and backward (counted here only, not in `forward`)."""

    @property
    def equivalents(self) -> int:
        """Forward passes' worth of work: forward 1, forward + backward 3."""
        return self.forward + 3 * self.backward


class Evaluator(Protocol):
    """Anything that can score genomes on challenges."""

    def scores(self, genomes: Sequence[Genome], challenges: Sequence[Challenge]) -> np.ndarray:
        """1.0 where a genome answers a challenge exactly, (n_genomes, n_challenges) float."""
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

    def scores_each(
        self, genomes: Sequence[Genome], challenges: Sequence[Sequence[Challenge]]
    ) -> np.ndarray:
        """Genome i on its own list of challenges i, all lists equally long."""
        n_each = len(challenges[0]) if challenges else 0
        if not n_each:
            return np.zeros((len(genomes), 0))
        at_once = max(1, BATCH_ROWS // n_each)
        parts = [
            self._score_batch(genomes[i : i + at_once], challenges[i : i + at_once])
            for i in range(0, len(genomes), at_once)
        ]
        return np.concatenate(parts)

    def _score_batch(
        self, genomes: Sequence[Genome], challenges: Sequence[Sequence[Challenge]]
    ) -> np.ndarray:
        flat = [challenge for one in challenges for challenge in one]
        rows = self.base.rows([c.prompt for c in flat], [c.answer for c in flat])
        slots = self._population.load(genomes)
        n_each = len(challenges[0])
        with torch.no_grad(), self._population.rows([s for s in slots for _ in range(n_each)]):
            hits = exact_hits(self.base, rows)
        self.tokens.forward += rows.n_tokens
        return np.asarray(hits.reshape(len(genomes), n_each))


def exact_hits(base: BaseModel, rows: Rows) -> np.ndarray:
    """1.0 for every row whose answer greedy decoding would give exactly, (n_rows,) float."""
    asked = (rows.labels != IGNORED).any(0).nonzero().flatten()  # columns with an answer token
    output = base.model(input_ids=rows.input_ids, use_cache=False, logits_to_keep=asked)
    labels = rows.labels[:, asked]
    right = ((output.logits.argmax(-1) == labels) | (labels == IGNORED)).all(-1)
    return np.asarray(right.numpy(), dtype=np.float64)
