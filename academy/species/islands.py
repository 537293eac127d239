"""Islands: demes that evolve apart and send each other copies now and then.

Island model (Tanese 1989) with islands of different operators, objectives and challenges.
Every few generations each sends `emigrants`, half of them its best and half those the archive's
novelty ranks highest. What arrives is always a *clone* with an id of its own: DEAP's
`migRing` puts one object into two demes, so that a change in one shows up in the other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeVar

import numpy as np

from academy.errors import IslandsError

Topology = Literal["ring", "random"]


class Migrant(Protocol):
    """What an island knows of a candidate."""

    @property
    def id(self) -> object: ...
    @property
    def digest(self) -> str: ...


M = TypeVar("M", bound=Migrant)


@dataclass(frozen=True)
class MigrationSettings:
    """When, how many and where to.

    Raises:
        IslandsError: A number out of range or an unknown topology.
    """

    every: int = 5
    """Generations between migrations; 0 never."""
    emigrants: int = 2
    """Of each island, at most its size."""
    topology: Topology = "ring"

    def __post_init__(self) -> None:
        if self.every < 0 or self.emigrants < 0 or self.topology not in ("ring", "random"):
            raise IslandsError(
                f"migration every {self.every}, {self.emigrants} emigrants, topology "
                f"{self.topology!r}: give numbers from 0 and 'ring' or 'random'"
            )


@dataclass(frozen=True)
class Migration:
    """One clone's journey; `origin` and `target` are places in the list of demes."""

    origin: int
    target: int
    original: object
    """Id that stayed at home."""
    clone: object
    """Id of the copy that arrived."""


def is_due(generation: int, settings: MigrationSettings) -> bool:
    """Whether clones travel after this generation (the first is 0, when nobody does)."""
    return settings.every > 0 and generation > 0 and generation % settings.every == 0


def routes(n_islands: int, topology: Topology, rng: np.random.Generator) -> list[int]:
    """Where each island's emigrants go, never home; a random permutation has no fixed point.

    With fewer than two islands everybody stays: the list is empty.
    """
    if n_islands < 2:
        return []
    if topology == "ring":
        return [(i + 1) % n_islands for i in range(n_islands)]
    order = rng.permutation(n_islands)  # a random cycle through all islands
    target = np.empty(n_islands, dtype=int)
    target[order] = np.roll(order, -1)
    return [int(t) for t in target]


def emigrants(fitness: Sequence[float], novelty: Sequence[float], n: int) -> list[int]:
    """Places of those who travel: the best, then the most novel of the rest; the first half up.

    Args:
        fitness, novelty: One number per member; novelty may be infinite (`archive.novelty`).

    Raises:
        IslandsError: Not one of each per member, or NaN.
    """
    fit, novel = np.asarray(fitness, dtype=float), np.asarray(novelty, dtype=float)
    if fit.shape != novel.shape or np.isnan(fit).any() or np.isnan(novel).any():
        raise IslandsError(
            f"{fit.size} fitness and {novel.size} novelty values: give one number of each a member"
        )
    elite = np.argsort(-fit, kind="stable")[: (n + 1) // 2].tolist()
    others = [int(i) for i in np.lexsort((-fit, -novel)) if i not in elite]
    return [*elite, *others][: min(n, len(fit))]


def migrate(
    demes: Sequence[Sequence[M]],
    travellers: Sequence[Sequence[int]],
    clone: Callable[[M], M],
    topology: Topology,
    rng: np.random.Generator,
) -> tuple[list[list[M]], list[Migration]]:
    """New demes with the arrivals at their ends, and who went where; nobody is removed.

    A genome that its target already holds does not travel. The demes given are not changed.

    Args:
        travellers: Places in each deme of those who go (`emigrants`).
        clone: Makes a copy with the same digest and a new id.

    Raises:
        IslandsError: Not one list of travellers a deme, or `clone` made no proper clone.
    """
    if len(travellers) != len(demes):
        raise IslandsError(
            f"{len(demes)} demes but {len(travellers)} lists of travellers: pair them"
        )
    after = [list(deme) for deme in demes]
    ids = {member.id for deme in demes for member in deme}
    journeys = []
    for origin, target in enumerate(routes(len(demes), topology, rng)):
        for member in (demes[origin][place] for place in travellers[origin]):
            if any(member.digest == other.digest for other in after[target]):
                continue
            copy = clone(member)
            if copy is member or copy.id in ids or copy.digest != member.digest:
                raise IslandsError(
                    f"the clone of {member.id!r} is {copy.id!r}: a clone needs a new id, the same "
                    "digest, and to be an object of its own"
                )
            ids.add(copy.id)
            after[target].append(copy)
            journeys.append(Migration(origin, target, member.id, copy.id))
    return after, journeys
