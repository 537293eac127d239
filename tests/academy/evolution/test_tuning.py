"""Mixing weights are searched on train questions, paid for, and only better ones are kept."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from academy.evolution.events import Discarded
from academy.evolution.state import Candidate, Genes
from academy.evolution.study import POPULATION, QUESTIONS, ROUNDS, Child, search, tune
from academy.operators.memetic import study_rows
from academy.training import StudyPlan, TokenMeter, train_litter
from genome.base_model import BaseModel
from genome.layer import Layer
from tests.support.academy import bench_of, run_of
from tests.support.genome import random_layer, tiny_base


@pytest.fixture(scope="module")
def base(tokenizer: Any) -> BaseModel:
    return tiny_base(tokenizer)


def layer(base: BaseModel, seed: int) -> Layer:
    return random_layer(base.model, base.fingerprint, rank=2, seed=seed)


def child(genes: Genes, operator: str = "cma", niche: int = 1) -> Child:
    n = np.zeros(3)
    candidate = Candidate(7, genes, (1, 2), 0, operator, niche, 1, n, n.copy(), n.copy())
    return Child(candidate, operator)


def test_a_child_comes_out_likelier_than_its_mother_and_every_pass_is_charged(
    base: BaseModel,
) -> None:
    """A trained layer at a tenth of its weight: the search turns it up."""
    bench = bench_of(base)
    run = run_of(bench)
    questions = bench.study("sort", QUESTIONS, run.rng("tune", 7))
    plan = StudyPlan(12, 8, 0.02)
    rows = study_rows(base, questions, plan)
    (trained,) = train_litter(base, [layer(base, 1)], [rows], plan, TokenMeter())
    genes = Genes((bench.pool.add(trained),), (0.1,))
    one = child(genes)
    before = bench.budget.spent
    assert tune(run, bench, [one]) == [one]
    assert one.candidate.genes.layers == genes.layers and one.candidate.genes.weights[0] > 0.3
    assert one.tokens == bench.budget.spent - before > 0
    assert one.tokens <= bench.scoring_cost(1 + ROUNDS * POPULATION, questions)


def test_the_ancestor_keeps_its_weight(base: BaseModel) -> None:
    bench = bench_of(base)
    run = run_of(bench)
    run.ancestor = bench.pool.add(layer(base, 1))
    genes = Genes((run.ancestor, bench.pool.add(layer(base, 2))), (1.0, 1.0))
    questions = bench.study("sort", 4, np.random.default_rng(0))
    found = search(run, bench, genes, questions, np.random.default_rng(0))
    assert found is not None
    assert found.weights[0] == 1.0 != found.weights[1]
    assert (
        search(run, bench, Genes((run.ancestor,), (1.0,)), questions, np.random.default_rng(0))
        is None
    )


def test_children_of_other_operators_pass_and_hopeless_ones_are_said(base: BaseModel) -> None:
    """No budget left: the child is discarded with its cause, nothing is spent."""
    bench = bench_of(base)
    run = run_of(bench)
    heard: list[Any] = []
    bench.observe = heard.append
    genes = Genes((bench.pool.add(layer(base, 1)),), (1.0,))
    other = child(genes, "merge")
    bench.budget.limit = 10
    assert tune(run, bench, [other, child(genes)]) == [other]
    assert bench.budget.spent == 0
    assert [(type(e), e.cause) for e in heard] == [(Discarded, "no budget left to be tuned")]


def test_the_same_candidate_is_tuned_alike(base: BaseModel) -> None:
    """The search draws from (seed, candidate) alone, so a resumed run finds the same weights."""
    found = []
    for _ in range(2):
        bench = bench_of(base)
        genes = Genes((bench.pool.add(layer(base, 1)), bench.pool.add(layer(base, 2))), (1.0, 0.0))
        one = child(genes)
        tune(run_of(bench), bench, [one])
        found.append(one.candidate.genes)
    assert found[0] == found[1]
