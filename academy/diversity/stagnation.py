"""Species that no longer improve make room; newborns and the only holders of a niche stay.

NEAT (Stanley and Miikkulainen 2002) removes species without improvement for a number of
generations. Here a species is spared as long as it alone is good at some skill, so culling
never costs coverage, and its newborns live on: if they improve, the species is saved.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from academy.diversity.census import Census
from academy.diversity.species import SpeciesSettings, Taxonomy


@dataclass(frozen=True)
class Culled:
    """Who must go because the species stands still."""

    taxonomy: Taxonomy
    """With the stagnant species marked; those left without members end at the next census."""
    rows: tuple[int, ...]
    """Places in the census, ascending."""


def protected(census: Census, settings: SpeciesSettings) -> np.ndarray:
    """Newborns, who are not culled, (n,) of bool."""
    return np.asarray(census.ages < settings.grace)


def cull(
    taxonomy: Taxonomy,
    census: Census,
    labels: np.ndarray,
    generation: int,
    settings: SpeciesSettings | None = None,
) -> Culled:
    """Members of stagnant species that are past their grace; never everybody.

    Args:
        labels: Species of each candidate, (n,), as `classify` returned them.
    """
    settings = settings or SpeciesSettings()
    good = census.lift >= settings.notable_lift  # (n, n_skills)
    left = {s.id: good[labels == s.id].any(axis=0) for s in taxonomy.species}
    marked = []
    for species in sorted(taxonomy.species, key=lambda s: (s.best, -s.id)):
        others = [held for number, held in left.items() if number != species.id]
        idle = generation - species.improved >= settings.patience
        covered = bool(others) and not (left[species.id] & ~np.any(others, axis=0)).any()
        if idle and covered:
            marked.append(species.id)
            del left[species.id]
    after = tuple(replace(s, stagnant=s.id in marked) for s in taxonomy.species)
    gone = np.isin(labels, marked) & ~protected(census, settings)
    rows = tuple(int(i) for i in np.flatnonzero(gone))
    return Culled(replace(taxonomy, species=after), rows)
