"""Survival by several objectives at once: DEAP's NSGA-III, made repeatable.

NSGA-III (Deb and Jain 2014) keeps the non-dominated fronts and fills up with candidates spread
evenly along reference directions. Three traps of DEAP 1.4.4 are closed here:
- it draws from numpy's global state (others of its functions from `random`): both are seeded
  from the generator that is passed in, and put back afterwards;
- its intercepts are sometimes relative to the best point and sometimes not, which is wrong as
  soon as the best is not the origin (layer bytes never are): costs are scaled to [0, 1] first;
- NaN would compare as best: it is refused.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np
from deap import base, tools
from numpy.typing import ArrayLike

from academy.errors import ObjectivesError, ScoresError, UnknownMethodError
from academy.selection.arrays import Entry, count, vector

OBJECTIVES: dict[str, float] = {
    "quality": 1.0,
    "token_cost": -1.0,
    "layer_bytes": -1.0,
    "demand_served": 1.0,
}
"""Objectives and whether more (1) or less (-1) of it is better."""


class Costs(base.Fitness):  # type: ignore[misc]  # deap has no types
    """One number from 0 (best present) to 1 (worst) per objective."""

    weights = (-1.0,) * len(OBJECTIVES)


def survivors(
    objectives: Mapping[str, ArrayLike],
    capacity: int,
    rng: np.random.Generator,
    *,
    use: Sequence[str] = tuple(OBJECTIVES),
) -> np.ndarray:
    """Indices that stay, ascending, (min(capacity, n_candidates),).

    NSGA-III promises no single candidate a place; here the best by quality always has one.

    Args:
        objectives: For each name of OBJECTIVES in `use` one number per candidate, as measured.
        use: The objectives that count, in any order.

    Raises:
        ObjectivesError: None given, one missing, NaN in one, or of different lengths.
        UnknownMethodError: `use` names something that is no objective.
    """
    costs = scaled_costs(objectives, use)  # (n, 4)
    n = len(costs)
    if count(capacity, 0, "capacity") >= n:
        return np.arange(n)
    if capacity == 0:
        return np.arange(0)
    elite = _most_capable(costs) if "quality" in use else []
    entries = [Entry(i, Costs(tuple(costs[i].tolist()))) for i in range(n) if i not in elite]
    with seeded_globals(rng):
        k = capacity - len(elite)
        chosen = tools.selNSGA3(entries, k, reference_points(use, k)) if k else []
    return np.array(sorted([*elite, *(entry.index for entry in chosen)]))


def _most_capable(costs: np.ndarray) -> list[int]:
    """The candidate of best quality, of equals the one best at the other objectives in turn."""
    return [int(np.lexsort(costs.T[::-1])[0])]


def scaled_costs(objectives: Mapping[str, ArrayLike], use: Sequence[str]) -> np.ndarray:
    """Every objective as a cost, 0 for the best candidate and 1 for the worst, (n, 4).

    Objectives that are not used, or the same for all, cost 0.
    """
    for name in use:
        if name not in OBJECTIVES:
            raise UnknownMethodError("objective", name, OBJECTIVES)
        if name not in objectives:
            raise ObjectivesError(f"objective {name!r} is used but not given: give it or drop it")
    if not use:
        raise ObjectivesError("no objective is used: name at least one")
    n = np.size(objectives[use[0]])
    costs = np.zeros((n, len(OBJECTIVES)))
    for column, (name, sign) in enumerate(OBJECTIVES.items()):
        if name in use:
            try:
                values = vector(objectives[name], n, name)
            except ScoresError as error:
                raise ObjectivesError(str(error)) from None
            cost = -sign * values
            span = np.ptp(cost) if n else 0.0
            costs[:, column] = (cost - cost.min()) / span if span > 0 else 0.0
    return costs


def reference_points(use: Sequence[str], at_least: int) -> np.ndarray:
    """Even directions over the used objectives, at least so many, (n_points, 4).

    Das and Dennis 1998: p steps give C(p + m - 1, m - 1) points for m objectives; p is at least
    m, below which none lies inside, where compromises are.
    """
    columns = [i for i, name in enumerate(OBJECTIVES) if name in use]
    m = steps = len(columns)
    while m > 1 and math.comb(steps + m - 1, m - 1) < at_least:
        steps += 1
    points = tools.uniform_reference_points(m, p=steps)
    whole = np.zeros((len(points), len(OBJECTIVES)))
    whole[:, columns] = points
    return whole


@contextmanager
def seeded_globals(rng: np.random.Generator) -> Iterator[None]:
    """Both global random states seeded from `rng` inside, and as they were outside."""
    numpys, pythons = np.random.get_state(), random.getstate()
    np.random.seed(int(rng.integers(2**32)))
    random.seed(int(rng.integers(2**63)))
    try:
        yield
    finally:
        np.random.set_state(numpys)
        random.setstate(pythons)
