"""What a candidate is worth where demand decides.

For candidate i:
    fitness_i = [harm_i = 0] * sum_s demand_s * max(0, lift_is) / (cost_i * redundancy_i)

    lift_is       accuracy on skill s minus the base's, in accuracy (0 to 1)
    demand_s      share of all questions that ask for s; the shares sum to 1
    cost_i        what one answer costs, as a multiple of the base's answer (1 = the same);
                  in tokens, bytes or both, as the caller decides
    redundancy_i  1 + sum of i's similarity (0 to 1) to every candidate of more merit, where
                  merit is the same expression without redundancy: the best of n clones has 1,
                  the last n, so that clones together earn no more than ln(n) + 1 times one
    harm_i        largest proven loss against the base on any skill, in accuracy

So fitness is the accuracy gained on the average question, per unit of cost, after rivals. A
skill below the base lowers nothing until it is *proven* worse, and then the fitness is 0.

Fitness sharing: an item is a resource, divided among those who solve it.

M2N2 (Abrantes, Lange and Tang 2025), after Goldberg and Richardson 1987:
    f_i = sum_j w_j * s_ij / z_j^alpha,    z_j = sum_i s_ij.
With alpha = 1 the population shares out exactly the weight of the items somebody solves, so a
crowd of equals gets little each and a lone specialist much; alpha = 0 is the plain sum.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from academy.errors import ScoresError
from academy.selection.arrays import count, score_matrix, vector, weights_or_even
from academy.statistics.intervals import Z95, wilson_interval

ALPHA = 1.0


def demand_fitness(
    lift: ArrayLike, demand: ArrayLike, cost: ArrayLike, redundancy: ArrayLike, harm: ArrayLike
) -> np.ndarray:
    """Accuracy gained on the average question per unit of cost, after rivals, (n_candidates,).

    Args:
        lift: Accuracy over the base, (n_candidates, n_skills), each from -1 to 1.
        demand: Shares of the skills, (n_skills,); scaled to sum to 1.
        cost: Multiples of the base's cost, (n_candidates,), above 0.
        redundancy: At least 1, (n_candidates,); see `redundancy`.
        harm: Proven loss on the worst skill, (n_candidates,), at least 0; see `proven_harm`.

    Raises:
        ScoresError: A wrong shape, NaN, or a number outside of its range.
    """
    gains = score_matrix(lift)
    n, n_skills = gains.shape
    shares = vector(demand, n_skills, "demand", nonnegative=True)
    costs = vector(cost, n, "cost")
    rivals = vector(redundancy, n, "redundancy")
    harms = vector(harm, n, "harm", nonnegative=True)
    if (costs <= 0).any() or (rivals < 1).any() or shares.sum() <= 0:
        raise ScoresError(
            f"least cost {costs.min()}, least redundancy {rivals.min()}, all demand "
            f"{shares.sum()}: give costs above 0, redundancies from 1, and some demand"
        )
    served = np.maximum(gains, 0.0) @ (shares / shares.sum())  # (n_candidates,)
    return np.where(harms > 0, 0.0, served / (costs * rivals))


def redundancy(merit: ArrayLike, similarity: ArrayLike) -> np.ndarray:
    """1 + similarity to all candidates of more merit, (n_candidates,); the earlier wins a tie.

    Args:
        merit: Fitness before redundancy, (n_candidates,).
        similarity: 0 unlike to 1 the same, (n_candidates, n_candidates); negative counts as 0.
    """
    alike = np.clip(score_matrix(similarity), 0.0, 1.0)
    values = vector(merit, len(alike), "merit")
    if alike.shape[0] != alike.shape[1]:
        raise ScoresError(f"similarity has shape {alike.shape}: give a square matrix")
    place = np.empty(len(values), dtype=int)
    place[np.argsort(-values, kind="stable")] = np.arange(len(values))  # 0 = most merit
    better = place[None, :] < place[:, None]  # better[i, j]: j has more merit than i
    return np.asarray(1.0 + (alike * better).sum(axis=1))


def proven_harm(
    hits: ArrayLike, asked: ArrayLike, base_hits: ArrayLike, base_asked: ArrayLike, z: float = Z95
) -> np.ndarray:
    """Largest loss of accuracy against the base that is no accident, (n_candidates,).

    A loss counts where the candidate's Wilson interval lies wholly below the base's; two
    disjoint 95 % intervals are a stricter test than p < 0.01.

    Args:
        hits: Right answers per skill, (n_candidates, n_skills).
        asked: Questions per skill, (n_candidates, n_skills) or (n_skills,); 0 proves nothing.
        base_hits: The base's right answers, (n_skills,).
        base_asked: The base's questions, (n_skills,).
    """
    right = score_matrix(hits, nonnegative=True)
    n = np.broadcast_to(np.asarray(asked, dtype=float), right.shape)
    base_right = vector(base_hits, right.shape[1], "base hits", nonnegative=True)
    base_n = vector(base_asked, right.shape[1], "base asked", nonnegative=True)
    if (right > n).any() or (base_right > base_n).any():
        raise ScoresError("more hits than questions on some skill: give hits first, then asked")
    floor = [wilson_interval(int(h), int(a), z)[0] for h, a in zip(base_right, base_n, strict=True)]
    loss = np.zeros(right.shape)
    for i, s in np.ndindex(right.shape):
        if wilson_interval(int(right[i, s]), int(n[i, s]), z)[1] < floor[s]:
            loss[i, s] = base_right[s] / base_n[s] - right[i, s] / n[i, s]
    return np.asarray(loss.max(axis=1))


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
