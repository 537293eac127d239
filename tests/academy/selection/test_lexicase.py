"""DALex chooses as lexicase does, and its limits are lexicase and the mean."""

from __future__ import annotations

import random
from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest
from deap import tools
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from academy.errors import ScoresError
from academy.selection.parents import lexicase

MATRICES = npst.arrays(
    float,
    st.tuples(st.integers(1, 12), st.integers(1, 20)),
    elements=st.sampled_from([0.0, 0.5, 1.0]),
)


def plain_loop(scores: np.ndarray, order: np.ndarray) -> np.ndarray:
    """The plain loop: look at the items in this order, keep whoever is best so far."""
    left = np.arange(len(scores))
    for item in order:
        left = left[scores[left, item] == scores[left, item].max()]
    return left


@settings(max_examples=100, deadline=None)
@given(MATRICES, st.integers(0, 2**32 - 1))
def test_a_very_large_tau_is_exactly_lexicase(scores: np.ndarray, seed: int) -> None:
    """Also where softmax weights are far below a float's resolution."""
    parents = lexicase(scores, 8, np.random.default_rng(seed), tau=1e7)
    logits = np.random.default_rng(seed).normal(0.0, 1.0, (8, scores.shape[1]))
    for parent, logit in zip(parents, logits, strict=True):
        assert parent in plain_loop(scores, np.argsort(-logit))


@settings(max_examples=100, deadline=None)
@given(MATRICES, st.integers(0, 2**32 - 1), st.sampled_from([1.0, 20.0, 200.0]))
def test_nobody_chosen_is_dominated(scores: np.ndarray, seed: int, tau: float) -> None:
    for parent in lexicase(scores, 8, np.random.default_rng(seed), tau=tau):
        better = (scores >= scores[parent]).all(1) & (scores > scores[parent]).any(1)
        assert not better.any()


@given(MATRICES, st.integers(0, 2**32 - 1))
def test_tau_zero_selects_by_the_mean(scores: np.ndarray, seed: int) -> None:
    parents = lexicase(scores, 5, np.random.default_rng(seed), tau=0.0)
    assert np.allclose(scores[parents].mean(1), scores.mean(1).max())


def test_choices_are_as_frequent_as_with_deaps_lexicase() -> None:
    """5,000 draws each from 6 candidates; the standard error of a difference is at most 0.01."""
    scores = (np.random.default_rng(3).random((6, 12)) < 0.5).astype(float)
    ours = Counter(lexicase(scores, 5000, np.random.default_rng(0)).tolist())
    fitness = [SimpleNamespace(values=tuple(row), weights=(1.0,) * 12) for row in scores]
    people = [SimpleNamespace(number=i, fitness=f) for i, f in enumerate(fitness)]
    random.seed(0)
    theirs = Counter(p.number for p in tools.selLexicase(people, 5000))
    assert all(abs(ours[i] - theirs[i]) / 5000 < 0.05 for i in range(6))
    assert len(theirs) > 2


def test_the_specialist_that_a_mean_loses_is_chosen_as_often_as_its_item_comes_first() -> None:
    """One of four items is its own: a quarter of 4,000 draws, standard error 0.007."""
    scores = np.array([[1.0, 0, 0, 0], [0, 1, 1, 1]])
    parents = lexicase(scores, 4000, np.random.default_rng(1))
    assert abs((parents == 0).mean() - 0.25) < 0.03


def test_equal_candidates_are_equally_likely() -> None:
    """Three copies of the best and one worse: a third each, standard error 0.009."""
    scores = np.array([[1.0, 1], [0, 0], [1, 1], [1, 1]])
    counts = np.bincount(lexicase(scores, 3000, np.random.default_rng(2)), minlength=4) / 3000
    assert counts[1] == 0 and np.abs(counts[[0, 2, 3]] - 1 / 3).max() < 0.04


def test_the_same_generator_gives_the_same_parents() -> None:
    scores = (np.random.default_rng(0).random((100, 512)) < 0.5).astype(float)
    first, again = (lexicase(scores, 50, np.random.default_rng(9)) for _ in range(2))
    assert (first == again).all() and first.shape == (50,)
    assert (first != lexicase(scores, 50, np.random.default_rng(10))).any()


def test_down_sampling_looks_at_so_many_items_only() -> None:
    """With one of two items for all parents, everybody chosen is good at the same one."""
    scores = np.eye(2)
    seen = {
        tuple(np.unique(lexicase(scores, 9, np.random.default_rng(s), n_items=1)))
        for s in range(20)
    }
    assert seen == {(0,), (1,)}


@pytest.mark.parametrize(
    ("scores", "settings"),
    [
        ([[0.0, np.nan]], {}),
        ([0.0, 1.0], {}),
        (np.zeros((0, 3)), {}),
        ([[0.0]], {"tau": -1.0}),
        ([[0.0]], {"tau": np.nan}),
        ([[0.0, 1.0]], {"n_items": 0}),
    ],
)
def test_bad_input_is_one_line(scores: object, settings: dict[str, float]) -> None:
    with pytest.raises(ScoresError, match=r"^[^\n]+: [^\n]+$"):
        lexicase(scores, 2, np.random.default_rng(0), **settings)  # type: ignore[arg-type]
