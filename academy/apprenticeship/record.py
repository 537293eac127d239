"""A generation as plain data: what is written after each one, and shown."""

from __future__ import annotations

from typing import Any

import numpy as np

from academy.apprenticeship.apprenticeship import EVEN_DEMAND, Apprenticeship, Generation
from academy.apprenticeship.lineage import living_lines
from academy.apprenticeship.selection import demand_shares, profiles
from academy.apprenticeship.species import champion
from academy.skills import skill_index


def record_of(run: Apprenticeship, generation: Generation) -> dict[str, Any]:
    """A generation as plain data, ready for JSON."""
    accuracy = profiles(run.population)
    shares = demand_shares(accuracy, EVEN_DEMAND) * len(run.population)
    return {
        "generation": generation.number,
        "interactions": generation.interactions,
        "births": generation.births,
        "deaths": generation.deaths,
        "crossovers": generation.crossovers,
        "attempt_accuracy": _rounded(generation.attempt_accuracy),
        "living_lines": len(living_lines(run.population)),
        "fitness": {
            "best": _rounded(shares.max()),
            "mean": _rounded(shares.mean()),
            "worst": _rounded(shares.min()),
        },
        "best_by_skill": [_rounded(x) for x in accuracy.max(0)],
        "mean_by_skill": [_rounded(x) for x in accuracy.mean(0)],
        "base_by_skill": [_rounded(x) for x in run.base_accuracy],
        "species": [_species_record(run, species.id) for species in run.taxonomy.living],
        "extinct": [
            {
                "id": e.species.id,
                "name": e.species.name,
                "niche": e.species.niche,
                "born": e.species.born,
                "generation": e.generation,
                "cause": e.cause,
            }
            for e in generation.extinctions
        ],
    }


def _species_record(run: Apprenticeship, species_id: int) -> dict[str, Any]:
    species = next(s for s in run.taxonomy.living if s.id == species_id)
    members = [c for c in run.population if c.species == species_id]
    head = champion(members, species.niche)
    niche = skill_index(species.niche)
    return {
        "id": species.id,
        "name": species.name,
        "niche": species.niche,
        "population": len(members),
        "born": species.born,
        "parent": species.parent,
        "champion": head.id,
        "accuracy": _rounded(head.profile.mean() if niche is None else head.profile[niche]),
        "base_accuracy": _rounded(
            run.base_accuracy.mean() if niche is None else run.base_accuracy[niche]
        ),
        "profile": [_rounded(x) for x in np.mean([c.profile for c in members], axis=0)],
    }


def _rounded(x: float) -> float:
    return round(float(x), 4)
