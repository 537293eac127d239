"""Candidates as DEAP's selections see them: a place and a fitness, nothing heavy.

DEAP compares fitnesses, and every comparison with NaN is false, so that NaN could win: numbers
are checked before they are shown (`academy.selection.arrays`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from deap import base, tools
from numpy.typing import ArrayLike

from academy.selection.arrays import count, vector


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """A candidate's index and its fitness."""

    index: int
    fitness: base.Fitness


class Rank(base.Fitness):  # type: ignore[misc]  # deap has no types
    """Whether a candidate is protected, then its value; more is better."""

    weights = (1.0, 1.0)


def best(values: ArrayLike, n: int, protected: np.ndarray | None = None) -> np.ndarray:
    """Indices of the `n` best, best first, the earlier of equals first, (min(n, n_candidates),).

    Args:
        values: Higher is better, (n_candidates,).
        protected: Who comes before all others, (n_candidates,) of bool; nobody if not given.

    Raises:
        ScoresError: NaN among the values, or `n` below 0.
    """
    checked = vector(values, np.size(values), "value")
    first = np.zeros(len(checked), bool) if protected is None else protected
    ranks = zip(first.tolist(), checked.tolist(), strict=True)
    entries = [Entry(i, Rank((float(shield), value))) for i, (shield, value) in enumerate(ranks)]
    chosen = tools.selBest(entries, count(n, 0, "the number wanted"))
    return np.array([entry.index for entry in chosen], dtype=int)
