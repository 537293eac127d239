"""How many children each species may have: fitness sharing between species.

NEAT (Stanley and Miikkulainen 2002): a member's fitness is divided by the size of its species,
f / |S|, so a species' claim is its *mean* fitness and no species wins by numbers. Places are
dealt by largest remainders (Hamilton), so that they add up exactly.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from numpy.typing import ArrayLike

from academy.errors import CensusError


def adjusted_fitness(fitness: ArrayLike, labels: ArrayLike) -> np.ndarray:
    """f_i / |S_i|, (n,).

    Args:
        fitness: At least 0, (n,).
        labels: Species of each candidate, (n,).
    """
    values, groups = np.asarray(fitness, dtype=float), np.asarray(labels)
    if values.shape != groups.shape or not (np.isfinite(values) & (values >= 0)).all():
        raise CensusError("fitness must be one finite number of at least 0 per label: shift it")
    _, place, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    return np.asarray(values / sizes[place])


def spawn_counts(
    fitness: ArrayLike,
    labels: ArrayLike,
    n_children: int,
    *,
    barred: Collection[int] = (),
    at_least: int = 0,
) -> dict[int, int]:
    """Children of each species in proportion to its mean fitness; they sum to `n_children`.

    Args:
        barred: Species without children (stagnant ones), unless that would leave none.
        at_least: Every other species has at least this many, while there are enough.

    Raises:
        CensusError: No candidates, a fitness below 0 or NaN, or a negative number of children.
    """
    shares = adjusted_fitness(fitness, labels)
    numbers = [int(s) for s in np.unique(np.asarray(labels))]
    allowed = [s for s in numbers if s not in barred] or numbers
    if not numbers or n_children < 0 or at_least < 0:
        raise CensusError(
            f"{n_children} children, at least {at_least}, of {len(numbers)} species: give numbers "
            "from 0 and at least one species"
        )
    claims = [float(shares[np.asarray(labels) == s].sum()) for s in allowed]
    floor = at_least if at_least * len(allowed) <= n_children else 0
    dealt = largest_remainders(claims, n_children - floor * len(allowed))
    counts = dict(zip(allowed, dealt, strict=True))
    return {s: floor + counts[s] if s in counts else 0 for s in numbers}


def largest_remainders(claims: list[float], n: int) -> list[int]:
    """`n` places in proportion to the claims; the earlier wins a tie; even if all claims are 0."""
    weights = np.asarray(claims, dtype=float)
    weights = weights if weights.sum() > 0 else np.ones(len(weights))
    exact = (weights / weights.sum() * n).round(9)  # so that equal claims stay equal
    dealt = np.floor(exact).astype(int)
    order = np.argsort(-(exact - dealt), kind="stable")
    dealt[order[: n - int(dealt.sum())]] += 1
    return [int(d) for d in dealt]
