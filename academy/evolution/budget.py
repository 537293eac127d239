"""What a run may spend, in token-equivalents: forward 1, forward and backward 3.

Every cost is known before it is incurred (rows times the widest row of the batch, padding
included), so a run stops at its budget and never after it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from academy.challenge import Challenge, prompts_and_answers
from academy.evaluator import MAX_NEW_TOKENS
from academy.scoring.cost import most_tokens
from academy.training import TokenMeter
from genome.base_model import BaseModel

FORWARD, TRAINED = 1, 3


@dataclass
class Budget:
    """A limit and the meter it is read from."""

    limit: int
    meter: TokenMeter

    @property
    def spent(self) -> int:
        return self.meter.equivalents

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
