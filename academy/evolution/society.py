"""Who stays and of what kind they are: survival, species and migration of a generation.

What a candidate is worth where demand decides, and how many children its species may have.

`academy.selection.fitness` has the formula: lift over the base, weighted by demand, per cost and
redundancy, and nothing for proven harm. Cost counts the parameters that a genome adds to the
base's, because that is what a forward pass adds; redundancy counts how alike two profiles of lift
are. Species have children in proportion to their members' mean worth (fitness sharing, NEAT).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from academy.evolution.events import Died, Migrated, SpeciesBorn, SpeciesExtinct
from academy.evolution.state import Candidate, Evolution, Island, LayerPool
from academy.evolution.workbench import Workbench
from academy.selection.fitness import demand_fitness, proven_harm, redundancy
from academy.selection.survival import Contest, survival_named
from academy.species import islands, species
from academy.species.archive import novelty
from academy.species.classification import classify
from academy.species.phylogeny import Node
from academy.species.species import SpeciesEvent, SpeciesSettings, cull, spawn_counts
from academy.species.species_distance import Census
from genome import geometry
from genome.compose import stack
from genome.layer import Layer

SHARPNESS = 6.0
"""How strongly demand prefers the better answerer (1 = in proportion to accuracy)."""
NOTABLE = (0.12, 0.03)
"""Lift that makes a niche: over the base, and over a trained ancestor."""


def profiles(candidates: Sequence[Candidate]) -> np.ndarray:
    """Estimated accuracies, (n_candidates, n_skills)."""
    return np.stack([candidate.profile for candidate in candidates])


def survive(run: Evolution, bench: Workbench, number: int) -> None:
    """Cut an island back to its size: by the rule, holders of a niche protected."""
    island = run.islands[number]
    candidates, capacity = island.candidates, run.config.population.size
    if len(candidates) <= capacity:
        return
    own_rule = {"rule": run.config.islands.survival[number]} if run.config.islands.survival else {}
    rng = run.rng("survive", run.generation * 1000 + number)
    kept = bench.toolbox.survive(run, bench, island, capacity, rng, **own_rule)
    staying = set(kept)
    for i, candidate in enumerate(candidates):
        if i not in staying:
            bench.observe(Died(run.generation, candidate.id, "outcompeted"))
            run.phylogeny.end(f"c{candidate.id}", run.generation, "outcompeted")
    island.candidates = [candidates[i] for i in kept]


def choose_survivors(
    run: Evolution,
    bench: Workbench,
    island: Island,
    capacity: int,
    rng: np.random.Generator,
    *,
    rule: str,
) -> list[int]:
    """Places on the island of those who stay, ascending.

    Args:
        rule: One of `CHOICES["selection.survival"]`.
    """
    candidates = island.candidates
    if rule == "random":
        return sorted(rng.permutation(len(candidates))[:capacity].tolist())
    contest = Contest(
        profiles(candidates) ** SHARPNESS,
        item_weights=bench.demand.shares,
        token_cost=np.array([_rank(bench.pool, c) for c in candidates], dtype=float),
        layer_bytes=np.array([_bytes(bench.pool, c) for c in candidates], dtype=float),
        worth=worth(run, bench, candidates) if rule == "demand" else None,
        protected=_protected(run, island, capacity),
    )
    kept: list[int] = survival_named(rule)(contest, capacity, rng).tolist()
    return kept


def _protected(run: Evolution, island: Island, capacity: int) -> np.ndarray:
    """The best at each skill; then, while half the places are free, the archive's members."""
    known = profiles(island.candidates)
    shielded = np.zeros(len(island.candidates), bool)
    shielded[list(dict.fromkeys(known.argmax(0).tolist()))[: capacity - 1]] = True
    remembered = {entry.key for entry in island.archive.entries}
    for i, candidate in enumerate(island.candidates):
        young = run.generation - candidate.born < run.config.species.grace
        if shielded.sum() >= capacity // 2:
            break
        if str(candidate.id) in remembered and young:
            shielded[i] = True
    return shielded


def _rank(pool: LayerPool, candidate: Candidate) -> int:
    return sum(pool.get(digest).rank for digest in candidate.genes.layers)


def _bytes(pool: LayerPool, candidate: Candidate) -> int:
    return sum(pool.get(digest).n_bytes for digest in candidate.genes.layers)


# -- species -------------------------------------------------------------------------------


def speciate(run: Evolution, bench: Workbench) -> list[SpeciesEvent]:
    """Give everybody alive a species; events to observers and into the phylogeny."""
    if run.config.species.target < 1:
        return []
    everyone = run.population
    accuracy = profiles(everyone)
    settings = SpeciesSettings(
        target=run.config.species.target,
        grace=run.config.species.grace,
        patience=run.config.species.stagnation,
        notable_lift=NOTABLE[bool(run.ancestor)],
    )
    census = Census(
        run.skills,
        tuple(c.id for c in everyone),
        tuple(c.parents for c in everyone),
        np.array([run.generation - c.born for c in everyone]),
        accuracy @ bench.demand.shares + accuracy.max(1),
        accuracy,
        run.reference,
        np.array([_rank(bench.pool, c) for c in everyone]),
        update_cosines([species_layer(run, bench.pool, c) for c in everyone]),
    )
    result = classify(run.taxonomy, census, run.generation, settings)
    culled = cull(result.taxonomy, census, result.labels, run.generation, settings)
    run.taxonomy = culled.taxonomy
    for candidate, label in zip(everyone, result.labels, strict=True):
        candidate.species = int(label)
    species.record(run.phylogeny, result.events)
    for event in result.events:
        if event.kind in ("birth", "split"):
            bench.observe(SpeciesBorn(run.generation, event.species, event.name, event.other))
        elif event.kind == "extinction":
            bench.observe(
                SpeciesExtinct(run.generation, event.species, event.name, str(event.cause))
            )
    _remove(run, bench, [everyone[row] for row in culled.rows])
    return list(result.events)


def _remove(run: Evolution, bench: Workbench, gone: Sequence[Candidate]) -> None:
    """Take members of stagnant species off their islands; nobody's island is left empty."""
    lost = {candidate.id for candidate in gone}
    for island in run.islands:
        staying = [c for c in island.candidates if c.id not in lost]
        if not staying:
            continue
        for candidate in island.candidates:
            if candidate.id in lost:
                bench.observe(Died(run.generation, candidate.id, "stagnated"))
                run.phylogeny.end(f"c{candidate.id}", run.generation, "stagnated")
        island.candidates = staying


def species_layer(run: Evolution, pool: LayerPool, candidate: Candidate) -> Layer | None:
    """What a candidate has of its own, above the common ancestor; None = nothing."""
    above = [
        (pool.get(d), w)
        for d, w in zip(candidate.genes.layers, candidate.genes.weights, strict=True)
        if d != run.ancestor
    ]
    return stack([layer for layer, _ in above], [w for _, w in above]) if above else None


def update_cosines(layers: Sequence[Layer | None]) -> np.ndarray:
    """Pairwise cosines, (n, n); a candidate without a layer of its own is alike to nobody else."""
    present = [i for i, layer in enumerate(layers) if layer is not None]
    cosines = np.eye(len(layers))
    if present:
        own = [layer for layer in layers if layer is not None]
        cosines[np.ix_(present, present)] = geometry.cosine(own).numpy()
    return cosines


# -- islands -------------------------------------------------------------------------------


def migrate(run: Evolution, bench: Workbench) -> None:
    """Every so many generations clones of each island's elite and oddities visit another one."""
    settings = run.config.islands
    topology: islands.Topology = "ring" if settings.topology == "ring" else "random"
    plan = islands.MigrationSettings(settings.interval, settings.migrants, topology)
    if settings.count < 2 or not islands.is_due(run.generation, plan):
        return
    travellers = [_travellers(bench, island, plan.emigrants) for island in run.islands]

    def clone(candidate: Candidate) -> Candidate:
        run.n_born += 1
        copy = candidate.clone(run.n_born - 1)
        record_birth(run, copy)
        return copy

    demes, journeys = islands.migrate(
        [island.candidates for island in run.islands],
        travellers,
        clone,
        plan.topology,
        run.rng("migrate", run.generation),
    )
    for island, deme in zip(run.islands, demes, strict=True):
        island.candidates = deme
    for journey in journeys:
        original, copy = int(str(journey.original)), int(str(journey.clone))
        bench.observe(Migrated(run.generation, original, copy, journey.origin, journey.target))


def _travellers(bench: Workbench, island: Island, n: int) -> list[int]:
    fitness = profiles(island.candidates) @ bench.demand.shares
    results = np.stack([c.results for c in island.candidates])
    return islands.emigrants(fitness.tolist(), novelty(results, fitness).tolist(), n)


def record_birth(run: Evolution, candidate: Candidate) -> None:
    """Write a candidate into the phylogeny."""
    run.phylogeny.add(
        Node(
            f"c{candidate.id}",
            "candidate",
            tuple(f"c{parent}" for parent in candidate.parents),
            candidate.operator,
            run.generation,
        )
    )


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
