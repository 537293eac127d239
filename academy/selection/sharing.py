"""Fitness sharing: an item is a resource, divided among those who solve it.

M2N2 (Abrantes, Lange and Tang 2025), after Goldberg and Richardson 1987:
    f_i = sum_j w_j * s_ij / z_j^alpha,    z_j = sum_i s_ij.
With alpha = 1 the population shares out exactly the weight of the items somebody solves, so a
crowd of equals gets little each and a lone specialist much; alpha = 0 is the plain sum.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from academy.selection.arrays import count, score_matrix, weights_or_even

ALPHA = 1.0


def crowding(matrix: np.ndarray, alpha: float) -> np.ndarray:
    """1 / z_j^alpha for every item, (n_items,); 0 for items that nobody solves."""
    crowd = matrix.sum(axis=0)  # (n_items,)
    return np.where(crowd > 0, np.where(crowd > 0, crowd, 1.0) ** -alpha, 0.0)


def shared_fitness(
    scores: ArrayLike, *, alpha: float = ALPHA, weights: ArrayLike | None = None
) -> np.ndarray:
    """What each candidate gets of all items, (n_candidates,), in units of item weight.

    Args:
        scores: At least 0, higher is better, (n_candidates, n_items).
        alpha: Strength of competition; 0 none, 1 items are divided.
        weights: Importance of each item (`demand.item_weights`), (n_items,); even if not given.

    Raises:
        ScoresError: Scores that are no matrix, NaN or below zero.
    """
    matrix = score_matrix(scores, nonnegative=True)
    return np.asarray(
        matrix @ (weights_or_even(weights, matrix.shape[1]) * crowding(matrix, alpha))
    )


def survivors(
    scores: ArrayLike,
    capacity: int,
    *,
    alpha: float = ALPHA,
    weights: ArrayLike | None = None,
    protected: ArrayLike | None = None,
) -> np.ndarray:
    """Indices that stay, ascending, (capacity,): the poorest leaves, and shares are dealt anew.

    One at a time, as in M2N2's steady state: of two equal specialists the first to leave makes
    the other rich, where a single cut would lose both. Among the equally poor the later leaves.

    Args:
        protected: Candidates that must stay, (n_candidates,) of bool; at most `capacity`.
    """
    matrix = score_matrix(scores, nonnegative=True)
    worth = weights_or_even(weights, matrix.shape[1])
    kept = np.arange(len(matrix))
    fixed = np.zeros(len(matrix), bool) if protected is None else np.asarray(protected, bool)
    for _ in range(len(matrix) - max(count(capacity, 0, "capacity"), int(fixed.sum()))):
        share = (matrix[kept] @ (worth * crowding(matrix[kept], alpha))).round(12)
        share[fixed[kept]] = np.inf
        poorest = len(kept) - 1 - int(share[::-1].argmin())
        kept = np.delete(kept, poorest)
    return kept
