"""The checks that every selection makes first, so that a NaN is refused and never selected.

DEAP's `selBest` and tournaments let NaN win (every comparison with it is false); here it
stops the call with its place named.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from academy.errors import ScoresError


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
