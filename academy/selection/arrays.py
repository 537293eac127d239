"""The checks that every selection makes first, so that a NaN is refused and never selected.

DEAP's `selBest` and tournaments let NaN win (every comparison with it is false); here it
stops the call with its place named.

To DEAP's selections a candidate is an `Entry`: a place and a fitness, nothing heavy.

DEAP compares fitnesses, and every comparison with NaN is false, so that NaN could win: numbers
are checked before they are shown (`academy.selection.arrays`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from deap import base, tools
from numpy.typing import ArrayLike

from academy.errors import ScoresError


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """A candidate's index and its fitness."""

    index: int
    fitness: base.Fitness


class Rank(base.Fitness):  # type: ignore[misc]  # deap has no types
    """Whether a candidate is protected, then its value; more is better."""

    weights = (1.0, 1.0)


def score_matrix(scores: ArrayLike, *, nonnegative: bool = False) -> np.ndarray:
    """Scores as floats, (n_candidates, n_items).

    Raises:
        ScoresError: Not a matrix, nobody in it, no items, NaN, or (if asked) below zero.
    """
    matrix = np.asarray(scores, dtype=float)
    if matrix.ndim != 2 or 0 in matrix.shape:
        raise ScoresError(
            f"scores have shape {matrix.shape}: give one row per candidate and one column per item"
        )
    return _checked(matrix, "score", nonnegative)


def vector(values: ArrayLike, n: int, what: str, *, nonnegative: bool = False) -> np.ndarray:
    """One number per candidate or item, (n,).

    Raises:
        ScoresError: Not exactly `n` numbers, NaN or infinite, or (if asked) below zero.
    """
    array = np.asarray(values, dtype=float)
    if array.shape != (n,):
        raise ScoresError(f"{what} has shape {array.shape}: give exactly {n} numbers")
    return _checked(array, what, nonnegative)


def weights_or_even(weights: ArrayLike | None, n_items: int) -> np.ndarray:
    """Item weights, (n_items,); 1 each when none are given."""
    if weights is None:
        return np.ones(n_items)
    return vector(weights, n_items, "item weights", nonnegative=True)


def count(value: int, least: int, what: str) -> int:
    """A whole number of at least `least`.

    Raises:
        ScoresError: It is smaller.
    """
    if value < least:
        raise ScoresError(f"{what} is {value}: give {least} or more")
    return int(value)


def _checked(array: np.ndarray, what: str, nonnegative: bool) -> np.ndarray:
    bad = ~np.isfinite(array)
    if nonnegative:
        bad |= array < 0
    if bad.any():
        place = tuple(int(i) for i in np.argwhere(bad)[0])
        where = ", ".join(str(i) for i in place)
        rule = "a finite number of at least 0" if nonnegative else "a finite number"
        raise ScoresError(
            f"{what} at [{where}] is {float(array[place])}: every {what} must be {rule}; leave "
            "the candidate out"
        )
    return array


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
