"""Evolution strategies climb without a gradient, exactly as the formula says."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from academy.errors import OperatorError
from academy.operators.es import Perturbations, es_update, perturbations
from genome.genome import Genome
from genome.geometry import cosine, norms
from genome.layer import Factors, Layer
from tests.support.genome import dense_updates


def small(seed: int, rank: int = 2, scale: float = 0.5) -> Layer:
    generator = torch.Generator().manual_seed(seed)
    factors = {}
    for module, (n_out, n_in) in {"up": (8, 6), "down": (6, 8)}.items():
        a = torch.randn(rank, n_in, generator=generator) * scale
        factors[module] = Factors(a, torch.randn(n_out, rank, generator=generator) * scale)
    return Layer("tiny", factors)


PARENT, TARGET = small(1), small(2)


def quadratic(genomes: list[Genome]) -> np.ndarray:
    """Minus the squared distance to the target."""
    goal = dense_updates(Genome.of(TARGET))
    return np.array(
        [
            -sum(float((update - goal[m]).square().sum()) for m, update in dense_updates(g).items())
            for g in genomes
        ]
    )


def climb(layer: Layer, n_steps: int, **settings: float) -> Layer:
    rng = np.random.default_rng(0)
    for _ in range(n_steps):
        tried = perturbations(layer, 32, 0.05, rng)
        layer = es_update(layer, tried, quadratic(tried.genomes(layer)), lr=0.1, rank=2, **settings)
    return layer


def test_it_climbs_a_quadratic() -> None:
    """Ninety percent of the squared distance is gone in 60 steps, at the layer's own rank."""
    reached = climb(PARENT, 60)
    start, end = quadratic([Genome.of(PARENT), Genome.of(reached)])
    assert end > 0.1 * start
    assert reached.rank == 2


def test_with_fitness_upside_down_it_goes_the_other_way() -> None:
    tried = perturbations(PARENT, 32, 0.05, np.random.default_rng(0))
    fitness = quadratic(tried.genomes(PARENT))
    up, down = (es_update(PARENT, tried, s * fitness, lr=0.05, rank=8) for s in (1, -1))
    worse, start, better = quadratic([Genome.of(x) for x in (down, PARENT, up)])
    assert worse < start < better


def test_the_step_is_the_formula_cut_once() -> None:
    """Dense: cut((1 - d)(delta + lr / (2 N sigma) sum of differences times E) + d anchor)."""
    anchor = small(3)
    tried = perturbations(PARENT, 5, 0.1, np.random.default_rng(4), rank=2)
    fitness = np.random.default_rng(5).normal(size=10)
    step = es_update(PARENT, tried, fitness, lr=0.3, rank=3, anchor=anchor, decay=0.2)
    parent, held = dense_updates(Genome.of(PARENT)), dense_updates(Genome.of(anchor))
    directions = [dense_updates(Genome.of(e)) for e in tried.directions]
    for module, moved in dense_updates(Genome.of(step)).items():
        total = parent[module].clone()
        for i, direction in enumerate(directions):
            total += 0.3 / (2 * 5 * 0.1) * float(fitness[i] - fitness[5 + i]) * direction[module]
        u, s, v = torch.linalg.svd(0.8 * total + 0.2 * held[module], full_matrices=False)
        torch.testing.assert_close(moved, u[:, :3] * s[:3] @ v[:3], atol=1e-5, rtol=1e-4)


def test_the_estimate_is_the_gradient_on_average() -> None:
    """Unbiased on a linear fitness: 4,000 pairs point along its gradient, at its length."""
    slope = small(9)
    zero = Layer(
        "tiny", {m: Factors(f.a, torch.zeros_like(f.b)) for m, f in PARENT.factors.items()}
    )
    tried = perturbations(zero, 4000, 0.1, np.random.default_rng(0))
    inner = np.array(
        [
            sum(
                float((f.b @ f.a * (slope.factors[m].b @ slope.factors[m].a)).sum())
                for m, f in e.factors.items()
            )
            for e in tried.directions
        ]
    )
    step = es_update(zero, tried, np.concatenate([inner, -inner]) * 0.1, lr=1.0, rank=6)
    assert float(cosine([step], [slope])) > 0.97
    assert float(norms([step])) == pytest.approx(float(norms([slope])), rel=0.1)


@pytest.mark.parametrize("rank", [1, 4])
def test_perturbations_are_antithetic_and_of_unit_variance(rank: int) -> None:
    tried = perturbations(PARENT, 50, 0.3, np.random.default_rng(1), rank=rank)
    numbers = torch.cat(
        [(f.b @ f.a).flatten() for e in tried.directions for f in e.factors.values()]
    )
    assert float(numbers.std()) == pytest.approx(1.0, rel=0.1)
    candidates = tried.layers(PARENT)
    parent = dense_updates(Genome.of(PARENT))
    for plus, minus in zip(candidates[:50], candidates[50:], strict=True):
        forth, back = dense_updates(Genome.of(plus)), dense_updates(Genome.of(minus))
        for module, update in parent.items():
            torch.testing.assert_close((forth[module] + back[module]) / 2, update)
    assert candidates[0].rank == 2 + rank


def test_layers_and_genomes_are_the_same_candidates() -> None:
    tried = perturbations(PARENT, 3, 0.2, np.random.default_rng(1))
    for layer, genome in zip(tried.layers(PARENT), tried.genomes(PARENT), strict=True):
        for module, update in dense_updates(genome).items():
            torch.testing.assert_close(dense_updates(Genome.of(layer))[module], update)


def test_decay_holds_it_near_its_anchor() -> None:
    free, held = climb(PARENT, 20), climb(PARENT, 20, anchor=PARENT, decay=0.3)  # type: ignore[arg-type]
    assert float(cosine([held], [PARENT])) > float(cosine([free], [PARENT])) + 0.05
    fallen = climb(PARENT, 1, decay=1.0)
    assert float(norms([fallen])) < 1e-6


def test_a_failed_pair_says_nothing() -> None:
    """NaN in pair 1: the step of the other pairs alone."""
    tried = perturbations(PARENT, 3, 0.2, np.random.default_rng(1))
    fitness = np.array([1.0, np.nan, 0.0, 0.5, 1.0, np.inf])
    without = Perturbations(tried.directions[:1], tried.sigma)
    some = es_update(PARENT, tried, fitness, lr=0.1, rank=8)
    alone = es_update(PARENT, without, [1.0, 0.5], lr=0.1, rank=8)
    for module, update in dense_updates(Genome.of(alone)).items():
        torch.testing.assert_close(
            dense_updates(Genome.of(some))[module], update, atol=1e-6, rtol=1e-5
        )
    same = es_update(PARENT, tried, np.full(6, np.nan), lr=0.1, rank=8)
    assert float(cosine([same], [PARENT])) > 1 - 1e-5


def test_impossible_steps_are_refused() -> None:
    rng = np.random.default_rng(0)
    for bad in ((0, 0.1), (3, 0.0), (3, float("nan"))):
        with pytest.raises(OperatorError):
            perturbations(PARENT, *bad, rng)
    tried = perturbations(PARENT, 3, 0.1, rng)
    with pytest.raises(OperatorError):
        es_update(PARENT, tried, [1.0] * 5, lr=0.1, rank=2)
    with pytest.raises(OperatorError):
        es_update(PARENT, tried, [1.0] * 6, lr=0.1, rank=2, decay=1.5)
