"""Parents by lexicase selection, all at once.

Lexicase (Spector 2012) looks at the items one by one in a random order and keeps whoever is
best so far; it favours specialists that a mean would lose. DALex (Ni, Ding and Spector 2024,
arXiv 2401.12424) gets the same choices from one matrix product: every parent draws one weight
per item, `w = softmax(N(0, tau^2))`, and the candidate with the largest weighted score wins.
A large tau is lexicase, tau = 0 is the mean. Down-sampling (Hernandez et al. 2019) lets one
generation look at a random part of the items.

Softmax weights fall below the resolution of a float long before lexicase would stop looking, so
candidates whose sums are equal to rounding are compared again on the items they differ in.

Tournament selection, the control for lexicase: one number decides.

Brindle 1981; Goldberg and Deb 1991. Competitors are drawn with replacement.

Mates that know what the first parent does not.

M2N2 (Abrantes, Lange and Tang 2025, arXiv 2508.16204): the pull of candidate b on parent a is
    g(a, b) = sum_j w_j * max(0, s_bj - s_aj) / z_j^alpha,    z_j = sum_i s_ij,
that is, b's advantage item by item, worth more where few are good. Mates are drawn in
proportion to it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from academy.errors import ScoresError
from academy.selection.arrays import count, score_matrix, vector, weights_or_even
from academy.selection.fitness import crowding

TAU = 20.0
"""The paper's particularity pressure for right-or-wrong items; 3 suits continuous scores."""
ROUNDING = 1e-9
"""Weighted scores closer than this, in score units, are compared again."""


def lexicase(
    scores: ArrayLike,
    n_parents: int,
    rng: np.random.Generator,
    *,
    tau: float = TAU,
    n_items: int | None = None,
) -> np.ndarray:
    """Indices of the parents, (n_parents,); a candidate may be chosen several times.

    Args:
        scores: Higher is better, (n_candidates, n_items).
        tau: Standard deviation of an item's log weight; 0 selects by the mean.
        n_items: Look at this many items only, the same ones for all parents of this call.

    Raises:
        ScoresError: Scores that are no matrix or hold NaN, or a setting out of range.
    """
    if not (np.isfinite(tau) and tau >= 0):
        raise ScoresError(f"tau is {tau}: give a number of at least 0")
    matrix = _down_sampled(score_matrix(scores), n_items, rng)
    rows, kinds = _kinds(matrix)
    logits = rng.normal(0.0, 1.0, (count(n_parents, 0, "n_parents"), matrix.shape[1])) * tau
    totals = _softmax(logits) @ rows.T  # (n_parents, n_kinds)
    near = totals >= totals.max(axis=1, keepdims=True) - ROUNDING
    winners = near.argmax(axis=1)  # right wherever one kind alone is near the best
    for parent in np.flatnonzero(near.sum(axis=1) > 1):
        winners[parent] = _compare_again(rows, np.flatnonzero(near[parent]), logits[parent])
    return _one_of_each_kind(winners, kinds, rng)


def _down_sampled(matrix: np.ndarray, n_items: int | None, rng: np.random.Generator) -> np.ndarray:
    if n_items is None or n_items >= matrix.shape[1]:
        return matrix
    count(n_items, 1, "n_items")
    return matrix[:, np.sort(rng.choice(matrix.shape[1], n_items, replace=False))]


def _kinds(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The distinct rows, (n_kinds, n_items), and which of them each candidate has, (n,)."""
    numbers: dict[bytes, int] = {}
    kinds = [numbers.setdefault(row.tobytes(), len(numbers)) for row in matrix + 0.0]  # no -0.0
    first = [kinds.index(kind) for kind in range(len(numbers))]
    return matrix[first], np.array(kinds)


def _softmax(logits: np.ndarray) -> np.ndarray:
    weights = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=-1, keepdims=True))


def _compare_again(rows: np.ndarray, near: np.ndarray, logits: np.ndarray) -> int:
    """The best of several kinds that rounding made equal, judged where they differ only."""
    while len(near) > 1:
        differ = (rows[near] != rows[near[0]]).any(axis=0)  # at least one: kinds are distinct
        totals = rows[near][:, differ] @ _softmax(logits[differ])
        left = near[totals >= totals.max() - ROUNDING]
        if len(left) == len(near):  # truly balanced weights
            return int(near[totals.argmax()])
        near = left
    return int(near[0])


def _one_of_each_kind(
    winners: np.ndarray, kinds: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """A member of every winning kind, each of its members with the same chance."""
    order = np.argsort(kinds, kind="stable")  # candidates, sorted by kind
    sizes = np.bincount(kinds)
    starts = np.cumsum(sizes) - sizes
    chosen = (rng.random(len(winners)) * sizes[winners]).astype(int)
    return np.asarray(order[starts[winners] + chosen])


SIZE = 3


def tournament(
    fitness: ArrayLike, n_parents: int, rng: np.random.Generator, *, size: int = SIZE
) -> np.ndarray:
    """Indices of the winners of `n_parents` tournaments, (n_parents,); ties by chance.

    Args:
        fitness: Higher is better, (n_candidates,).
        size: Competitors in each tournament; 1 is a draw by lot.

    Raises:
        ScoresError: No candidates, NaN, or a size below 1.
    """
    values = vector(fitness, max(1, np.size(fitness)), "fitness")
    shape = count(n_parents, 0, "n_parents"), count(size, 1, "size")
    drawn = rng.integers(len(values), size=shape)  # independent, so the first best is by chance
    return np.asarray(drawn[np.arange(n_parents), values[drawn].argmax(axis=1)])


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
