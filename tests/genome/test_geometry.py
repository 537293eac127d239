"""Lengths and angles from factors are those of the dense updates."""

from __future__ import annotations

import pytest
import torch

from genome import geometry
from genome.genome import Genome
from genome.layer import Factors, Layer
from tests.support.genome import dense_updates, random_layer, tiny_llama

MODEL = tiny_llama()


def flat(layer: Layer) -> torch.Tensor:
    """The dense update of every module of the model, zeros where it is not changed, (n,)."""
    updates = dense_updates(Genome.of(layer))
    everything = random_layer(MODEL).factors
    parts = [updates.get(m, torch.zeros(f.b.shape[0], f.a.shape[1])) for m, f in everything.items()]
    return torch.cat([part.flatten() for part in parts])


def without(layer: Layer, word: str) -> Layer:
    return Layer("tiny", {m: f for m, f in layer.factors.items() if word not in m})


def zero(layer: Layer) -> Layer:
    return Layer("tiny", {m: Factors(a, 0 * b) for m, (a, b) in layer.factors.items()})


LAYERS = [
    random_layer(MODEL, seed=1),
    random_layer(MODEL, seed=2),
    random_layer(MODEL, rank=2, seed=3),
    without(random_layer(MODEL, rank=7, seed=4), "mlp"),
    without(random_layer(MODEL, seed=5), "self_attn"),
    zero(random_layer(MODEL, seed=6)),
]


def test_gram_norms_and_cosine_agree_with_dense_matrices() -> None:
    """Also across ranks, across different modules, and for a zero update."""
    dense = torch.stack([flat(layer) for layer in LAYERS])
    torch.testing.assert_close(geometry.gram(LAYERS, LAYERS), dense @ dense.T, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(geometry.norms(LAYERS), dense.norm(dim=1), atol=1e-5, rtol=1e-4)
    wanted = torch.nn.functional.cosine_similarity(dense[:, None], dense[None], dim=-1)
    torch.testing.assert_close(geometry.cosine(LAYERS), wanted, atol=1e-5, rtol=0)
    torch.testing.assert_close(geometry.cosine(LAYERS[:2], LAYERS[2:]), wanted[:2, 2:])
    assert (geometry.cosine(LAYERS)[-1] == 0).all()


@pytest.mark.parametrize("change", ["rotated", "padded", "rescaled"])
def test_other_factors_of_the_same_update_have_cosine_one(change: str) -> None:
    layer = LAYERS[0]
    turn, _ = torch.linalg.qr(torch.randn(4, 4, generator=torch.Generator().manual_seed(3)))
    changes = {
        "rotated": lambda a, b: Factors(turn.T @ a, b @ turn),
        "padded": lambda a, b: Factors(
            torch.cat([a, torch.ones(2, a.shape[1])]), torch.cat([b, torch.zeros(len(b), 2)], 1)
        ),
        "rescaled": lambda a, b: Factors(a * 5, b * 0.4),
    }
    same = Layer("tiny", {m: changes[change](a, b) for m, (a, b) in layer.factors.items()})
    torch.testing.assert_close(geometry.cosine([layer], [same]), torch.ones(1, 1))
