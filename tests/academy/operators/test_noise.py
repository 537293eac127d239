"""Noise goes where the parent does not, as strong as asked, and survives the cut."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from academy.errors import OperatorError
from academy.operators.noise import residual_noise
from genome.compose import spectrum, truncate
from genome.genome import Genome
from genome.layer import Factors, Layer
from tests.support.genome import dense_updates, random_layer, tiny_llama

PARENT = random_layer(tiny_llama(), rank=4, seed=1)


def noisy(seed: int = 0, *, n: int = 1, strength: float = 0.1, rank: int = 4) -> Layer:
    return residual_noise(
        PARENT, n_directions=n, strength=strength, rank=rank, rng=np.random.default_rng(seed)
    )


@pytest.mark.parametrize("n", [1, 2])
@pytest.mark.parametrize("rank", [4, 8])
def test_noise_is_orthogonal_to_the_parent_and_as_strong_as_asked(n: int, rank: int) -> None:
    """What is not the parent's best rank - n is of rank n, norm 0.1 and in neither span."""
    child = dense_updates(Genome.of(noisy(n=n, rank=rank)))
    parent = dense_updates(Genome.of(PARENT))
    kept = dense_updates(Genome.of(truncate(PARENT, min(4, rank - n))))
    for module, update in parent.items():
        u, _, v = spectrum(PARENT.factors[module])
        noise = child[module] - kept[module]
        assert noise.norm() == pytest.approx(0.1 * float(update.norm()), rel=1e-3)
        assert torch.linalg.matrix_rank(noise, rtol=1e-3) == n
        assert (u.T @ noise).norm() < 1e-4 * noise.norm()
        assert (noise @ v.T).norm() < 1e-4 * noise.norm()


def test_weak_noise_is_not_lost_in_the_cut() -> None:
    """A best cut of the sum would return the parent: its weakest direction is stronger."""
    child = noisy(strength=0.01)
    assert child.rank == 4
    for module, factors in PARENT.factors.items():
        own = spectrum(factors)
        assert own.s[-1] > 0.01 * own.s.norm()  # or the test shows nothing
        moved = spectrum(child.factors[module])
        assert (moved.u - own.u @ (own.u.T @ moved.u)).norm() > 0.9


def test_same_seed_same_noise() -> None:
    assert noisy(1).digest == noisy(1).digest != noisy(2).digest


def test_updates_that_are_zero_or_full_are_only_cut() -> None:
    torch.manual_seed(0)
    layer = Layer(
        "tiny",
        {
            "full": Factors(torch.randn(3, 3), torch.randn(5, 3)),
            "zero": Factors(torch.randn(2, 6), torch.zeros(5, 2)),
        },
    )
    child = residual_noise(layer, strength=0.5, rank=3, rng=np.random.default_rng(0))
    before, after = (dense_updates(Genome.of(x)) for x in (layer, child))
    torch.testing.assert_close(after["full"], before["full"], atol=1e-5, rtol=1e-4)
    assert not after["zero"].any()
    assert child.factors["zero"].a.any()  # or no gradient would ever reach it again


@pytest.mark.parametrize("bad", [{"strength": 0.0}, {"strength": float("nan")}, {"n": 4}, {"n": 0}])
def test_settings_that_leave_no_room_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(OperatorError):
        noisy(**bad)  # type: ignore[arg-type]
