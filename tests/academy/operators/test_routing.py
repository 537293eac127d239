"""Questions go to the layers that several kinds of evidence point to."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from academy.errors import OperatorError
from academy.operators.routing import (
    MAX_TOP_K,
    MAX_TRUST,
    TEMPERATURES,
    RoutingGenes,
    arrow_prototypes,
    arrow_scores,
    cross_routing,
    mutate_routing,
    route,
    usage_prior,
)
from genome.layer import Factors, Layer
from tests.support.genome import random_layer, tiny_llama

LAYERS = [random_layer(tiny_llama(), rank=3, seed=seed) for seed in range(4)]
SCORES = np.array([[0.9, 0.1, 0.5], [0.2, 0.3, 0.25]])


@pytest.mark.parametrize("top_k", [1, 2, 3])
def test_weights_sum_to_one_over_the_k_best(top_k: int) -> None:
    weights = route(RoutingGenes(top_k=top_k), similarity=SCORES)
    assert weights.sum(1) == pytest.approx([1.0, 1.0])
    assert ((weights > 0).sum(1) == top_k).all()
    assert weights.argmax(1).tolist() == [0, 1]
    assert (np.argsort(-SCORES[0])[:top_k] == np.argsort(-weights[0], kind="stable")[:top_k]).all()


def test_temperature_goes_from_one_layer_to_all_alike() -> None:
    cold, hot = (
        route(RoutingGenes(temperature=t, top_k=3), similarity=SCORES) for t in TEMPERATURES
    )
    assert cold.max(1) == pytest.approx([1.0, 1.0], abs=1e-3)
    assert hot == pytest.approx(np.full((2, 3), 1 / 3), abs=0.05)


def test_each_trust_follows_its_own_evidence() -> None:
    """Three kinds of evidence name three layers; whoever is trusted alone decides."""
    evidence = {
        "prototype": np.array([[1.0, 0.0, 0.0]]),
        "similarity": np.array([[0.0, 1.0, 0.0]]),
        "usage": usage_prior([0, 0, 50]),
    }
    for i, name in enumerate(evidence):
        trusts = dict.fromkeys(evidence, 0.0) | {name: 1.0}
        assert route(RoutingGenes(**trusts), **evidence).argmax() == i
    blind = RoutingGenes(prototype=0, similarity=0, usage=0, top_k=3)
    assert route(blind, **evidence) == pytest.approx(np.full((1, 3), 1 / 3))


def test_evidence_of_another_scale_counts_the_same() -> None:
    genes = RoutingGenes(top_k=3, usage=0.5)
    usage = usage_prior([5, 1, 2])
    plain = route(genes, prototype=SCORES, similarity=SCORES[:, ::-1], usage=usage)
    scaled = route(genes, prototype=100 * SCORES - 7, similarity=SCORES[:, ::-1], usage=usage)
    assert scaled == pytest.approx(plain)


def test_evidence_that_tells_nothing_apart_is_ignored_and_equals_go_by_order() -> None:
    assert route(RoutingGenes(), similarity=np.zeros((1, 3))).tolist() == [[1.0, 0.0, 0.0]]
    assert route(RoutingGenes(), similarity=np.array([[0.4]])).tolist() == [[1.0]]


@pytest.mark.parametrize(
    "bad", [{}, {"similarity": np.zeros((2, 0))}, {"similarity": SCORES, "usage": np.zeros(4)}]
)
def test_scores_that_do_not_fit_together_are_refused(bad: dict[str, np.ndarray]) -> None:
    with pytest.raises(OperatorError):
        route(RoutingGenes(), **bad)


def test_prototypes_are_the_first_right_singular_vectors() -> None:
    """Compared with a dense SVD, up to sign; unit length; the sign changes no score."""
    for module, prototype in arrow_prototypes(LAYERS[0]).items():
        a, b = LAYERS[0].factors[module]
        v = torch.linalg.svd(b @ a, full_matrices=False).Vh[0]
        assert abs(float(v @ prototype)) == pytest.approx(1.0, abs=1e-4)
    protos = arrow_prototypes(LAYERS[0])
    inputs = {m: torch.randn(3, f.a.shape[1]) for m, f in LAYERS[0].factors.items()}
    flipped = {m: -v for m, v in protos.items()}
    assert arrow_scores([protos], inputs) == pytest.approx(arrow_scores([flipped], inputs))


def test_inputs_along_a_layers_prototypes_go_to_that_layer() -> None:
    prototypes = [arrow_prototypes(layer) for layer in LAYERS]
    for i, own in enumerate(prototypes):
        inputs = {m: 5.0 * v[None] + 0.1 for m, v in own.items()}
        scores = arrow_scores(prototypes, inputs)
        assert scores.shape == (1, 4)
        assert route(RoutingGenes(), prototype=scores).argmax() == i


def test_a_module_without_a_prototype_scores_nothing() -> None:
    zero = Layer("tiny", {"m": Factors(torch.ones(1, 3), torch.zeros(2, 1))})
    scores = arrow_scores([arrow_prototypes(zero), {}], {"m": torch.ones(2, 3)})
    assert scores.tolist() == [[0.0, 0.0], [0.0, 0.0]]
    with pytest.raises(OperatorError):
        arrow_scores([{}], {})


def test_the_prior_prefers_what_was_used_and_is_finite_for_what_never_was() -> None:
    prior = usage_prior([0, 1, 8])
    assert np.isfinite(prior).all()
    assert prior.argsort().tolist() == [0, 1, 2]
    assert np.exp(prior).sum() == pytest.approx(1.0)


def test_mutation_moves_every_gene_and_never_leaves_the_bounds() -> None:
    genes, rng = RoutingGenes(), np.random.default_rng(0)
    seen = {"temperature": set(), "top_k": set(), "usage": set()}  # type: dict[str, set[float]]
    for _ in range(200):
        genes = mutate_routing(genes, sigma=1.5, max_top_k=5, rng=rng)
        for name, values in seen.items():
            values.add(getattr(genes, name))
    assert seen["top_k"] == {1, 2, 3, 4, 5}
    assert {0.0, MAX_TRUST} <= seen["usage"]
    assert min(seen["temperature"]) < 0.2 < 5.0 < max(seen["temperature"])


def test_mutation_is_seeded_and_without_strength_changes_nothing() -> None:
    genes = RoutingGenes(0.7, 3, 0.4, 1.1, 0.2)
    first, second = (
        mutate_routing(genes, sigma=0.3, max_top_k=8, rng=np.random.default_rng(1))
        for _ in range(2)
    )
    assert first == second != genes
    assert mutate_routing(genes, sigma=0.0, max_top_k=8, rng=np.random.default_rng(1)) == genes


def test_a_team_that_shrank_lowers_top_k() -> None:
    genes = mutate_routing(
        RoutingGenes(top_k=6), sigma=0.0, max_top_k=2, rng=np.random.default_rng(0)
    )
    assert genes.top_k == 2


def test_children_take_every_gene_from_either_parent() -> None:
    mother, father = RoutingGenes(0.1, 1, 0.1, 0.1, 0.1), RoutingGenes(2.0, 2, 2.0, 2.0, 2.0)
    children = [cross_routing(mother, father, np.random.default_rng(s)) for s in range(64)]
    for name in ("temperature", "top_k", "prototype", "similarity", "usage"):
        inherited = {getattr(child, name) for child in children}
        assert inherited == {getattr(mother, name), getattr(father, name)}
    assert len(set(children)) > 15


@pytest.mark.parametrize(
    "bad",
    [
        {"temperature": 0.0},
        {"temperature": float("nan")},
        {"top_k": 0},
        {"top_k": 1.5},
        {"top_k": MAX_TOP_K + 1},
        {"prototype": -0.1},
        {"usage": MAX_TRUST + 1},
    ],
)
def test_genes_out_of_bounds_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(OperatorError):
        replace(RoutingGenes(), **bad)  # type: ignore[arg-type]
