"""Promises of marketplace.listing.similarity."""

from collections.abc import Callable

import numpy as np
import pytest

from marketplace.listing.similarity import (
    CLONE_COSINE,
    KIN_SHARE,
    SCREEN_SHARE,
    Pair,
    Sketches,
    is_sketch,
    share_within,
    sketch,
    spaces_of,
    too_wide,
    update_cosine,
)

Layer = dict[str, Pair]
SHAPES = {"q": (48, 32), "v": (16, 32), "up": (64, 32), "down": (32, 300)}


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


def widened(factors: Layer, rank: int = 4, size: float = 1.0) -> Layer:
    """The update with one of random directions added, `size` times as large."""
    rng = np.random.default_rng(7)
    found = {}
    for name, (a, b) in factors.items():
        more_a = rng.standard_normal((rank, a.shape[1]))
        more_b = rng.standard_normal((b.shape[0], rank))
        scale = size * np.linalg.norm(b @ a) / np.linalg.norm(more_b @ more_a)
        found[name] = (
            np.vstack([a, more_a]).astype(np.float32),
            np.hstack([b, scale * more_b]).astype(np.float32),
        )
    return found


def drowned(factors: Layer) -> Layer:
    """Hidden under twice as large an update of random directions."""
    return widened(factors, 6, 2.0)


def thinned(factors: Layer) -> Layer:
    """Without half of its modules, and without the smaller half of its directions."""
    kept = {}
    for name, one in spaces_of({n: factors[n] for n in sorted(factors)[::2]}).items():
        kept[name] = ((one.right[:, :2] * one.values[:2]).T, one.left[:, :2])
    return kept


def rebalanced(factors: Layer) -> Layer:
    """Weight moved between modules, and noise on top."""
    sizes = np.linspace(0.2, 3.0, len(factors))
    return widened({n: (a * s, b) for (n, (a, b)), s in zip(factors.items(), sizes, strict=True)})


def test_the_cosine_is_that_of_the_dense_updates() -> None:
    """Against forming B A, for layers that share a half."""
    one, two = layer(1), layer(2)
    two["down"] = one["down"]
    x, y = dense(one), dense(two)
    expected = x @ y / np.linalg.norm(x) / np.linalg.norm(y)
    assert 0.2 < expected < 0.9
    assert update_cosine(one, two) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("disguise", [rotated, padded, scaled, noisy])
@pytest.mark.parametrize("seed", range(5))
def test_no_disguise_of_the_factors_hides_a_copy(
    disguise: Callable[[Layer], Layer], seed: int
) -> None:
    """Rotation, rank padding, scaling and 5 % noise: the same update by its cosine."""
    original = layer(seed)
    assert update_cosine(original, disguise(original)) >= CLONE_COSINE


@pytest.mark.parametrize(
    "disguise", [rotated, padded, scaled, noisy, widened, drowned, thinned, rebalanced]
)
@pytest.mark.parametrize("seed", range(5))
def test_no_disguise_takes_the_original_out_of_a_copy(
    disguise: Callable[[Layer], Layer], seed: int
) -> None:
    """Random ranks, cut modules and ranks: found by its sketch, and a relative one way or other."""
    original = layer(seed)
    copy = disguise(original)
    shares = (
        share_within(original, spaces_of(copy)),
        share_within(copy, spaces_of(original)),
    )
    assert max(shares) >= 0.8
    others = [sketch(spaces_of(layer(100 + i))) for i in range(20)]
    found = Sketches().grown([*others, sketch(spaces_of(original))]).shares(spaces_of(copy))
    assert found[-1] >= SCREEN_SHARE
    assert found[:-1].max() < SCREEN_SHARE


def test_the_share_is_that_of_dense_projections() -> None:
    """Against projecting B A itself, chance taken away, averaged over modules."""
    elder, young = layer(1), widened(layer(1), 4, 1.0) | {"q": layer(9)["q"]}
    parts = []
    for name, (a, b) in elder.items():
        left = np.linalg.qr(young[name][1].astype(float))[0]
        right = np.linalg.qr(young[name][0].astype(float).T)[0]
        update = b.astype(float) @ a
        whole = np.linalg.norm(update)
        sides = (
            (np.linalg.norm(left.T @ update) / whole, left.shape[1] / left.shape[0]),
            (np.linalg.norm(update @ right) / whole, right.shape[1] / right.shape[0]),
        )
        parts.append(min((inside**2 - chance) / (1 - chance) for inside, chance in sides))
    assert share_within(elder, spaces_of(young)) == pytest.approx(np.mean(parts), abs=1e-6)
    assert 0.7 < np.mean(parts) < 0.85


def test_unrelated_layers_are_told_apart() -> None:
    """No pair of 60 comes near a limit, by cosine, by share or by sketch."""
    layers = [layer(seed) for seed in range(60)]
    assert max(abs(update_cosine(layers[0], other)) for other in layers[1:]) < 0.5
    spaces = [spaces_of(one) for one in layers]
    assert max(share_within(layers[0], one) for one in spaces[1:]) < KIN_SHARE / 2
    sketches = Sketches().grown(sketch(one) for one in spaces)
    shares = np.stack([sketches.shares(one) for one in spaces])
    assert np.allclose(np.diag(shares), 1.0, atol=0.01)
    assert (shares - np.diag(np.diag(shares))).max() < SCREEN_SHARE


def test_a_start_in_common_makes_no_copy() -> None:
    """Two layers that keep the random A of a tool's usual seed share its rows, and nothing else."""
    one, two = layer(1), layer(2)
    same_start = {name: (one[name][0], two[name][1]) for name in one}
    assert share_within(one, spaces_of(same_start)) < SCREEN_SHARE


def test_ranks_that_contain_anything_contain_nothing_in_particular() -> None:
    """A full-rank layer has every layer in its spaces, and is no copy for that."""
    full = layer(5, rank=16)
    assert share_within(layer(6), spaces_of({"v": full["v"]})) <= 0.0
    wide = {"v": (np.eye(100, 128), np.eye(128, 100)), "q": (np.eye(1, 128), np.eye(128, 1))}
    assert too_wide(spaces_of(wide)) == "v"
    assert too_wide(spaces_of(full)) is None


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
    """By no measure, and neither is one whose sketch is unknown or of another kind."""
    zero = {"q": (np.zeros((2, 8), np.float32), np.zeros((8, 2), np.float32))}
    assert update_cosine(zero, zero) == 0.0
    assert sketch(spaces_of(zero)) == b""
    assert not is_sketch(bytes(256)) and not is_sketch(b"")
    assert not Sketches().grown([b"", bytes(256)]).shares(spaces_of(layer(1))).any()


def test_the_order_of_modules_changes_nothing() -> None:
    """A sketch is the same whoever wrote the file."""
    one = layer(6)
    assert sketch(spaces_of(dict(reversed(one.items())))) == sketch(spaces_of(one))
