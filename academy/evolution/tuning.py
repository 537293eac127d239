"""Children whose mixing weights are found by CMA-ES on questions of their niche.

The operator `cma` stacks what both parents have of their own and searches how much of each to
take: LoraHub's search (Huang et al. 2023, arXiv 2307.13269), begun at the mother's weights and
led by the likelihood of right answers, which says more per token than right and wrong. No
gradient is taken; every forward pass is charged. A child that ends no likelier than its mother
is no child.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from academy.challenge import Challenge
from academy.evolution import schooling
from academy.evolution.candidate import Genes
from academy.evolution.events import Discarded
from academy.evolution.state import Evolution
from academy.evolution.study import Child
from academy.evolution.workbench import Workbench
from academy.operators.weights import HIGH, LOW, WeightSearch

OPERATOR = "cma"
POPULATION = 8
"""Weights tried at a time."""
ROUNDS = 5
QUESTIONS = 16
"""Train questions that the search listens to."""
SIGMA = 0.3
"""First standard deviation of a weight; 1.0 = a layer as trained."""


def tune(run: Evolution, bench: Workbench, children: list[Child]) -> list[Child]:
    """Search weights for all children of the operator; the others pass unchanged."""
    return [
        child
        for child in children
        if child.operator != OPERATOR or _tuned(run, bench, child)
    ]  # fmt: skip


def _tuned(run: Evolution, bench: Workbench, child: Child) -> bool:
    """Give a child its weights; False where it is discarded."""
    candidate = child.candidate
    skill = bench.skills[candidate.niche]
    rng = run.rng("tune", candidate.id)
    questions = schooling.niche_questions(run, bench, skill, QUESTIONS, rng)
    cost = bench.scoring_cost(1 + ROUNDS * POPULATION, questions)
    cause = ""
    if not questions:
        cause = "nothing written to be tuned by"
    elif not bench.budget.affords(cost):
        cause = "no budget left to be tuned"
    else:
        before = bench.budget.spent
        found = search(run, bench, candidate.genes, questions, rng)
        child.tokens += bench.budget.spent - before
        if found is None:
            cause = "no mixture likelier than its mother"
        else:
            candidate.genes = found
    if cause:
        bench.observe(Discarded(run.generation, candidate.id, child.operator, cause))
    return not cause


def search(
    run: Evolution,
    bench: Workbench,
    genes: Genes,
    questions: Sequence[Challenge],
    rng: np.random.Generator,
) -> Genes | None:
    """The likeliest weights met, or None if none beats the ones it starts from.

    The common ancestor keeps its weight: all else was learned on top of it as it is.
    """
    fixed = int(bool(run.ancestor) and genes.layers[:1] == (run.ancestor,))
    start = np.clip(genes.weights[fixed:], LOW, HIGH).tolist()
    if not len(start):
        return None
    seed = int(rng.integers(2**31))
    walk = WeightSearch(len(start), SIGMA, seed, start=start, population=POPULATION)
    best, found = _fitness(bench, [genes], questions)[0], None
    for _ in range(ROUNDS):
        asked = [
            replace(genes, weights=(*genes.weights[:fixed], *tried))
            for tried in walk.ask().tolist()
        ]
        fitness = _fitness(bench, asked, questions)
        walk.tell(fitness)
        top = int(fitness.argmax())
        if fitness[top] > best:
            best, found = fitness[top], asked[top]
    return found


def _fitness(
    bench: Workbench, genes: Sequence[Genes], questions: Sequence[Challenge]
) -> np.ndarray:
    """Mean log-likelihood of the right answers in nats per token, (n_genes,)."""
    genomes = [one.genome(bench.pool) for one in genes]
    return np.asarray(-bench.evaluator.losses(genomes, questions).mean(1))
