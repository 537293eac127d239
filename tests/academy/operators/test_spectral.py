"""Directions grow, shrink and turn, and nothing else happens to them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from academy.errors import OperatorError
from academy.operators.spectral import spectral_mutation, turned
from genome.compose import spectrum
from genome.genome import Genome
from genome.layer import Factors, Layer
from tests.support.genome import dense_updates, random_layer, tiny_llama

PARENT = random_layer(tiny_llama(), rank=4, seed=1)


def mutant(seed: int = 0, **settings: float) -> Layer:
    whole = {"tau": 0.0, "epsilon": 0.0, **settings}
    return spectral_mutation(PARENT, rng=np.random.default_rng(seed), **whole)


def strengths(layer: Layer) -> torch.Tensor:
    return torch.stack([spectrum(f).s for _, f in sorted(layer.factors.items())])


def test_without_strength_nothing_changes() -> None:
    same, parent = (dense_updates(Genome.of(x)) for x in (mutant(), PARENT))
    for module, update in parent.items():
        torch.testing.assert_close(same[module], update, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize(
    "angles", [{"epsilon": 0.7}, {"outward": 0.7}, {"epsilon": 0.4, "outward": 0.4}]
)
def test_turning_keeps_every_strength(angles: dict[str, float]) -> None:
    child = mutant(**angles)
    torch.testing.assert_close(strengths(child), strengths(PARENT), atol=1e-5, rtol=1e-4)
    assert child.digest != PARENT.digest


def test_turning_within_stays_in_the_span_and_turning_outward_leaves_it() -> None:
    within, outward = mutant(epsilon=0.5), mutant(outward=0.5)
    for module, factors in PARENT.factors.items():
        u, _, v = spectrum(factors)
        for child, stays in ((within, True), (outward, False)):
            moved = spectrum(child.factors[module])
            lost_left = (moved.u - u @ (u.T @ moved.u)).norm()
            lost_right = (moved.v - moved.v @ v.T @ v).norm()
            assert (lost_left < 1e-4) == stays
            assert (lost_right < 1e-4) == stays
    parent, child = (dense_updates(Genome.of(x)) for x in (PARENT, within))
    assert all((parent[m] - child[m]).norm() > 0.1 * parent[m].norm() for m in parent)


def test_the_angle_is_the_one_asked_for() -> None:
    """Root mean square over 40 frames, within 15 percent, whatever the rank."""
    for rank in (2, 4, 16):
        frame = torch.linalg.qr(torch.randn(64, rank, generator=torch.Generator().manual_seed(0))).Q
        for asked in ((0.1, 0.0), (0.0, 0.1)):
            rng = np.random.default_rng(1)
            moved = [(turned(frame, *asked, rng) - frame).square().sum(0) for _ in range(40)]
            assert torch.cat(moved).mean().sqrt() == pytest.approx(0.1, rel=0.15)


def test_turned_frames_stay_orthonormal_where_there_is_no_room_outside() -> None:
    square = torch.eye(4)
    moved = turned(square, 0.3, 0.3, np.random.default_rng(0))
    torch.testing.assert_close(moved.T @ moved, torch.eye(4), atol=1e-5, rtol=1e-5)


def test_strengths_grow_as_often_as_they_shrink() -> None:
    """600 log ratios of rank-1 updates: median 0 within 3 standard errors, deviation tau."""
    one = Layer(
        "tiny", {f"m{i:02}": Factors(torch.ones(1, 3), torch.ones(4, 1)) for i in range(60)}
    )
    before = strengths(one)
    ratios = torch.cat(
        [
            (
                strengths(
                    spectral_mutation(one, tau=0.3, epsilon=0.0, rng=np.random.default_rng(seed))
                )
                / before
            )
            .log()
            .flatten()
            for seed in range(10)
        ]
    )
    assert abs(float(ratios.median())) < 3 * 1.2533 * 0.3 / len(ratios) ** 0.5
    assert float(ratios.std()) == pytest.approx(0.3, rel=0.1)
    assert ratios.min() < -0.3 and ratios.max() > 0.3


def test_strengths_alone_keep_the_directions() -> None:
    """The span and the pairing of left and right directions are the parent's."""
    child = mutant(tau=0.2)
    for module, factors in PARENT.factors.items():
        u, _, v = spectrum(factors)
        core = u.T @ (child.factors[module].b @ child.factors[module].a) @ v.T
        assert (core - core.diag().diag()).norm() < 1e-4 * core.norm()


def test_same_seed_same_child_and_a_zero_update_survives() -> None:
    settings = {"tau": 0.3, "epsilon": 0.2, "outward": 0.1}
    assert mutant(1, **settings).digest == mutant(1, **settings).digest
    assert mutant(1, **settings).digest != mutant(2, **settings).digest
    zero = Layer("tiny", {"m": Factors(torch.ones(2, 3), torch.zeros(4, 2))})
    child = spectral_mutation(zero, rng=np.random.default_rng(0), **settings)
    assert not (child.factors["m"].b @ child.factors["m"].a).any()
    assert child.factors["m"].a.any()  # or no gradient would ever reach it again


@pytest.mark.parametrize("bad", [{"tau": -0.1}, {"epsilon": 4.0}, {"outward": float("nan")}])
def test_settings_out_of_bounds_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(OperatorError):
        mutant(**bad)
