"""Composition of low-rank updates agrees with dense matrices."""

from __future__ import annotations

import pytest
import torch

from genome import compose
from genome.errors import BaseModelMismatchError, WeightCountError
from genome.layer import Factors, Layer
from genome.testing import random_layer, tiny_llama

MODEL = tiny_llama()


def dense(layer: Layer) -> dict[str, torch.Tensor]:
    return {module: b @ a for module, (a, b) in layer.factors.items()}


def test_merge_at_full_rank_is_the_exact_weighted_sum() -> None:
    left, right = random_layer(MODEL, seed=1), random_layer(MODEL, rank=3, seed=2)
    merged = dense(compose.merge([left, right], [0.7, -0.4], rank=7))
    for module, update in merged.items():
        wanted = 0.7 * dense(left)[module] - 0.4 * dense(right)[module]
        torch.testing.assert_close(update, wanted, atol=1e-5, rtol=1e-4)


def test_merge_at_lower_rank_is_the_best_there_is() -> None:
    """The error equals that of the dense truncated SVD (Eckart-Young)."""
    layers = [random_layer(MODEL, seed=s) for s in (1, 2, 3)]
    merged = dense(compose.merge(layers, [1, 1, 1], rank=4))
    for module, update in merged.items():
        total = sum(dense(layer)[module] for layer in layers)
        singular = torch.linalg.svdvals(total)
        best = singular[4:].square().sum().sqrt()
        torch.testing.assert_close((total - update).norm(), best, atol=1e-4, rtol=1e-3)


def test_merging_a_layer_with_a_rotated_copy_of_itself_gives_itself() -> None:
    """Averaging A and B separately would lose half of it."""
    layer = random_layer(MODEL)
    turn, _ = torch.linalg.qr(torch.randn(4, 4, generator=torch.Generator().manual_seed(3)))
    rotated = Layer(
        "tiny", {m: Factors(turn.T @ a, b @ turn) for m, (a, b) in layer.factors.items()}
    )
    merged = dense(compose.merge([layer, rotated], [0.5, 0.5], rank=4))
    for module, update in merged.items():
        torch.testing.assert_close(update, dense(layer)[module], atol=1e-5, rtol=1e-4)


def test_cosine_is_that_of_the_dense_updates_and_zero_for_a_zero_update() -> None:
    layers = [random_layer(MODEL, seed=s) for s in (1, 2)]
    zero = Layer("tiny", {m: Factors(a, 0 * b) for m, (a, b) in layers[0].factors.items()})
    flat = [torch.cat([u.flatten() for u in dense(layer).values()]) for layer in layers]
    wanted = torch.nn.functional.cosine_similarity(flat[0], flat[1], dim=0)
    found = compose.cosine([*layers, zero])
    torch.testing.assert_close(found[0, 1], wanted, atol=1e-5, rtol=0)
    torch.testing.assert_close(found.diagonal(), torch.tensor([1.0, 1.0, 0.0]))


def test_merge_refuses_mixed_bases_and_missing_weights() -> None:
    layer = random_layer(MODEL)
    with pytest.raises(WeightCountError):
        compose.merge([layer], [1, 2], rank=4)
    with pytest.raises(BaseModelMismatchError):
        compose.merge([layer, random_layer(MODEL, base_model="other")], [1, 1], rank=4)
