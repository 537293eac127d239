"""Species: read off what candidates are good at and how alike their updates are.

The distance of a candidate from a species' representative is
    UPDATE_WEIGHT * (1 - cosine of the two updates) + total variation of the two niches,
where a niche is a candidate's squared lift over the base, per skill, as shares of the sum.
Every candidate joins the nearest species within THRESHOLD, as in NEAT (Stanley and
Miikkulainen 2002); one that is too far from all, and has a lift worth the name, founds a new
one. Nobody is told its niche: names are given afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from academy.apprenticeship.apprentice import Apprentice
from academy.apprenticeship.selection import profiles
from academy.skills import SKILLS, skill_index
from genome import geometry
from genome.layer import Layer

UPDATE_WEIGHT = 0.2
THRESHOLD = 0.50
NOTABLE_LIFT = 0.12
"""Estimated accuracy above the base's from which a candidate counts as good at a skill."""
NICHE_NOISE = 0.01
"""Added to every squared lift before taking shares, so that pure noise has an even niche."""


@dataclass(frozen=True)
class Species:
    """A kind of persona, with an identity that lasts through generations."""

    id: int
    name: str
    niche: str | None
    """Skill its members are best at, compared with the base; None while nothing stands out."""
    born: int
    parent: int | None
    """Species of its founder's first parent."""
    representative: Layer
    niche_shares: np.ndarray
    """The representative's niche, (n_skills,), summing to 1."""


@dataclass(frozen=True)
class Extinction:
    species: Species
    generation: int
    cause: str
    """`outcompeted` (its last members died) or `absorbed` (they now belong to others)."""


@dataclass
class Taxonomy:
    """All living species and the counters that keep names unique within a run."""

    living: list[Species] = field(default_factory=list)
    named: dict[str, int] = field(default_factory=dict)
    """How many species were given each noun so far."""
    n_born: int = 0


def niche_shares(accuracy: np.ndarray, base_accuracy: np.ndarray) -> np.ndarray:
    """Squared lift over the base as shares of each candidate's sum, (n_candidates, n_skills)."""
    pull = np.maximum(accuracy - base_accuracy, 0.0) ** 2 + NICHE_NOISE
    return np.asarray(pull / pull.sum(-1, keepdims=True))


def classify(
    population: Sequence[Apprentice],
    taxonomy: Taxonomy,
    base_accuracy: np.ndarray,
    generation: int,
) -> list[Extinction]:
    """Give every candidate its species, found new ones, rename and bury; changes both arguments.

    Returns:
        The species that ended in this generation.
    """
    accuracy = profiles(population)
    shares = niche_shares(accuracy, base_accuracy)  # (n_candidates, n_skills)
    before = {candidate.id: candidate.species for candidate in population}
    _assign(population, taxonomy, shares, accuracy - base_accuracy, generation)
    extinctions = _bury(population, taxonomy, before, generation)
    _renew(population, taxonomy, shares, accuracy - base_accuracy)
    return extinctions


def champion(members: Sequence[Apprentice], niche: str | None) -> Apprentice:
    """The member with the best estimate on the niche (on average without one), older first."""
    index = skill_index(niche)
    return max(
        members,
        key=lambda c: (float(c.profile.mean() if index is None else c.profile[index]), -c.id),
    )


def _assign(
    population: Sequence[Apprentice],
    taxonomy: Taxonomy,
    shares: np.ndarray,
    lift: np.ndarray,
    generation: int,
) -> None:
    layers = [c.layer for c in population]
    distance = _distances(layers, shares, taxonomy.living)  # (n_candidates, n_species)
    order = sorted(range(len(population)), key=lambda i: (-float(lift[i].max()), population[i].id))
    for i in order:
        nearest = int(distance[i].argmin()) if taxonomy.living else -1
        far = nearest < 0 or distance[i, nearest] > THRESHOLD
        if far and (nearest < 0 or lift[i].max() >= NOTABLE_LIFT):
            founder = population[i]
            parent = founder.species if founder.species >= 0 else None
            new = Species(taxonomy.n_born, "", None, generation, parent, founder.layer, shares[i])
            taxonomy.n_born += 1
            taxonomy.living.append(new)
            column = _distances(layers, shares, [new])
            distance = np.concatenate([distance, column], axis=1)
            nearest = len(taxonomy.living) - 1
        population[i].species = taxonomy.living[nearest].id


def _distances(
    layers: Sequence[Layer], shares: np.ndarray, species: Sequence[Species]
) -> np.ndarray:
    """Distance of every candidate to every representative, (n_candidates, n_species)."""
    if not species:
        return np.zeros((len(layers), 0))
    representatives = [s.representative for s in species]
    cosine = geometry.cosine(layers, representatives).numpy()
    theirs = np.stack([s.niche_shares for s in species])  # (n_species, n_skills)
    variation = 0.5 * np.abs(shares[:, None, :] - theirs[None, :, :]).sum(-1)
    return np.asarray(UPDATE_WEIGHT * (1 - cosine) + variation)


def _bury(
    population: Sequence[Apprentice],
    taxonomy: Taxonomy,
    before: dict[int, int],
    generation: int,
) -> list[Extinction]:
    alive = {candidate.species for candidate in population}
    had_survivors = set(before.values())
    gone = [s for s in taxonomy.living if s.id not in alive]
    taxonomy.living = [s for s in taxonomy.living if s.id in alive]
    return [
        Extinction(s, generation, "absorbed" if s.id in had_survivors else "outcompeted")
        for s in gone
    ]


def _renew(
    population: Sequence[Apprentice], taxonomy: Taxonomy, shares: np.ndarray, lift: np.ndarray
) -> None:
    """Move every representative to the current champion, and name the species by its niche."""
    renewed = []
    for species in taxonomy.living:
        rows = [i for i, c in enumerate(population) if c.species == species.id]
        mean_lift = lift[rows].mean(0)
        best = int(mean_lift.argmax())
        niche = SKILLS[best].name if mean_lift[best] >= NOTABLE_LIFT else None
        head = champion([population[i] for i in rows], niche)
        row = next(i for i in rows if population[i] is head)
        renewed.append(
            replace(
                species,
                name=_name(taxonomy, species, niche),
                niche=niche,
                representative=head.layer,
                niche_shares=shares[row],
            )
        )
    taxonomy.living = renewed


def _name(taxonomy: Taxonomy, species: Species, niche: str | None) -> str:
    """The old name while the niche is the old one, else the next number of the niche's noun."""
    if species.name and niche == species.niche:
        return species.name
    noun = next(s.specialist for s in SKILLS if s.name == niche) if niche else "helper"
    taxonomy.named[noun] = taxonomy.named.get(noun, 0) + 1
    return f"{noun}-{taxonomy.named[noun]}"
