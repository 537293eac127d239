"""Evolved routing: how a question is spread over a cast, beyond the table of the router.

Each member is scored for a question by prototype, similarity and usage (`operators.routing`);
the routing genes say how much each kind of score counts, how sharply, and how many members
may answer together. Members that answer together run as one genome, their updates weighted:
a common ancestor comes out at full weight. The genes start at the router's own choice (the
nearest centre, one member) and are replaced only by genes that answer more of the select
questions, by a (1 + 1) evolution strategy (Rechenberg 1973), every pass charged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from academy.challenge import Challenge
from academy.evolution.cast import Router
from academy.evolution.state import Evolution
from academy.evolution.workbench import Workbench
from academy.operators.routing import (
    RoutingGenes,
    arrow_prototypes,
    arrow_scores,
    cross_routing,
    mutate_routing,
    route,
    usage_prior,
)
from genome.base_model import BaseModel
from genome.genome import Genome
from genome.layer import Layer

START = RoutingGenes(temperature=0.1, top_k=1, prototype=0.0, similarity=1.0, usage=0.0)
"""The nearest centre's member alone: the router without genes."""
STEPS = 8
"""Weights are rounded to so many parts, so that few different mixtures have to run."""
SIGMA = 0.4
MOST_MEMBERS = 3
"""Members that may answer one question together."""
CROSSED = 0.25
"""Share of children that also take genes from the start."""


@dataclass(frozen=True)
class Mixture:
    """A cast with routing genes."""

    router: Router
    genes: RoutingGenes
    genomes: tuple[Genome, ...]
    usage: np.ndarray
    """How often each member is asked by the table, weighted by demand, (n_members,)."""

    def answers(self, prompts: Sequence[str]) -> list[Genome]:
        """The genome that answers each question."""
        weights = self.weights(prompts, self.genes)
        made = {row: mixed(self.genomes, row) for row in set(map(tuple, weights.tolist()))}
        return [made[tuple(row)] for row in weights.tolist()]

    def weights(self, prompts: Sequence[str], genes: RoutingGenes) -> np.ndarray:
        """Each member's part in each answer, (n_prompts, n_members), rows summing to 1."""
        spread = route(
            genes,
            prototype=self._prototypes(prompts) if genes.prototype else None,
            similarity=self._similarity(prompts),
            usage=usage_prior(self.usage),
        )
        return _in_parts(spread)

    def _similarity(self, prompts: Sequence[str]) -> np.ndarray:
        """Cosine with the nearest centre of a skill that the member is cast for."""
        cosines = self.router.encoder.encode(prompts) @ self.router.centres.T
        members = range(len(self.genomes))
        return np.stack([cosines[:, self.router.table == m].max(1) for m in members], axis=1)

    def _prototypes(self, prompts: Sequence[str]) -> np.ndarray:
        own = [arrow_prototypes(genome.layers[-1]) for genome in self.genomes]
        return arrow_scores(own, module_inputs(self.router.encoder.base, prompts))


def unevolved(
    run: Evolution, bench: Workbench, router: Router, genomes: Sequence[Genome]
) -> tuple[Mixture, list[Challenge], np.random.Generator]:
    """The mixture before its genes evolve, with the questions and the randomness they evolve by."""
    usage = np.bincount(router.table, weights=bench.demand.shares, minlength=len(genomes))
    rng = run.rng("routing")
    items, _ = bench.items("select", run.config.population.items, rng)
    return Mixture(router, START, tuple(genomes), usage * len(items)), items, rng


def evolve_mixture(
    bench: Workbench,
    mixture: Mixture,
    items: Sequence[Challenge],
    rng: np.random.Generator,
    budget: int,
) -> Mixture:
    """The mixture with the genes that answer most of the items, within the budget.

    Args:
        items: Select questions; the same ones for all genes, so that comparisons are paired.
        budget: Token-equivalents that may be spent.
    """
    cost = 2 * bench.scoring_cost(1, items)  # an answer, and what its routing looks at
    limit = min(budget, bench.budget.left)
    if len(mixture.genomes) < 2 or limit < 2 * cost:
        return mixture
    best, found = mixture.genes, _score(bench, mixture, mixture.genes, items)
    tried = {best}
    for _ in range(limit // cost - 1):
        child = mutate_routing(
            best, sigma=SIGMA, max_top_k=min(MOST_MEMBERS, len(mixture.genomes)), rng=rng
        )
        if rng.random() < CROSSED:
            child = cross_routing(child, START, rng)
        if child in tried:
            continue
        tried.add(child)
        score = _score(bench, mixture, child, items)
        if score > found:
            best, found = child, score
    return Mixture(mixture.router, best, mixture.genomes, mixture.usage)


def mixed(genomes: Sequence[Genome], weights: Sequence[float]) -> Genome:
    """The weighted sum of some genomes' updates as one genome; what they share comes once."""
    layers: dict[str, Layer] = {}
    scale: dict[str, float] = {}
    for genome, part in zip(genomes, weights, strict=True):
        if part:
            for layer, weight in zip(genome.layers, genome.weights, strict=True):
                layers[layer.digest] = layer
                scale[layer.digest] = scale.get(layer.digest, 0.0) + part * weight
    return Genome(genomes[0].base_model, tuple(layers.values()), tuple(scale.values()))


def module_inputs(base: BaseModel, prompts: Sequence[str]) -> dict[str, torch.Tensor]:
    """What every changeable module is given, mean over a prompt's tokens, (n_prompts, in) each."""
    seen: dict[str, list[torch.Tensor]] = {}
    sites = {n: m for n, m in base.model.named_modules() if n in base.linear_shapes}

    def listen(name: str) -> torch.utils.hooks.RemovableHandle:
        def hook(_: torch.nn.Module, given: tuple[torch.Tensor, ...]) -> None:
            seen.setdefault(name, []).append(given[0].detach().float().mean(dim=(0, 1)))

        handle: torch.utils.hooks.RemovableHandle = sites[name].register_forward_pre_hook(hook)
        return handle

    handles = [listen(name) for name in sites]
    try:
        with torch.no_grad():
            for ids in base.prompt_ids(list(prompts)):
                base.model(input_ids=torch.tensor([ids]), use_cache=False)
    finally:
        for handle in handles:
            handle.remove()
    return {name: torch.stack(rows) for name, rows in seen.items()}


def _score(
    bench: Workbench, mixture: Mixture, genes: RoutingGenes, items: Sequence[Challenge]
) -> float:
    """Mean score of the answers under these genes; what is run is charged."""
    prompts = [item.prompt for item in items]
    bench.evaluator.tokens.forward += sum(map(len, bench.base.prompt_ids(prompts)))
    weights = mixture.weights(prompts, genes)
    total = 0.0
    for row in sorted(set(map(tuple, weights.tolist()))):
        asked = [items[int(i)] for i in np.flatnonzero((weights == row).all(1))]
        total += float(bench.evaluator.scores([mixed(mixture.genomes, row)], asked).sum())
    return total / len(items)


def _in_parts(weights: np.ndarray) -> np.ndarray:
    """Rounded to parts of 1/STEPS; what is lost or won goes to the largest."""
    parts = np.round(weights * STEPS) / STEPS
    rows = np.arange(len(parts))
    parts[rows, parts.argmax(1)] += 1.0 - parts.sum(1)
    return parts
