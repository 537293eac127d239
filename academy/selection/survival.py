"""Who stays: four methods behind one function type.

- `top`: the best on demand-weighted mean score, the control;
- `sharing`: the poorest leaves and the items are dealt anew, until all fit (M2N2);
- `nsga3`: fronts of quality, token cost, layer bytes and demand served, spread evenly;
- `demand`: the best by worth (lift x demand / (cost x redundancy), `selection.fitness`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from academy.errors import ScoresError, UnknownMethodError
from academy.selection import nsga
from academy.selection.arrays import best, count, score_matrix, vector, weights_or_even
from academy.selection.fitness import shared_fitness, survivors


@dataclass(frozen=True)
class Contest:
    """What is known about the candidates when places are dealt; row i is candidate i.

    Raises:
        ScoresError: Shapes do not fit together, or something is no finite number.
    """

    scores: np.ndarray
    """(n_candidates, n_items), from 0 to 1."""
    item_weights: np.ndarray | None = None
    """Importance of each item (`demand.item_weights`), (n_items,); even if not given."""
    token_cost: np.ndarray | None = None
    """Tokens a candidate needs for an answer, (n_candidates,)."""
    layer_bytes: np.ndarray | None = None
    """Size of its layers, (n_candidates,)."""
    demand_served: np.ndarray | None = None
    """Part of all demand that it serves, (n_candidates,); its shared fitness if not given."""
    worth: np.ndarray | None = None
    """Demand fitness, (n_candidates,), what `demand` looks at."""
    protected: np.ndarray | None = None
    """Newborns that must stay while there is room, (n_candidates,) of bool."""
    objectives: tuple[str, ...] = tuple(nsga.OBJECTIVES)
    """What `nsga3` looks at."""

    def __post_init__(self) -> None:
        matrix = score_matrix(self.scores, nonnegative=True)
        object.__setattr__(self, "scores", matrix)
        weights_or_even(self.item_weights, matrix.shape[1])
        for name in ("token_cost", "layer_bytes", "demand_served", "worth", "protected"):
            if getattr(self, name) is not None:
                vector(getattr(self, name), len(matrix), name)

    @property
    def quality(self) -> np.ndarray:
        """Weighted mean score, (n_candidates,)."""
        weights = weights_or_even(self.item_weights, self.scores.shape[1])
        if weights.sum() <= 0:
            raise ScoresError("every item weighs 0: ask about a skill that is in demand")
        return np.asarray((self.scores @ (weights / weights.sum())).round(12))

    @property
    def shielded(self) -> np.ndarray:
        """`protected`, or nobody, (n_candidates,) of bool."""
        if self.protected is None:
            return np.zeros(len(self.scores), bool)
        return np.asarray(self.protected, bool)


Survival = Callable[[Contest, int, np.random.Generator], np.ndarray]
"""A contest, a capacity and chance -> indices that stay, ascending, (min(capacity, n),)."""


def top(contest: Contest, capacity: int, rng: np.random.Generator) -> np.ndarray:
    """The best by quality; protected ones first; the earlier wins a tie."""
    return np.sort(best(contest.quality, capacity, contest.shielded))


def by_sharing(contest: Contest, capacity: int, rng: np.random.Generator) -> np.ndarray:
    """Fitness sharing, one leaver at a time; see `sharing.survivors`."""
    if (kept := _too_many_protected(contest, capacity, rng)) is not None:
        return kept
    return survivors(
        contest.scores, capacity, weights=contest.item_weights, protected=contest.shielded
    )


def nsga3(contest: Contest, capacity: int, rng: np.random.Generator) -> np.ndarray:
    """NSGA-III over `contest.objectives`; protected ones stay, the rest compete for the rest."""
    if (kept := _too_many_protected(contest, capacity, rng)) is not None:
        return kept
    served = contest.demand_served
    if served is None:
        served = shared_fitness(contest.scores, weights=contest.item_weights)
    measured = {
        "quality": contest.quality,
        "token_cost": contest.token_cost,
        "layer_bytes": contest.layer_bytes,
        "demand_served": served,
    }
    shielded = np.flatnonzero(contest.shielded)
    free = np.flatnonzero(~contest.shielded)
    given = {name: np.asarray(v)[free] for name, v in measured.items() if v is not None}
    room = count(capacity, 0, "capacity") - len(shielded)
    chosen = free[nsga.survivors(given, room, rng, use=contest.objectives)] if len(free) else free
    return np.sort(np.concatenate([shielded, chosen]))


def by_demand(contest: Contest, capacity: int, rng: np.random.Generator) -> np.ndarray:
    """The most worth; protected ones first; the earlier wins a tie.

    Raises:
        ScoresError: The contest does not say what its candidates are worth.
    """
    if contest.worth is None:
        raise ScoresError("survival by demand needs what candidates are worth: give `worth`")
    return np.sort(best(contest.worth, capacity, contest.shielded))


SURVIVALS: dict[str, Survival] = {
    "sharing": by_sharing,
    "nsga3": nsga3,
    "demand": by_demand,
    "top": top,
}


def survival_named(name: str) -> Survival:
    """The method of that name.

    Raises:
        UnknownMethodError: There is none; the nearest is named.
    """
    if name not in SURVIVALS:
        raise UnknownMethodError("survival method", name, SURVIVALS)
    return SURVIVALS[name]


def _too_many_protected(
    contest: Contest, capacity: int, rng: np.random.Generator
) -> np.ndarray | None:
    """The best protected ones where they alone fill the places."""
    if int(contest.shielded.sum()) < capacity:
        return None
    return top(contest, capacity, rng)
