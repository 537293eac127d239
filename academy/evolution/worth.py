"""What a candidate is worth where demand decides, and how many children its species may have.

`academy.selection.fitness` has the formula: lift over the base, weighted by demand, per cost and
redundancy, and nothing for proven harm. Cost counts the parameters that a genome adds to the
base's, because that is what a forward pass adds; redundancy counts how alike two profiles of lift
are. Species have children in proportion to their members' mean worth (fitness sharing, NEAT).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from academy.diversity.spawning import spawn_counts
from academy.evolution.candidate import Candidate
from academy.evolution.state import Evolution
from academy.evolution.workbench import Workbench
from academy.selection.fitness import demand_fitness, proven_harm, redundancy

BASE_QUESTIONS = 24.0
"""Questions' worth of trust in the base's measured accuracy, where harm is looked for."""


def worth(run: Evolution, bench: Workbench, candidates: Sequence[Candidate]) -> np.ndarray:
    """Demand fitness of each candidate, (n_candidates,), at least 0."""
    lift = np.stack([c.profile for c in candidates]) - run.base_accuracy
    n = len(candidates)
    cost = np.array([added_cost(bench, c) for c in candidates])
    none = np.zeros(n)
    merit = demand_fitness(lift, bench.demand.shares, cost, np.ones(n), none)
    rivals = redundancy(merit, _likeness(np.maximum(lift, 0.0)))
    return demand_fitness(lift, bench.demand.shares, cost, rivals, _harm(run, candidates))


def added_cost(bench: Workbench, candidate: Candidate) -> float:
    """Parameters that run for this candidate, as a multiple of the base's; at least 1."""
    layers = [bench.pool.get(digest) for digest in candidate.genes.layers]
    added = sum(a.numel() + b.numel() for layer in layers for a, b in layer.factors.values())
    base = sum(out * inner for out, inner in bench.base.linear_shapes.values())
    return 1.0 + added / base


def quotas(
    run: Evolution, bench: Workbench, candidates: Sequence[Candidate], births: int
) -> list[int]:
    """Species of each coming child's mother, (births,)."""
    labels = [c.species for c in candidates]
    counts = spawn_counts(worth(run, bench, candidates), labels, births)
    return [species for species in sorted(counts) for _ in range(counts[species])]


def _harm(run: Evolution, candidates: Sequence[Candidate]) -> np.ndarray:
    hits = np.floor(np.stack([c.hits for c in candidates]))
    asked = np.stack([c.asked for c in candidates])
    base_hits = np.floor(run.base_accuracy * BASE_QUESTIONS)
    return proven_harm(hits, asked, base_hits, np.full(len(base_hits), BASE_QUESTIONS))


def _likeness(gains: np.ndarray) -> np.ndarray:
    """Cosines of profiles of lift, (n_candidates, n_candidates); who gains nothing is unlike."""
    lengths = np.linalg.norm(gains, axis=1, keepdims=True)
    directions = np.where(lengths > 0, gains / np.maximum(lengths, 1e-12), 0.0)
    return np.asarray(directions @ directions.T)
