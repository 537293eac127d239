"""What a teacher knows of one kind of question: how often the population gets it right."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from academy.statistics.intervals import wilson_interval


@dataclass(frozen=True, slots=True)
class Arm:
    """A skill at a level, with discounted counts of attempts and hits."""

    skill: str
    level: int | None
    hits: float = 0.0
    tries: float = 0.0
    total: int = 0
    """Attempts ever, not discounted."""

    @property
    def p(self) -> float:
        """Probability of success under a uniform prior; 0.5 where nothing is known."""
        return (self.hits + 1) / (self.tries + 2)

    @property
    def bounds(self) -> tuple[float, float]:
        """95 % Wilson interval of the probability of success."""
        return wilson_interval(round(self.hits), math.ceil(self.tries))

    def after(self, hits: float, tries: int, memory: float) -> Arm:
        """The arm with a lesson's outcome added, what it knew before discounted."""
        return replace(
            self,
            hits=self.hits * memory + hits,
            tries=self.tries * memory + tries,
            total=self.total + tries,
        )

    def state(self) -> list[Any]:
        """Plain JSON."""
        return [self.skill, self.level, self.hits, self.tries, self.total]

    @classmethod
    def restored(cls, state: Sequence[Any]) -> Arm:
        """The inverse of `state`; raises TypeError or ValueError for anything else."""
        skill, level, hits, tries, total = state
        level = None if level is None else int(level)
        return cls(str(skill), level, float(hits), float(tries), int(total))
