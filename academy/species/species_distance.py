"""How different two candidates are: their updates, what they are good at, and their ranks.

After NEAT's compatibility distance (Stanley and Miikkulainen 2002), on what LoRA layers have:
    distance = update * (1 - cos_F) + profile * difference of skill profiles + rank * |r_i - r_j|
where cos_F is the Frobenius cosine of the updates themselves (`genome.geometry.cosine`) and
profiles differ by total variation of their niches, or by the Hamming distance of mastered skills.

`Census` is what classification is told about a population, checked once at the door.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from academy.errors import CensusError
from genome import geometry
from genome.layer import Layer

CandidateId = int | str

NICHE_NOISE = 0.01
"""Added to every squared lift before taking shares, so that pure noise has an even niche."""

Profile = Literal["variation", "hamming"]


@dataclass(frozen=True)
class DistanceWeights:
    """What the three parts of the distance count.

    Raises:
        CensusError: A weight below 0, all of them 0, or an unknown kind of profile.
    """

    update: float = 0.2
    """Per unit of 1 - cosine (0 the same direction, 1 unrelated, 2 opposite)."""
    profile: float = 1.0
    """Per unit of profile difference (0 the same, 1 nothing in common)."""
    rank: float = 0.01
    """Per unit of rank."""
    kind: Profile = "variation"
    mastered: float = 0.5
    """Accuracy from which a skill counts as mastered; for `hamming` only."""

    def __post_init__(self) -> None:
        weights = (self.update, self.profile, self.rank)
        if not (all(w >= 0 for w in weights) and sum(weights) > 0):
            raise CensusError(f"distance weights are {weights}: give numbers from 0, one above 0")
        if self.kind not in ("variation", "hamming"):
            raise CensusError(
                f"there is no profile {self.kind!r}: did you mean 'variation' or 'hamming'?"
            )


def niche_shares(accuracy: np.ndarray, base_accuracy: np.ndarray) -> np.ndarray:
    """Squared lift over the base as shares of each candidate's sum, (n_candidates, n_skills)."""
    pull = np.maximum(accuracy - base_accuracy, 0.0) ** 2 + NICHE_NOISE
    return np.asarray(pull / pull.sum(axis=-1, keepdims=True))


def profile_distance(
    accuracy: np.ndarray, base_accuracy: np.ndarray, weights: DistanceWeights
) -> np.ndarray:
    """Difference of skill profiles, 0 to 1, (n_candidates, n_candidates)."""
    if weights.kind == "hamming":
        mastered = accuracy >= weights.mastered
        return np.asarray((mastered[:, None, :] != mastered[None, :, :]).mean(axis=-1))
    shares = niche_shares(accuracy, base_accuracy)
    return np.asarray(0.5 * np.abs(shares[:, None, :] - shares[None, :, :]).sum(axis=-1))


def distances(
    cosine: np.ndarray,
    accuracy: np.ndarray,
    base_accuracy: np.ndarray,
    ranks: np.ndarray,
    weights: DistanceWeights,
) -> np.ndarray:
    """Distance between any two candidates, symmetric, 0 on the diagonal, (n, n).

    Args:
        cosine: Of the updates, (n, n).
        accuracy: Per skill, (n, n_skills).
        base_accuracy: The base's, (n_skills,).
        ranks: Of the layers, (n,).
    """
    angle = np.clip(1.0 - (cosine + cosine.T) / 2.0, 0.0, 2.0)
    profile = profile_distance(accuracy, base_accuracy, weights)
    rank = np.abs(ranks[:, None] - ranks[None, :])
    total = weights.update * angle + weights.profile * profile + weights.rank * rank
    np.fill_diagonal(total, 0.0)
    return np.asarray(total)


def update_cosines(layers: Sequence[Layer]) -> np.ndarray:
    """Frobenius cosine of any two layers' updates, (n_layers, n_layers)."""
    return np.asarray(geometry.cosine(layers).numpy(), dtype=float)


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
