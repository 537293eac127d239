"""TIES, DARE and KnOTS agree with slow versions written down from the papers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from genome import consensus
from genome.errors import CompositionError
from genome.genome import Genome
from genome.layer import Factors, Layer
from tests.support.genome import dense_updates, random_layer, tiny_llama

MODEL = tiny_llama()
FULL = 32
"""No update of the model has a higher rank."""
LAYERS = [
    random_layer(MODEL, seed=1),
    random_layer(MODEL, rank=2, seed=2),
    random_layer(MODEL, seed=3),
]
WEIGHTS = [1.0, 0.5, 2.0]


def dense(layer: Layer) -> dict[str, torch.Tensor]:
    return dense_updates(Genome.of(layer))


def slow_ties(updates: list[np.ndarray], density: float) -> np.ndarray:
    """One number at a time, as in algorithm 1 of the paper."""
    merged = np.zeros(updates[0].shape)
    trimmed = []
    for update in updates:
        n_kept = max(1, round(density * update.size))
        limit = np.sort(np.abs(update), axis=None)[-n_kept]
        trimmed.append(np.where(np.abs(update) >= limit, update, 0))
    for place in np.ndindex(*merged.shape):
        values = [update[place] for update in trimmed]
        sign = np.sign(sum(values))
        same = [value for value in values if value != 0 and np.sign(value) == sign]
        merged[place] = sum(same) / len(same) if same else 0
    return merged


@pytest.mark.parametrize("density", [0.1, 0.5, 1.0])
def test_ties_is_the_paper_s(density: float) -> None:
    found = dense(consensus.ties(LAYERS, WEIGHTS, FULL, density=density))
    for module in list(found)[:3]:
        updates = [w * dense(x)[module].numpy() for x, w in zip(LAYERS, WEIGHTS, strict=True)]
        wanted = torch.from_numpy(slow_ties(updates, density)).float()
        torch.testing.assert_close(found[module], wanted, atol=1e-5, rtol=1e-3)


def test_ties_of_one_layer_at_full_density_is_that_layer() -> None:
    found = dense(consensus.ties(LAYERS[:1], [1.0], 4, density=1.0))
    for module, update in found.items():
        torch.testing.assert_close(update, dense(LAYERS[0])[module], atol=1e-5, rtol=1e-3)


def test_dare_keeps_the_mean() -> None:
    """Over 400 draws of density 1/4, the mean is the sum to within 5 standard errors."""
    module = "model.layers.0.self_attn.q_proj"
    layers = [Layer("tiny", {module: layer.factors[module]}) for layer in LAYERS]
    generator = torch.Generator().manual_seed(0)
    draws = torch.stack(
        [
            dense(consensus.dare(layers, WEIGHTS, FULL, density=0.25, generator=generator))[module]
            for _ in range(400)
        ]
    )
    exact = dense_updates(Genome("tiny", tuple(layers), tuple(WEIGHTS)))[module]
    errors = (draws.mean(0) - exact) / (draws.std(0) / 20).clamp_min(1e-9)
    assert errors.abs().max() < 5
    again = consensus.dare(layers, WEIGHTS, 4, generator=torch.Generator().manual_seed(1))
    same = consensus.dare(layers, WEIGHTS, 4, generator=torch.Generator().manual_seed(1))
    assert again.digest == same.digest
    assert again.rank == 4


@pytest.mark.parametrize("density", [0.3, 1.0])
def test_knots_is_ties_in_the_basis_of_the_dense_svd(density: float) -> None:
    found = dense(consensus.knots(LAYERS, WEIGHTS, FULL, density=density))
    for module in list(found)[:3]:
        updates = [w * dense(x)[module] for x, w in zip(LAYERS, WEIGHTS, strict=True)]
        u, s, v = torch.linalg.svd(torch.cat(updates, 1), full_matrices=False)
        kept = int((s > 1e-5 * s[0]).sum())
        aligned = (s[:kept, None] * v[:kept]).split(updates[0].shape[1], dim=1)
        voted = slow_ties([part.numpy() for part in aligned], density)
        wanted = u[:, :kept] @ torch.from_numpy(voted).float()
        if density == 1.0:  # trimming few numbers may fall differently on noise ranks
            torch.testing.assert_close(found[module], wanted, atol=1e-4, rtol=1e-3)
        else:
            assert float((found[module] - wanted).norm() / wanted.norm()) < 0.05


MERGERS: dict[str, Callable[[list[Layer], list[float]], Layer]] = {
    "ties": lambda layers, weights: consensus.ties(layers, weights, 4, density=1.0),
    "dare": lambda layers, weights: consensus.dare(
        layers, weights, 4, density=1.0, generator=torch.Generator()
    ),
    "knots": lambda layers, weights: consensus.knots(layers, weights, 4, density=1.0),
}


@pytest.mark.parametrize("merger", MERGERS)
def test_equal_zero_padded_and_partial_layers(merger: str) -> None:
    """Equal layers give themselves (DARE: their sum); zeros and padding change nothing."""
    layer = LAYERS[0]
    zero = Layer("tiny", {m: Factors(a, 0 * b) for m, (a, b) in layer.factors.items()})
    padded = Layer(
        "tiny",
        {
            m: Factors(torch.cat([a, a]), torch.cat([b, 0 * b], 1))
            for m, (a, b) in layer.factors.items()
        },
    )
    half = Layer("tiny", {m: f for m, f in layer.factors.items() if "mlp" in m})
    both = 2.0 if merger == "dare" else 1.0
    for layers, factor in (
        ([layer, padded], both),
        ([layer, zero], 1.0),
        ([half, layer], both),
    ):
        found = dense(MERGERS[merger](layers, [1.0, 1.0]))
        for module in half.factors:
            wanted = factor * dense(layer)[module]
            torch.testing.assert_close(found[module], wanted, atol=1e-4, rtol=1e-3)
    assert set(MERGERS[merger]([half, layer], [1.0, 1.0]).factors) == set(layer.factors)
    assert float(sum(u.abs().sum() for u in dense(MERGERS[merger]([zero], [1.0])).values())) == 0


def test_densities_outside_zero_to_one_are_refused() -> None:
    with pytest.raises(CompositionError, match="density is 0"):
        consensus.ties(LAYERS, WEIGHTS, 4, density=0)
    with pytest.raises(CompositionError, match=r"density is 1\.5"):
        consensus.knots(LAYERS, WEIGHTS, 4, density=1.5)
