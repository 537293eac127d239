"""Composition of low-rank updates agrees with dense matrices."""

from __future__ import annotations

import math

import pytest
import torch

from genome import compose
from genome.errors import BaseModelMismatchError, CompositionError, WeightCountError
from genome.genome import Genome
from genome.geometry import cosine
from genome.layer import Factors, Layer
from tests.support.genome import dense_updates, random_layer, tiny_llama

MODEL = tiny_llama()
ATTENTION_ONLY = Layer(
    "tiny", {m: f for m, f in random_layer(MODEL, rank=6, seed=9).factors.items() if "mlp" not in m}
)
ZERO = Layer(
    "tiny", {m: Factors(a, 0 * b) for m, (a, b) in random_layer(MODEL, seed=8).factors.items()}
)
CASES = {
    "same rank": ([random_layer(MODEL, seed=1), random_layer(MODEL, seed=2)], [0.7, -0.4]),
    "ranks": ([random_layer(MODEL, seed=1), random_layer(MODEL, rank=3, seed=2)], [0.7, -0.4]),
    "equal": ([random_layer(MODEL, seed=1)] * 2, [0.5, 0.5]),
    "targets": ([random_layer(MODEL, seed=1), ATTENTION_ONLY], [1.0, 2.0]),
    "zero": ([random_layer(MODEL, seed=1), ZERO], [0.5, 3.0]),
    "only zero": ([ZERO], [1.0]),
    "three": ([random_layer(MODEL, seed=s, rank=s) for s in (2, 3, 4)], [1.0, 1.0, 1.0]),
}


def dense(layer: Layer) -> dict[str, torch.Tensor]:
    return dense_updates(Genome.of(layer))


def dense_sum(layers: list[Layer], weights: list[float]) -> dict[str, torch.Tensor]:
    return dense_updates(Genome("tiny", tuple(layers), tuple(weights)))


def rotated(layer: Layer, seed: int = 3) -> Layer:
    """The same update with other factors."""
    generator = torch.Generator().manual_seed(seed)
    factors = {}
    for module, (a, b) in layer.factors.items():
        turn, _ = torch.linalg.qr(torch.randn(len(a), len(a), generator=generator))
        factors[module] = Factors(turn.T @ a, b @ turn)
    return Layer("tiny", factors)


@pytest.mark.parametrize("case", CASES)
def test_stack_is_the_exact_weighted_sum(case: str) -> None:
    layers, weights = CASES[case]
    for module, update in dense(compose.stack(layers, weights)).items():
        wanted = dense_sum(layers, weights)[module]
        torch.testing.assert_close(update, wanted, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("rank", [1, 4, 32])
@pytest.mark.parametrize("case", CASES)
def test_merge_is_the_best_there_is_at_its_rank(case: str, rank: int) -> None:
    """The error equals that of the dense truncated SVD (Eckart-Young); 0 at full rank."""
    layers, weights = CASES[case]
    merged = compose.merge(layers, weights, rank)
    assert merged.rank <= rank
    for module, update in dense(merged).items():
        total = dense_sum(layers, weights)[module]
        best = torch.linalg.svdvals(total)[rank:].square().sum().sqrt()
        torch.testing.assert_close((total - update).norm(), best, atol=1e-4, rtol=1e-3)


def test_merging_a_layer_with_a_rotated_copy_of_itself_gives_itself() -> None:
    """Averaging A and B separately would lose half of it."""
    layer = random_layer(MODEL)
    merged = dense(compose.merge([layer, rotated(layer)], [0.5, 0.5], rank=4))
    for module, update in merged.items():
        torch.testing.assert_close(update, dense(layer)[module], atol=1e-5, rtol=1e-4)


def test_linear_is_the_weighted_mean() -> None:
    layers = [random_layer(MODEL, seed=1), random_layer(MODEL, seed=2)]
    mean = dense(compose.linear(layers, [3, 1], rank=8))
    for module, update in mean.items():
        wanted = dense_sum(layers, [0.75, 0.25])[module]
        torch.testing.assert_close(update, wanted, atol=1e-5, rtol=1e-4)
    with pytest.raises(CompositionError, match="sum to zero"):
        compose.linear(layers, [1, -1], rank=8)


@pytest.mark.parametrize("t", [0.0, 0.3, 1.0])
def test_slerp_goes_along_the_arc(t: float) -> None:
    """Against the textbook formula on dense, flattened matrices."""
    left, right = random_layer(MODEL, seed=1), random_layer(MODEL, rank=2, seed=2)
    for module, update in dense(compose.slerp(left, right, t, rank=6)).items():
        u, v = dense(left)[module], dense(right)[module]
        angle = math.acos(float((u * v).sum() / (u.norm() * v.norm())))
        wanted = (math.sin((1 - t) * angle) * u + math.sin(t * angle) * v) / math.sin(angle)
        torch.testing.assert_close(update, wanted, atol=1e-5, rtol=1e-3)


def test_slerp_of_parallel_opposite_zero_and_missing_updates_is_a_straight_line() -> None:
    layer = random_layer(MODEL, seed=1)
    opposite = Layer("tiny", {m: Factors(a, -2 * b) for m, (a, b) in layer.factors.items()})
    for other in (rotated(layer), opposite, ZERO, ATTENTION_ONLY):
        found = dense(compose.slerp(layer, other, 0.25, rank=10))
        for module in found:
            if other is ATTENTION_ONLY and module in other.factors:
                continue  # a true arc, tested above
            wanted = dense_sum([layer, other], [0.75, 0.25])[module]
            torch.testing.assert_close(found[module], wanted, atol=1e-4, rtol=1e-3)


def test_canonical_form_is_one_for_all_factors_of_an_update() -> None:
    """Same update, same numbers; singular values shared, descending; superfluous ranks gone."""
    layer = random_layer(MODEL)
    padded = Layer(
        "tiny",
        {
            m: Factors(torch.cat([a, a[:2]]), torch.cat([b, 0 * b[:, :2]], 1))
            for m, (a, b) in rotated(layer).factors.items()
        },
    )
    first, second = compose.canonical(layer), compose.canonical(padded)
    assert first.rank == second.rank == 4
    for module, (a, b) in first.factors.items():
        torch.testing.assert_close(a, second.factors[module].a, atol=1e-4, rtol=1e-3)
        torch.testing.assert_close(b, second.factors[module].b, atol=1e-4, rtol=1e-3)
        torch.testing.assert_close(b @ a, dense(layer)[module], atol=1e-5, rtol=1e-4)
        u, s, v = compose.spectrum(layer.factors[module])
        torch.testing.assert_close(s, torch.linalg.svdvals(b @ a)[:4], atol=1e-4, rtol=1e-3)
        torch.testing.assert_close(u.T @ u, torch.eye(4), atol=1e-5, rtol=0)
        torch.testing.assert_close(v @ v.T, torch.eye(4), atol=1e-5, rtol=0)


def test_a_zero_layer_has_a_canonical_form_too() -> None:
    zero = compose.canonical(ZERO)
    assert zero.rank == 1
    assert float(cosine([zero])[0, 0]) == 0


def test_what_does_not_fit_together_is_refused() -> None:
    layer = random_layer(MODEL)
    with pytest.raises(WeightCountError, match="2 layers came with 1 weights"):
        compose.merge([layer, layer], [1], rank=4)
    with pytest.raises(BaseModelMismatchError):
        compose.merge([layer, random_layer(MODEL, "other")], [1, 1], rank=4)
    with pytest.raises(CompositionError, match="rank 1 or more"):
        compose.merge([layer], [1], rank=0)
    narrow = Layer("tiny", {m: Factors(a[:, 1:], b) for m, (a, b) in layer.factors.items()})
    with pytest.raises(CompositionError, match="layers of one architecture"):
        compose.stack([layer, narrow], [1, 1])
