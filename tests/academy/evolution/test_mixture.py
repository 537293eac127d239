"""Routing genes: begin as the router's own choice, mix exactly, and are kept only if better."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from academy.evolution.cast import fit_router
from academy.evolution.mixture import (
    START,
    Mixture,
    evolve_mixture,
    mixed,
    module_inputs,
)
from academy.evolution.run import evolve
from academy.evolution.workbench import Workbench
from academy.training import TokenMeter
from genome.base_model import BaseModel
from genome.compose import stack
from genome.genome import Genome
from tests.support.academy import bench_of, small_run
from tests.support.genome import random_layer, tiny_base


@pytest.fixture(scope="module")
def base(tokenizer: Any) -> BaseModel:
    return tiny_base(tokenizer)


def mixture_of(bench: Workbench) -> Mixture:
    """Two random personas; the second answers for the last skill."""
    base = bench.base
    router = fit_router(base, bench.source, [0, 0, 1], np.random.default_rng(0), TokenMeter())
    genomes = tuple(
        Genome.of(random_layer(base.model, base.fingerprint, rank=2, seed=s)) for s in (1, 2)
    )
    return Mixture(router, START, genomes, np.array([8.0, 4.0]))


def test_it_begins_as_the_router(base: BaseModel) -> None:
    """Same member for every question, alone and at full weight."""
    bench = bench_of(base)
    mixture = mixture_of(bench)
    items, _ = bench.items("select", 12, np.random.default_rng(1))
    prompts = [c.prompt for c in items]
    weights = mixture.weights(prompts, START)
    assert weights.argmax(1).tolist() == mixture.router.members(prompts).tolist()
    assert set(np.unique(weights)) == {0.0, 1.0}
    expected = [mixture.genomes[i].digest for i in mixture.router.members(prompts)]
    assert [genome.digest for genome in mixture.answers(prompts)] == expected


def test_members_that_answer_together_are_the_weighted_sum_of_their_updates(
    base: BaseModel,
) -> None:
    """A shared ancestor comes out once, at full weight."""
    common, one, two = (
        random_layer(base.model, base.fingerprint, rank=2, seed=s) for s in (1, 2, 3)
    )
    pair = [Genome(base.fingerprint, (common, own), (1.0, 1.0)) for own in (one, two)]
    mix = mixed(pair, [0.25, 0.75])
    assert [layer.digest for layer in mix.layers] == [common.digest, one.digest, two.digest]
    assert mix.weights == (1.0, 0.25, 0.75)
    whole = stack(list(mix.layers), list(mix.weights))
    module = sorted(whole.factors)[0]
    a, b = whole.factors[module]
    by_hand = sum(
        w * (layer.factors[module].b @ layer.factors[module].a)
        for w, layer in zip((1.0, 0.25, 0.75), (common, one, two), strict=True)
    )
    assert torch.allclose(b @ a, by_hand, atol=1e-5)  # type: ignore[arg-type]


def test_weights_of_each_answer_sum_to_one_whatever_the_genes(base: BaseModel) -> None:
    bench = bench_of(base)
    mixture = mixture_of(bench)
    prompts = [c.prompt for c in bench.items("select", 5, np.random.default_rng(1))[0]]
    for genes in (
        replace(START, top_k=2, temperature=20.0),
        replace(START, top_k=2, prototype=2.0, usage=1.0),
    ):
        weights = mixture.weights(prompts, genes)
        assert np.allclose(weights.sum(1), 1) and (weights >= 0).all()


def test_genes_are_replaced_only_by_better_ones_and_within_the_budget(base: BaseModel) -> None:
    """The evolved genes answer at least as many of the questions; nothing is overspent."""
    bench = bench_of(base)
    mixture = mixture_of(bench)
    items, _ = bench.items("select", 6, np.random.default_rng(2))
    budget = 12 * bench.scoring_cost(1, items)
    evolved = evolve_mixture(bench, mixture, items, np.random.default_rng(0), budget)
    assert 0 < bench.budget.spent <= budget
    answered = [
        float(
            np.mean(
                [
                    bench.evaluator.scores([genome], [item])[0, 0]
                    for genome, item in zip(
                        m.answers([c.prompt for c in items]), items, strict=True
                    )
                ]
            )
        )
        for m in (mixture, evolved)
    ]
    assert answered[1] >= answered[0]
    before = bench.budget.spent
    assert evolve_mixture(bench, mixture, items, np.random.default_rng(0), 10) == mixture
    assert bench.budget.spent == before


def test_module_inputs_are_what_each_module_is_given(base: BaseModel) -> None:
    """Mean over tokens, one row a prompt; nothing stays attached to the model."""
    inputs = module_inputs(base, ["sort: ba", "count: xyz"])
    assert set(inputs) == set(base.linear_shapes)
    for name, (_, wide) in base.linear_shapes.items():
        assert inputs[name].shape == (2, wide)
    assert not any(m._forward_pre_hooks for m in base.model.modules())


def test_a_run_with_routing_genes_ends_within_its_budget_and_repeats(base: BaseModel) -> None:
    config = small_run(routing={"genes": 0.1}, run={"tokens": 90_000})
    one, again = (evolve(config, base=base) for _ in range(2))
    assert one.tokens.equivalents <= 90_000
    assert one.mixture is not None and again.mixture is not None
    assert one.mixture.genes == again.mixture.genes
    assert len(one.answers(["sort: ba", "count: xyz"])) == 2
