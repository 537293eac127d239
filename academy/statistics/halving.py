"""How to find the best of many candidates without examining all of them fully.

Sequential halving (Karnin, Koren, Somekh: Almost Optimal Exploration in Multi-Armed Bandits,
2013): the budget is split evenly over ceil(log2 n) rounds, each round's over those still in it,
and the better half goes on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from academy.statistics.errors import StatisticsError, finite_array


@dataclass(frozen=True, slots=True)
class HalvingRound:
    """One round: how many are asked how much, and how many stay."""

    n_candidates: int
    n_items: int
    """Questions for each candidate."""
    n_kept: int


def halving_rounds(n_candidates: int, budget: int) -> tuple[HalvingRound, ...]:
    """The rounds that leave one of `n_candidates`; none if there is only one.

    >>> [(r.n_candidates, r.n_items) for r in halving_rounds(8, 96)]
    [(8, 4), (4, 8), (2, 16)]

    Args:
        budget: Answers in all, one candidate on one question each; never exceeded.

    Raises:
        StatisticsError: There is no candidate, or not one question for each in every round.
    """
    if n_candidates < 1:
        raise StatisticsError(f"{n_candidates} candidates cannot be halved: give at least one")
    n_rounds = (n_candidates - 1).bit_length()  # ceil(log2 n)
    if budget < n_candidates * n_rounds:
        raise StatisticsError(
            f"{budget} answers are too few to halve {n_candidates} candidates in {n_rounds} "
            f"rounds: allow at least {n_candidates * n_rounds}"
        )
    rounds: list[HalvingRound] = []
    alive = n_candidates
    for _ in range(n_rounds):
        kept = (alive + 1) // 2
        rounds.append(HalvingRound(alive, budget // (alive * n_rounds), kept))
        alive = kept
    return tuple(rounds)


def best_half(scores: Any, n_kept: int) -> list[int]:
    """Places of the `n_kept` best, in their old order; of equals, the earlier stay.

    Args:
        scores: (n_candidates,).
    """
    values = finite_array("scores", scores, 1)
    if not 1 <= n_kept <= len(values):
        raise StatisticsError(f"{n_kept} of {len(values)} cannot be kept: keep at least one")
    return sorted(int(i) for i in np.argsort(-values, kind="stable")[:n_kept])
