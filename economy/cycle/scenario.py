"""What customers ask for, before and after the shift, and how large everything is.

Served accuracy with and without the link, and whom the linked Academy keeps alive.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from academy.errors import ConfigError
from academy.skills.letters import SKILL_NAMES

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = {"linked": "#1b7837", "cut": "#b2182b", "even": "#2166ac"}
WORDS = {
    "linked": "Academy hears the market",
    "cut": "link cut at the shift",
    "even": "never linked (all skills alike)",
}

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


def plot_cycle(settings: CycleSettings, found: Mapping[str, Sequence[EpochRow]]) -> str:
    """The figure as SVG text."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, (above, below) = plt.subplots(
        2, 1, figsize=(8, 7), sharex=True, layout="constrained", height_ratios=(3, 2)
    )
    for link, rows in found.items():
        above.plot(
            [r.epoch for r in rows],
            [r.served for r in rows],
            "o-",
            ms=4,
            color=COLOURS[link],
            label=WORDS[link],
        )
    some = next(iter(found.values()))
    above.plot(
        [r.epoch for r in some],
        [r.base for r in some],
        ":",
        color="0.5",
        label="base model",
    )
    for axes in (above, below):
        axes.axvline(settings.shift - 0.5, color="0.6", lw=1, ls="--")
    above.set_ylabel("questions answered right")
    above.set_ylim(0, 1)
    above.legend(frameon=False, fontsize=9, loc="lower right")
    above.set_title("Demand changes at the dashed line", fontsize=11, loc="left")
    _population(below, found.get("linked", some))
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None})
    plt.close(figure)
    return text.getvalue()


def _population(axes: Axes, rows: Sequence[EpochRow]) -> None:
    """Stacked bars: whose skill the living personas serve, wanted skills named."""
    from matplotlib import colormaps

    named = [s for s in SKILL_NAMES if s in {*FIRST, *THEN}]
    colours = dict(zip(named, colormaps["tab10"](range(len(named))), strict=True))
    floor = [0.0] * len(rows)
    for skill in (*named, "others"):
        share = [_share(row, named, skill) for row in rows]
        colour = colours.get(skill, (0.85, 0.85, 0.85, 1.0))
        axes.bar([r.epoch for r in rows], share, bottom=floor, color=colour, label=skill)
        floor = [low + part for low, part in zip(floor, share, strict=True)]
    axes.set_ylabel("living personas\n(linked)")
    axes.set_xlabel("epoch")
    axes.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0))


def _share(row: EpochRow, named: Sequence[str], skill: str) -> float:
    whole = sum(row.population.values()) or 1
    if skill == "others":
        return sum(n for s, n in row.population.items() if s not in named) / whole
    return row.population.get(skill, 0) / whole
