"""Promises of marketplace.similarity."""

from collections.abc import Callable

import numpy as np
import pytest

from marketplace.similarity import (
    CLONE_COSINE,
    SKETCH_COSINE,
    Pair,
    sketch,
    sketch_cosines,
    stacked,
    update_cosine,
)

Layer = dict[str, Pair]
SHAPES = {"q": (48, 32), "v": (16, 32), "up": (64, 32)}


def layer(seed: int, rank: int = 4) -> Layer:
    """Random updates of three modules."""
    rng = np.random.default_rng(seed)
    return {
        name: (
            rng.standard_normal((rank, n_in)).astype(np.float32),
            rng.standard_normal((n_out, rank)).astype(np.float32),
        )
        for name, (n_out, n_in) in SHAPES.items()
    }


def dense(factors: Layer) -> np.ndarray:
    """All updates as one long vector: the slow way."""
    return np.concatenate([(b @ a).ravel() for _, (a, b) in sorted(factors.items())])


def rotated(factors: Layer) -> Layer:
    """Other factors of the same updates."""
    rng = np.random.default_rng(99)
    found = {}
    for name, (a, b) in factors.items():
        turn = np.linalg.qr(rng.standard_normal((a.shape[0],) * 2))[0].astype(np.float32)
        found[name] = (turn @ a, b @ turn.T)
    return found


def padded(factors: Layer) -> Layer:
    """The same updates at twice the rank."""
    return {
        name: (np.vstack([a, np.zeros_like(a)]), np.hstack([b, np.zeros_like(b)]))
        for name, (a, b) in factors.items()
    }


def scaled(factors: Layer) -> Layer:
    """Three times the update, most of it hidden in A."""
    return {name: (30 * a, b / 10) for name, (a, b) in factors.items()}


def noisy(factors: Layer) -> Layer:
    """Every factor with 5 % noise, as a careless copy would have."""
    rng = np.random.default_rng(5)

    def shaken(x: np.ndarray) -> np.ndarray:
        return x + 0.05 * x.std() * rng.standard_normal(x.shape).astype(np.float32)

    return {name: (shaken(a), shaken(b)) for name, (a, b) in factors.items()}


def test_the_cosine_is_that_of_the_dense_updates() -> None:
    """Against forming B A, for layers that share a half."""
    one, two = layer(1), layer(2)
    two["q"] = one["q"]
    x, y = dense(one), dense(two)
    expected = x @ y / np.linalg.norm(x) / np.linalg.norm(y)
    assert 0.2 < expected < 0.9
    assert update_cosine(one, two) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("disguise", [rotated, padded, scaled, noisy])
@pytest.mark.parametrize("seed", range(5))
def test_no_disguise_hides_a_copy(disguise: Callable[[Layer], Layer], seed: int) -> None:
    """Rotation, rank padding, scaling and 5 % noise: a clone by both measures."""
    original = layer(seed)
    copy = disguise(original)
    assert update_cosine(original, copy) >= CLONE_COSINE
    assert sketch_cosines(sketch(copy), stacked([sketch(original)]))[0] >= SKETCH_COSINE


def test_unrelated_layers_are_told_apart() -> None:
    """No pair of 60 comes near either limit."""
    layers = [layer(seed) for seed in range(60)]
    sketches = stacked(sketch(one) for one in layers)
    cosines = sketches @ sketches.T - np.eye(60)
    assert np.abs(cosines).max() < SKETCH_COSINE - 0.2
    assert max(abs(update_cosine(layers[0], other)) for other in layers[1:]) < 0.5


def test_a_negated_layer_is_no_copy() -> None:
    """Undoing an update is the opposite of repeating it."""
    one = layer(3)
    assert update_cosine(one, {name: (-a, b) for name, (a, b) in one.items()}) < -0.99


def test_modules_that_only_one_layer_changes_count_as_zero() -> None:
    """Half of a layer is not the layer; layers of disjoint modules have nothing in common."""
    one = layer(4)
    q = {"q": one["q"]}
    assert update_cosine(one, q) < CLONE_COSINE
    assert update_cosine(q, {"v": one["v"]}) == 0.0


def test_a_zero_layer_is_near_nobody() -> None:
    """Neither by cosine nor by sketch, and an unknown sketch is a zero one."""
    zero = {"q": (np.zeros((2, 8), np.float32), np.zeros((8, 2), np.float32))}
    assert update_cosine(zero, zero) == 0.0
    assert not np.frombuffer(sketch(zero), "<f4").any()
    assert not stacked([b"", b"short"]).any()


def test_the_order_of_modules_does_not_matter() -> None:
    """A sketch is the same whoever wrote the file."""
    one = layer(6)
    back = np.frombuffer(sketch(dict(reversed(one.items()))), "<f4")
    assert np.allclose(back, np.frombuffer(sketch(one), "<f4"), atol=1e-6)
