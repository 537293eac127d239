"""What classification is told about a population, checked once at the door."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from academy.errors import CensusError
from academy.species.species_distance import DistanceWeights, distances

CandidateId = int | str


@dataclass(frozen=True)
class Census:
    """All living candidates of one generation; row i of every array is candidate `ids[i]`.

    Raises:
        CensusError: Nobody, someone twice, a wrong shape, or something that is no number.
    """

    skills: tuple[str, ...]
    """Niche names, in the order of the columns of `accuracy`."""
    ids: tuple[CandidateId, ...]
    parents: tuple[tuple[CandidateId, ...], ...]
    """Whom each was made from; empty for founders."""
    ages: np.ndarray
    """Generations lived so far, 0 for newborns, (n,)."""
    fitness: np.ndarray
    """Higher is better, (n,)."""
    accuracy: np.ndarray
    """Per skill, (n, n_skills)."""
    base_accuracy: np.ndarray
    """The base model's, (n_skills,)."""
    ranks: np.ndarray
    """Ranks of the layers, (n,)."""
    cosine: np.ndarray
    """Of the updates (`species_distance.update_cosines`), (n, n)."""

    def __post_init__(self) -> None:
        n, n_skills = len(self.ids), len(self.skills)
        if n == 0 or len(set(self.ids)) < n or len(self.parents) != n:
            raise CensusError(
                f"{n} candidates, {len(set(self.ids))} ids, {len(self.parents)} lists of parents: "
                "give at least one candidate, each once, with its parents"
            )
        shapes: dict[str, tuple[int, ...]] = {
            "ages": (n,),
            "fitness": (n,),
            "accuracy": (n, n_skills),
            "base_accuracy": (n_skills,),
            "ranks": (n,),
            "cosine": (n, n),
        }
        for name, shape in shapes.items():
            array = np.asarray(getattr(self, name), dtype=float)
            if array.shape != shape or not np.isfinite(array).all():
                raise CensusError(
                    f"{name} has shape {array.shape}, {int((~np.isfinite(array)).sum())} of it no "
                    f"number: give finite numbers of shape {shape}"
                )
            object.__setattr__(self, name, array)

    @property
    def lift(self) -> np.ndarray:
        """Accuracy over the base's, (n, n_skills)."""
        return np.asarray(self.accuracy - self.base_accuracy)

    def distances(self, weights: DistanceWeights) -> np.ndarray:
        """Distance between any two candidates, (n, n)."""
        return distances(self.cosine, self.accuracy, self.base_accuracy, self.ranks, weights)

    def rows(self, chosen: Sequence[bool] | np.ndarray) -> list[int]:
        """Places where `chosen` is true, in order."""
        return [int(i) for i in np.flatnonzero(np.asarray(chosen))]
