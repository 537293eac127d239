"""The search for weights finds them, from its seed alone, and can be put aside and taken up."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable

import numpy as np
import pytest

from academy.errors import OperatorError, SearchStateError
from academy.operators.weights import WeightSearch, mutate_weights

TARGET = np.array([1.2, -0.4, 0.3, 0.0, 0.8])


def fitness(weights: np.ndarray) -> np.ndarray:
    return -np.square(weights - TARGET[: weights.shape[1]]).sum(1)


def run(search: WeightSearch, n: int) -> list[np.ndarray]:
    asked = []
    for _ in range(n):
        asked.append(search.ask())
        search.tell(fitness(asked[-1]))
    return asked


@pytest.mark.parametrize("n", [1, 2, 5])
def test_the_search_climbs_to_the_best_weights(n: int) -> None:
    search = WeightSearch(n, 0.5, seed=3)
    before = fitness(search.best[None])[0]
    run(search, 60)
    assert fitness(search.best[None])[0] > max(-1e-3, before)


def test_every_candidate_is_within_bounds_though_the_best_lies_beyond() -> None:
    search = WeightSearch(2, 0.5, seed=0, low=-0.3, high=0.6)
    asked = np.concatenate(run(search, 40))
    assert asked.min() >= -0.3 and asked.max() <= 0.6
    assert search.best == pytest.approx([0.6, -0.3], abs=0.02)


def test_a_start_may_lie_on_a_bound() -> None:
    search = WeightSearch(3, 0.5, seed=0, start=(1.5, -1.5, 0.0))
    assert search.best == pytest.approx([1.5, -1.5, 0.0], abs=1e-6)
    run(search, 60)
    assert search.best == pytest.approx(TARGET[:3], abs=0.05)


def test_the_seed_decides_everything_and_numpys_own_state_is_untouched() -> None:
    """Neither read (another global seed changes nothing) nor advanced."""
    np.random.seed(1)
    before = np.random.get_state()[1].copy(), np.random.get_state()[2]  # type: ignore[index]
    first = run(WeightSearch(5, 0.5, seed=7), 10)
    after = np.random.get_state()[1], np.random.get_state()[2]  # type: ignore[index]
    assert np.array_equal(before[0], after[0]) and before[1] == after[1]
    np.random.seed(2)
    second, other = (run(WeightSearch(5, 0.5, seed=seed), 10) for seed in (7, 8))
    assert np.array_equal(first, second)
    assert not np.array_equal(first, other)


def by_state(search: WeightSearch) -> WeightSearch:
    return WeightSearch.restore(search.state())


def by_pickle(search: WeightSearch) -> WeightSearch:
    restored = pickle.loads(pickle.dumps(search))
    assert isinstance(restored, WeightSearch)
    return restored


@pytest.mark.parametrize("way", [by_state, by_pickle])
@pytest.mark.parametrize("open_question", [False, True], ids=["told", "asked"])
def test_a_search_taken_up_again_goes_on_to_the_bit(
    way: Callable[[WeightSearch], WeightSearch], open_question: bool
) -> None:
    """Also between ask and tell, also with failures among what it was told."""
    search = WeightSearch(5, 0.5, seed=7, population=6)
    run(search, 4)
    search.ask()
    search.tell([1.0, float("nan"), 2.0, float("-inf"), 0.5, 1.5])
    asked = search.ask() if open_question else None
    copy = way(search)
    if asked is not None:
        assert np.array_equal(copy.ask(), asked)
    assert np.array_equal(run(search, 5), run(copy, 5))
    assert search.state() == copy.state()


def test_a_search_saved_after_asking_may_be_told_without_asking_again() -> None:
    search = WeightSearch(5, 0.5, seed=7)
    values = fitness(search.ask())
    copy = by_state(search)
    copy.tell(values)
    search.tell(values)
    assert np.array_equal(copy.ask(), search.ask())


def test_failed_candidates_count_as_the_worst() -> None:
    """NaN and -inf are told apart from nothing but the best: the search still climbs."""
    search = WeightSearch(2, 0.5, seed=1)
    for _ in range(60):
        values = fitness(search.ask())
        values[values < np.quantile(values, 0.3)] = np.nan
        search.tell(values)
    assert fitness(search.best[None])[0] > -1e-2
    search.ask()
    search.tell([np.nan] * 6)
    assert np.isfinite(search.ask()).all()


def test_asking_twice_gives_the_same_and_telling_needs_a_question() -> None:
    search = WeightSearch(3, 0.5, seed=0)
    assert np.array_equal(search.ask(), search.ask())
    with pytest.raises(OperatorError, match="one for each"):
        search.tell([0.0])
    search.tell(fitness(search.ask()))
    with pytest.raises(OperatorError, match="ask first"):
        search.tell([])


def test_damaged_or_diverging_states_are_refused() -> None:
    search = WeightSearch(3, 0.5, seed=0)
    run(search, 3)
    whole = json.loads(search.state())
    moved = json.dumps({**whole, "check": "0" * 16}).encode()
    with pytest.raises(SearchStateError, match="differently"):
        WeightSearch.restore(moved)
    for damaged in (
        b"",
        search.state()[:-9],
        b"[]",
        b"{}",
        json.dumps({**whole, "told": 3}).encode(),
    ):
        with pytest.raises(SearchStateError, match="cannot be read"):
            WeightSearch.restore(damaged)


@pytest.mark.parametrize(
    "bad",
    [
        {"n": 0},
        {"sigma": 0.0},
        {"sigma": 9.0},
        {"low": 2.0},
        {"start": (0.0,)},
        {"start": (0.0, 7.0)},
        {"population": 1},
    ],
)
def test_searches_that_make_no_sense_are_refused(bad: dict[str, object]) -> None:
    with pytest.raises(OperatorError):
        WeightSearch(**{"n": 2, "sigma": 0.5, "seed": 0, **bad})  # type: ignore[arg-type]


def test_mutated_weights_are_noisy_and_bounded() -> None:
    """Standard deviation as asked over 2,000 weights; none beyond the bounds; seeded."""
    zeros = [0.0] * 2000
    noisy = mutate_weights(zeros, sigma=0.1, rng=np.random.default_rng(0))
    assert np.std(noisy) == pytest.approx(0.1, rel=0.1)
    assert noisy == mutate_weights(zeros, sigma=0.1, rng=np.random.default_rng(0))
    wide = mutate_weights(zeros, sigma=1.4, low=-0.5, high=1.0, rng=np.random.default_rng(0))
    assert min(wide) == -0.5 and max(wide) == 1.0
    assert mutate_weights((0.3, 1.0), sigma=0.0, rng=np.random.default_rng(0)) == (0.3, 1.0)
    assert mutate_weights((), sigma=0.1, rng=np.random.default_rng(0)) == ()
