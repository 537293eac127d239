"""Mates that know what the first parent does not.

M2N2 (Abrantes, Lange and Tang 2025, arXiv 2508.16204): the pull of candidate b on parent a is
    g(a, b) = sum_j w_j * max(0, s_bj - s_aj) / z_j^alpha,    z_j = sum_i s_ij,
that is, b's advantage item by item, worth more where few are good. Mates are drawn in
proportion to it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from academy.selection.arrays import score_matrix, weights_or_even
from academy.selection.errors import ScoresError
from academy.selection.sharing import crowding

ALPHA = 1.0


def attraction(
    scores: ArrayLike, first: int, *, alpha: float = ALPHA, weights: ArrayLike | None = None
) -> np.ndarray:
    """How likely each candidate is to become the mate of `first`, (n_candidates,), sum 1.

    The parent itself has no chance. If nobody is better anywhere, all others are equally likely.

    Args:
        scores: At least 0, higher is better, (n_candidates, n_items).
        weights: Importance of each item, (n_items,); even if not given.

    Raises:
        ScoresError: Bad scores, fewer than two candidates, or no candidate `first`.
    """
    matrix = score_matrix(scores, nonnegative=True)
    n = len(matrix)
    if n < 2 or not 0 <= first < n:
        raise ScoresError(f"parent {first} of {n} candidates: a mate needs another candidate")
    worth = weights_or_even(weights, matrix.shape[1]) * crowding(matrix, alpha)
    pull = np.maximum(matrix - matrix[first], 0.0) @ worth  # (n_candidates,); 0 for itself
    if pull.sum() <= 0:
        pull = np.ones(n)
        pull[first] = 0.0
    return np.asarray(pull / pull.sum())
