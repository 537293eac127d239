"""Children are mixes of what their parents do, however that is written down."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from academy.errors import OperatorError
from academy.operators.crossover import (
    EXTRAPOLATE,
    by_depth,
    dare_crossover,
    knots_crossover,
    merge_crossover,
    split_merge,
    split_point_crossover,
    ties_crossover,
)
from genome.consensus import ties_vote
from genome.errors import BaseModelMismatchError
from genome.genome import Genome
from genome.geometry import cosine
from genome.layer import Factors, Layer
from tests.support.genome import dense_updates, random_layer, tiny_llama

MODEL = tiny_llama()
MOTHER, FATHER = (random_layer(MODEL, rank=3, seed=seed) for seed in (1, 2))
Cross = Callable[..., Layer]
ALL = [merge_crossover, split_point_crossover, ties_crossover, dare_crossover, knots_crossover]
EXACT_BASIS = [merge_crossover, split_point_crossover, ties_crossover, knots_crossover]


def dense(layer: Layer) -> dict[str, torch.Tensor]:
    return dense_updates(Genome.of(layer))


def rotated(layer: Layer, seed: int = 5) -> Layer:
    """The same update from other factors."""
    torch.manual_seed(seed)
    turn = torch.linalg.qr(torch.randn(layer.rank, layer.rank)).Q
    return Layer(
        layer.base_model, {m: Factors(turn @ f.a, f.b @ turn.T) for m, f in layer.factors.items()}
    )


def cut(matrix: torch.Tensor, rank: int) -> torch.Tensor:
    u, s, v = torch.linalg.svd(matrix, full_matrices=False)
    return u[:, :rank] * s[:rank] @ v[:rank]


def distance(left: Layer, right: Layer) -> float:
    ours, theirs = dense(left), dense(right)
    return max(float((ours[m] - theirs[m]).norm() / theirs[m].norm()) for m in theirs)


@pytest.mark.parametrize("bounds", [(0.0, 1.0), EXTRAPOLATE])
def test_the_mix_is_the_best_of_its_rank(bounds: tuple[float, float]) -> None:
    """Equal to the dense SVD cut of w * mother + (1 - w) * father."""
    low, high = bounds
    for seed in range(5):
        child = merge_crossover(
            MOTHER, FATHER, low=low, high=high, rank=3, rng=np.random.default_rng(seed)
        )
        w = np.random.default_rng(seed).uniform(low, high)
        mother, father = dense(MOTHER), dense(FATHER)
        for module, update in dense(child).items():
            best = cut(w * mother[module] + (1 - w) * father[module], 3)
            torch.testing.assert_close(update, best, atol=1e-5, rtol=1e-4)


def test_extrapolation_goes_beyond_both_parents() -> None:
    """Some of 40 draws of w lie outside [0, 1]; w is read off the untruncated child."""
    seen = []
    module = next(iter(MOTHER.factors))
    mother, father = (Layer("tiny", {module: one.factors[module]}) for one in (MOTHER, FATHER))
    for seed in range(40):
        child = merge_crossover(
            mother, father, low=-0.5, high=1.5, rank=6, rng=np.random.default_rng(seed)
        )
        apart = dense(MOTHER)[module] - dense(FATHER)[module]
        moved = dense(child)[module] - dense(FATHER)[module]
        seen.append(float((moved * apart).sum() / apart.square().sum()))
    assert min(seen) < -0.1 and max(seen) > 1.1
    assert min(seen) >= -0.5 - 1e-4 and max(seen) <= 1.5 + 1e-4


@pytest.mark.parametrize("cross", EXACT_BASIS)
def test_how_a_parent_is_written_changes_no_child(cross: Cross) -> None:
    """Rotating a parent's factors leaves the child's update where it was."""
    plain = cross(MOTHER, FATHER, rank=3, rng=np.random.default_rng(3))
    other = cross(rotated(MOTHER), rotated(FATHER, 6), rank=3, rng=np.random.default_rng(3))
    assert distance(other, plain) < 1e-3


@pytest.mark.parametrize("cross", ALL)
def test_same_seed_same_child_and_parents_are_left_alone(cross: Cross) -> None:
    before = [
        [f.clone() for pair in one.factors.values() for f in pair] for one in (MOTHER, FATHER)
    ]
    first, second, other = (
        cross(MOTHER, FATHER, rank=2, rng=np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    assert first.digest == second.digest != other.digest
    assert first.rank == 2
    after = [[f for pair in one.factors.values() for f in pair] for one in (MOTHER, FATHER)]
    for old, new in zip(before, after, strict=True):
        assert all(torch.equal(x, y) for x, y in zip(old, new, strict=True))


@pytest.mark.parametrize("cross", ALL)
def test_parents_of_different_bases_have_no_children(cross: Cross) -> None:
    stranger = Layer("other", FATHER.factors)
    with pytest.raises(BaseModelMismatchError):
        cross(MOTHER, stranger, rank=3, rng=np.random.default_rng(0))


@pytest.mark.parametrize("spherical", [True, False])
def test_before_the_split_is_the_mother_after_it_the_father(spherical: bool) -> None:
    """With t = 1, module by module; at 0 and at the end the child is one parent."""
    order = by_depth(MOTHER.factors)
    child = split_merge(MOTHER, FATHER, split=5, t=1.0, rank=3, spherical=spherical)
    mother, father, mixed = dense(MOTHER), dense(FATHER), dense(child)
    for i, module in enumerate(order):
        parent = mother if i < 5 else father
        torch.testing.assert_close(mixed[module], parent[module], atol=1e-5, rtol=1e-4)
    for split, parent_layer in ((0, FATHER), (len(order), MOTHER)):
        whole = split_merge(MOTHER, FATHER, split=split, t=1.0, rank=3, spherical=spherical)
        assert distance(whole, parent_layer) < 1e-4


def test_shares_are_mirrored_at_the_split() -> None:
    """Linear, t = 0.3: 0.3 mother + 0.7 father before it, 0.7 mother + 0.3 father after it."""
    child = dense(split_merge(MOTHER, FATHER, split=7, t=0.3, rank=6, spherical=False))
    mother, father = dense(MOTHER), dense(FATHER)
    for i, module in enumerate(by_depth(MOTHER.factors)):
        t = 0.3 if i < 7 else 0.7
        mix = t * mother[module] + (1 - t) * father[module]
        torch.testing.assert_close(child[module], mix, atol=1e-5, rtol=1e-4)


def test_the_arc_keeps_the_length_that_the_line_loses() -> None:
    """Half-way between unlike parents SLERP keeps their norm, the straight line about 0.71."""
    arc, line = (
        split_merge(MOTHER, FATHER, split=4, t=0.5, rank=6, spherical=spherical)
        for spherical in (True, False)
    )
    for module, mother in dense(MOTHER).items():
        length = (mother.norm() + dense(FATHER)[module].norm()) / 2
        assert dense(arc)[module].norm() > 0.9 * length
        assert dense(line)[module].norm() < 0.85 * length


def test_modules_that_one_parent_lacks_are_inherited_in_its_share() -> None:
    first, *rest = by_depth(MOTHER.factors)
    part = Layer("tiny", {m: FATHER.factors[m] for m in rest})
    child = split_merge(MOTHER, part, split=3, t=0.25, rank=6)
    torch.testing.assert_close(
        dense(child)[first], 0.25 * dense(MOTHER)[first], atol=1e-5, rtol=1e-4
    )


def test_depth_counts_blocks_as_numbers() -> None:
    """Block 2 before block 10, attention before the rest, embeddings first, heads last."""
    blocks = [
        f"model.layers.{i}.{part}"
        for i in (0, 2, 10)
        for part in ("self_attn.q_proj", "mlp.up_proj")
    ]
    names = ["model.embed_tokens", *blocks, "lm_head"]
    assert by_depth(reversed(names)) == names
    old = ["transformer.wte", "transformer.h.1.attn.c_attn", "transformer.h.11.mlp.c_fc", "score"]
    assert by_depth(sorted(old)) == old


def test_a_vote_of_equals_is_unanimous() -> None:
    """TIES and KnOTS at density 1: a parent crossed with itself is itself."""
    for cross in (ties_crossover, knots_crossover):
        child = cross(
            MOTHER, rotated(MOTHER), densities=(1.0, 1.0), rank=3, rng=np.random.default_rng(0)
        )
        assert distance(child, MOTHER) < 1e-3


def test_ties_is_the_vote_on_dense_numbers() -> None:
    """Elected signs and disjoint means, at a rank that cuts nothing."""
    child = ties_crossover(
        MOTHER, FATHER, densities=(0.5, 0.5), rank=64, rng=np.random.default_rng(0)
    )
    for module, update in dense(child).items():
        pair = torch.stack([dense(MOTHER)[module], dense(FATHER)[module]])
        torch.testing.assert_close(update, ties_vote(pair, 0.5), atol=1e-5, rtol=1e-3)


def test_dare_is_right_on_average() -> None:
    """The mean of 60 uncut children is near the exact mix; one child is not."""
    rng = np.random.default_rng(0)
    module = next(iter(MOTHER.factors))
    one = [Layer("tiny", {module: layer.factors[module]}) for layer in (MOTHER, FATHER)]
    children = [
        dense(dare_crossover(*one, low=0.5, high=0.5, densities=(0.5, 0.5), rank=64, rng=rng))[
            module
        ]
        for _ in range(60)
    ]
    mix = (dense(MOTHER)[module] + dense(FATHER)[module]) / 2
    mean = torch.stack(children).mean(0)
    assert (children[0] - mix).norm() > 0.5 * mix.norm()
    assert (mean - mix).norm() < 0.25 * mix.norm()  # expected 60 ** -0.5 = 0.13


def test_children_stay_related_to_both_parents() -> None:
    child = merge_crossover(MOTHER, FATHER, low=0.5, high=0.5, rank=3, rng=np.random.default_rng(0))
    assert cosine([child], [MOTHER, FATHER]).min() > 0.4


@pytest.mark.parametrize(
    ("cross", "bad"),
    [
        (merge_crossover, {"low": 1.0, "high": 0.0}),
        (merge_crossover, {"low": float("nan")}),
        (ties_crossover, {"densities": (0.0, 0.5)}),
        (dare_crossover, {"densities": (0.5, 1.5)}),
        (knots_crossover, {"densities": (0.8, 0.2)}),
    ],
)
def test_settings_out_of_bounds_are_refused(cross: Cross, bad: dict[str, object]) -> None:
    with pytest.raises(OperatorError):
        cross(MOTHER, FATHER, rank=3, rng=np.random.default_rng(0), **bad)


@pytest.mark.parametrize(
    "bad", [{"split": -1, "t": 0.5}, {"split": 99, "t": 0.5}, {"split": 1, "t": 2.0}]
)
def test_a_split_outside_the_network_is_refused(bad: dict[str, float]) -> None:
    with pytest.raises(OperatorError):
        split_merge(MOTHER, FATHER, rank=3, **bad)  # type: ignore[arg-type]
