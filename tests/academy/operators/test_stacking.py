"""Stacks change by one layer at a time, and never hold one twice."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from academy.errors import OperatorError
from academy.operators.stacking import Find, Stack, add_layer, drop_layer, swap_layer

GENES = Stack(("a", "b", "c"), (1.0, 0.5, -0.2))


def finds(*digests: str | None) -> Find:
    return lambda rng: digests[int(rng.integers(len(digests)))]


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_a_found_layer_comes_on_top() -> None:
    grown = add_layer(GENES, finds("d"), rng(), max_depth=4, weight=0.7)
    assert grown == Stack(("a", "b", "c", "d"), (1.0, 0.5, -0.2, 0.7))


def test_a_full_stack_and_an_empty_handed_search_change_nothing() -> None:
    assert add_layer(GENES, finds("d"), rng(), max_depth=3) == GENES
    for nothing_new in (finds(None), finds("b"), finds("a", "b", "c")):
        assert add_layer(GENES, nothing_new, rng(), max_depth=9) == GENES
        assert swap_layer(GENES, nothing_new, rng()) == GENES


def test_dropping_takes_layer_and_weight_together_and_keeps_the_last() -> None:
    """Each of the three goes in 40 draws."""
    left = {drop_layer(GENES, rng(seed)) for seed in range(40)}
    assert left == {
        Stack(("b", "c"), (0.5, -0.2)),
        Stack(("a", "c"), (1.0, -0.2)),
        Stack(("a", "b"), (1.0, 0.5)),
    }
    alone = Stack(("a",), (1.0,))
    assert drop_layer(alone, rng()) == alone


def test_swapping_keeps_place_and_weight() -> None:
    swapped = {swap_layer(GENES, finds("d"), rng(seed)) for seed in range(40)}
    assert {s.layers for s in swapped} == {("d", "b", "c"), ("a", "d", "c"), ("a", "b", "d")}
    assert {s.weights for s in swapped} == {GENES.weights}
    assert swap_layer(Stack((), ()), finds("d"), rng()) == Stack((), ())


@given(st.lists(st.sampled_from("ads"), max_size=30), st.integers(0, 2**32), st.integers(1, 4))
def test_no_sequence_of_changes_breaks_a_stack(steps: list[str], seed: int, depth: int) -> None:
    """Never a layer twice, never deeper than allowed, never empty again, weights in step."""
    draw, find = rng(seed), finds(*"abcdef", None)
    genes = Stack(("a",), (1.0,))
    for step in steps:
        if step == "a":
            genes = add_layer(genes, find, draw, max_depth=depth)
        else:
            genes = drop_layer(genes, draw) if step == "d" else swap_layer(genes, find, draw)
        assert len(set(genes.layers)) == len(genes.layers) == len(genes.weights)
        assert 1 <= len(genes.layers) <= depth


@pytest.mark.parametrize("bad", [Stack(("a", "a"), (1.0, 1.0)), Stack(("a",), ())])
def test_a_broken_stack_is_refused(bad: Stack) -> None:
    with pytest.raises(OperatorError):
        drop_layer(bad, rng())
