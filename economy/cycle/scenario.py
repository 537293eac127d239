"""What customers ask for, before and after the shift, and how large everything is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from academy.errors import ConfigError
from academy.skills import SKILL_NAMES

Link = Literal["linked", "cut", "even"]
LINKS: tuple[Link, ...] = ("linked", "cut", "even")
"""`linked`: the Academy reads the market's demand each epoch. The controls have the same money
and budget: `cut` goes on with the demand known before the shift, `even` never hears of any."""
FIRST = ("reverse", "case", "and")
THEN = ("shift", "count", "slice")
"""Two sets of skills, both learnable on the embedded base, none of it beforehand."""


@dataclass(frozen=True)
class CycleSettings:
    """One scenario.

    Raises:
        ConfigError: A number out of bounds.
    """

    epochs: int = 12
    shift: int = 6
    """The first epoch with the other demand mix."""
    questions: int = 240
    """Asked by customers in one epoch."""
    tokens: int = 300_000
    """Most that the Academy may spend in one epoch, token-equivalents."""
    share: float = 0.8
    """Part of all questions that goes to the wanted skills."""
    exam: int = 150
    """Test questions behind a receipt."""
    swapped: bool = False
    """The two sets of skills in the other order."""
    seed: int = 1

    def __post_init__(self) -> None:
        if not 2 <= self.epochs <= 1_000 or not 1 <= self.shift < self.epochs:
            raise ConfigError(
                f"{self.epochs} epochs with a shift at {self.shift}: give 2 to 1000 epochs and a "
                "shift between the first and the last"
            )
        least = {"questions": 12, "tokens": 20_000, "exam": 10}
        for name, low in least.items():
            if getattr(self, name) < low:
                raise ConfigError(f"{name} is {getattr(self, name)}: give {low} or more")
        if not 0 < self.share <= 1:
            raise ConfigError(f"share is {self.share}: give a part of all questions, up to 1")

    def wanted(self, epoch: int) -> tuple[str, ...]:
        """The skills most asked for in an epoch."""
        later = epoch >= self.shift
        return THEN if later != self.swapped else FIRST

    def mix(self, epoch: int) -> np.ndarray:
        """How often each built-in skill is asked for, (n_skills,), summing to 1."""
        wanted = np.array([skill in self.wanted(epoch) for skill in SKILL_NAMES])
        rest = (1 - self.share) / (~wanted).sum()
        return np.asarray(np.where(wanted, self.share / wanted.sum(), rest))


@dataclass(frozen=True)
class EpochRow:
    """What an epoch came to."""

    epoch: int
    served: float
    """Share of the customers' questions that were answered right."""
    base: float
    """The same questions answered by the base alone."""
    wanted: tuple[str, ...]
    by_skill: dict[str, float]
    """Accuracy of what the market offered for each skill, on the epoch's questions."""
    population: dict[str, int]
    """Living personas by the skill in which they exceed the base most."""
    demand: dict[str, float]
    """What the Academy was told for the next epoch."""
    published: int
    income: float
    """Credits that makers earned."""
    training: float
    """Credits that makers paid for machine time."""
    tokens: int
    """Token-equivalents the Academy spent."""


def recovery(rows: list[EpochRow], settings: CycleSettings) -> tuple[float, float, int | None]:
    """(level before, best level within five epochs after the shift, epochs to 95 % or None).

    The level before is the mean of the last two epochs before the shift.
    """
    before = float(np.mean([r.served for r in rows if r.epoch < settings.shift][-2:]))
    after = [r.served for r in rows if settings.shift <= r.epoch < settings.shift + 6]
    reached = next((i for i, x in enumerate(after) if x >= 0.95 * before), None)
    return before, max(after, default=0.0), reached
