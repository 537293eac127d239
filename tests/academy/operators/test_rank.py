"""Growing changes no function; shrinking loses as little as can be."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from academy.errors import OperatorError
from academy.operators.spectral import rank_down, rank_up
from genome.genome import Genome
from genome.layer import MAX_RANK, Factors, Layer
from tests.support.genome import dense_updates, random_layer, tiny_llama

PARENT = random_layer(tiny_llama(), rank=4, seed=1)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_growing_leaves_the_function_and_gives_the_gradient_a_hold() -> None:
    """B's new columns are zero, A's new rows are not: the first step can use them."""
    grown = rank_up(PARENT, 6, rng=rng())
    assert grown.rank == 6
    before, after = (dense_updates(Genome.of(x)) for x in (PARENT, grown))
    for module, update in before.items():
        torch.testing.assert_close(after[module], update, atol=1e-7, rtol=1e-6)
        a, b = grown.factors[module]
        assert not b[:, 4:].any()
        assert (a[4:].norm(dim=1) > 0.3).all()


def test_tiny_directions_are_as_small_as_asked_and_survive_composition() -> None:
    grown = rank_up(PARENT, 6, tiny=0.01, rng=rng())
    before, after = (dense_updates(Genome.of(x)) for x in (PARENT, grown))
    for module, update in before.items():
        change = (after[module] - update).norm()
        assert change == pytest.approx(0.01 * float(update.norm()), rel=1e-3)
    assert rank_down(grown, 6).rank == 6
    assert rank_down(rank_up(PARENT, 6, rng=rng()), 6).rank == 4


def test_small_modules_grow_to_their_full_rank_only() -> None:
    layer = Layer(
        "tiny",
        {
            "small": Factors(torch.ones(1, 2), torch.ones(8, 1)),
            "large": Factors(torch.ones(1, 8), torch.ones(8, 1)),
        },
    )
    grown = rank_up(layer, 4, rng=rng())
    assert {m: f.a.shape[0] for m, f in grown.factors.items()} == {"small": 2, "large": 4}


def test_shrinking_loses_what_eckart_and_young_say() -> None:
    """The squared loss is the sum of the squared singular values dropped."""
    cut = dense_updates(Genome.of(rank_down(PARENT, 2)))
    for module, update in dense_updates(Genome.of(PARENT)).items():
        dropped = torch.linalg.svdvals(update)[2:]
        assert (cut[module] - update).norm() == pytest.approx(float(dropped.norm()), rel=1e-3)


@pytest.mark.parametrize("rank", [0, 3, MAX_RANK + 1])
def test_growing_to_less_or_to_too_much_is_refused(rank: int) -> None:
    with pytest.raises(OperatorError):
        rank_up(PARENT, rank, rng=rng())


@pytest.mark.parametrize("rank", [0, 5])
def test_cutting_to_more_or_to_nothing_is_refused(rank: int) -> None:
    with pytest.raises(OperatorError):
        rank_down(PARENT, rank)
