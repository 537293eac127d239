"""A generation as plain data, in the form that screens and reports read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from academy.evolution.society import profiles
from academy.evolution.state import Candidate, Evolution
from academy.selection.sharing import shared_fitness
from academy.training import TokenMeter


def record_of(run: Evolution, tokens: TokenMeter) -> dict[str, Any]:
    """A generation as plain data, ready for JSON."""
    everyone = run.population
    known = (run.skill_hits + run.base_accuracy) / (run.skill_asked + 1)
    accuracy = profiles(everyone) if everyone else known[None, :]
    shares = shared_fitness(accuracy**6) * len(accuracy) / len(run.skills)  # mean 1
    born = [c for c in everyone if c.born == run.generation and c.parents]
    return {
        "generation": run.generation,
        "phase": run.phase,
        "interactions": tokens.equivalents if run.answers is None else run.answers,
        "births": len(born),
        "deaths": sum(
            n.kind == "candidate" and n.died == run.generation for n in run.phylogeny.nodes
        ),
        "living_lines": len({c.line for c in everyone}) if everyone else 1,
        "fitness": {
            "best": _rounded(shares.max()),
            "mean": _rounded(shares.mean()),
            "worst": _rounded(shares.min()),
        },
        "best_by_skill": [_rounded(x) for x in accuracy.max(0)],
        "mean_by_skill": [_rounded(x) for x in accuracy.mean(0)],
        "base_by_skill": [_rounded(x) for x in run.base_accuracy],
        "species": [_species(run, everyone, s.id) for s in run.taxonomy.species],
        "extinct": [
            {
                "id": int(n.id.rpartition("-")[2]),
                "name": n.name,
                "niche": None,
                "born": n.born,
                "generation": run.generation,
                "cause": n.cause or "",
            }
            for n in run.phylogeny.nodes
            if n.kind == "species" and n.died == run.generation
        ],
        "failures": run.failures,
        "tokens": asdict(tokens),
    }


def _species(run: Evolution, everyone: Sequence[Candidate], number: int) -> dict[str, Any]:
    species = run.taxonomy.by_id(number)
    members = [c for c in everyone if c.species == number]
    niche = run.skills.index(species.niche) if species.niche else None
    profile = np.mean([c.profile for c in members], axis=0) if members else run.reference
    shown = [c.profile for c in members] or [profile]  # nobody may be left until the next census
    best = max(p.mean() if niche is None else p[niche] for p in shown)
    return {
        "id": number,
        "name": species.name,
        "niche": species.niche,
        "population": len(members),
        "born": species.born,
        "parent": species.parent,
        "accuracy": _rounded(best),
        "base_accuracy": _rounded(
            run.base_accuracy.mean() if niche is None else run.base_accuracy[niche]
        ),
        "profile": [_rounded(x) for x in profile],
    }


def _rounded(x: float) -> float:
    return round(float(x), 4)
