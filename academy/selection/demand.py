"""Demand: how much each skill is asked for. The one door through which it enters the Academy.

A `Demand` is a mapping from skill to its share of all questions (shares sum to 1). It comes
from nowhere (even), a file, a trace of what was asked, or any callable: the marketplace plugs
in there; `academy.selection.demand_source` opens each by its name. Older questions of a trace
count less: n * 2^(-age / half_life).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real

import numpy as np

from academy.errors import did_you_mean
from academy.selection.errors import DemandError


@dataclass(frozen=True)
class Demand(Mapping[str, float]):
    """Every skill's share of all questions.

    Raises:
        DemandError: No skills, one twice, a weight that is none, or nothing asked for at all.
    """

    skills: tuple[str, ...]
    weights: tuple[float, ...]
    """Given in any unit (questions, money, votes); kept as shares summing to 1."""

    def __post_init__(self) -> None:
        if not self.skills or len(set(self.skills)) != len(self.skills):
            raise DemandError(
                f"demand over {list(self.skills)}: name each skill once, at least one"
            )
        if len(self.skills) != len(self.weights):
            raise DemandError(
                f"{len(self.skills)} skills but {len(self.weights)} weights: pair them"
            )
        numbers = [_weight(s, w) for s, w in zip(self.skills, self.weights, strict=True)]
        largest = max(numbers)
        if largest == 0:
            raise DemandError("every skill's weight is 0: ask for at least one, or use even demand")
        scaled = [number / largest for number in numbers]  # so that huge weights cannot overflow
        object.__setattr__(self, "weights", tuple(n / math.fsum(scaled) for n in scaled))

    def __getitem__(self, skill: str) -> float:
        try:
            return self.weights[self.skills.index(skill)]
        except ValueError:
            raise KeyError(skill) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self.skills)

    def __len__(self) -> int:
        return len(self.skills)

    @property
    def shares(self) -> np.ndarray:
        """Shares in the order of `skills`, (n_skills,), summing to 1."""
        return np.array(self.weights)


def even(skills: Sequence[str]) -> Demand:
    """Every skill is asked for equally often."""
    return Demand(tuple(skills), (1.0,) * len(skills))


def from_mapping(weights: Mapping[str, object], skills: Sequence[str]) -> Demand:
    """Demand over `skills`; those not mentioned are not asked for.

    Raises:
        DemandError: An unknown skill (the nearest is named), a bad weight, or all weights zero.
    """
    if not isinstance(weights, Mapping):
        raise DemandError(f"demand is {_shown(weights)}: give a mapping from skill to weight")
    for name in weights:
        known(name, skills)
    return Demand(tuple(skills), tuple(_weight(s, weights.get(s, 0.0)) for s in skills))


def from_callable(source: Callable[[], Mapping[str, object]], skills: Sequence[str]) -> Demand:
    """What `source` says now; call again for news. An error inside becomes one line.

    Raises:
        DemandError: The source failed, or what it says is no demand.
    """
    try:
        weights = source()
    except Exception as cause:  # a plug-in may raise anything
        lines = (str(cause).strip() or type(cause).__name__).splitlines()
        raise DemandError(
            f"the demand source failed ({lines[0]}): repair it or use even"
        ) from cause
    return from_mapping(weights, skills)


def item_weights(item_skills: Sequence[str], demand: Mapping[str, float]) -> np.ndarray:
    """The weight of each item: its skill's demand, shared by the skill's items, (n_items,).

    Raises:
        DemandError: An item tests a skill that the demand does not know.
    """
    for skill in dict.fromkeys(item_skills):
        known(skill, tuple(demand))
    n = dict.fromkeys(demand, 0)
    for skill in item_skills:
        n[skill] += 1
    return np.array([demand[skill] / n[skill] for skill in item_skills], dtype=float)


def known(name: object, skills: Sequence[str], place: str = "") -> str:
    """The skill of that name.

    Args:
        place: Where the name was found, for the message.

    Raises:
        DemandError: There is none.
    """
    if isinstance(name, str) and name in skills:
        return name
    remedy = did_you_mean(str(name), skills)
    raise DemandError(f"{place}demand names an unknown skill {_shown(name)}: {remedy}")


def _weight(skill: str, value: object) -> float:
    number = float(value) if isinstance(value, Real) and not isinstance(value, bool) else math.nan
    if not (math.isfinite(number) and number >= 0):
        raise DemandError(
            f"the demand for {skill!r} is {_shown(value)}: give a finite number of at least 0"
        )
    return number


def _shown(value: object, longest: int = 40) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= longest else text[: longest - 3] + "..."
