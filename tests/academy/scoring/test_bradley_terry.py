"""Strengths agree with the formula, intervals cover, and what cannot be rated is refused."""

from __future__ import annotations

import numpy as np
import pytest

from academy.errors import RatingsError
from academy.scoring.ratings import Comparison, connected_to, rate_players


def _games(first: str, second: str, won: int, lost: int, tied: int = 0) -> list[Comparison]:
    verdicts = [1.0] * won + [0.0] * lost + [0.5] * tied
    return [Comparison(first, second, worth) for worth in verdicts]


def test_two_players_have_the_log_odds_of_their_games() -> None:
    """30 wins of 40: odds 3, ln 3 apart; the interval is that of a binomial's log-odds."""
    table = rate_players(_games("a", "b", 30, 10))
    assert table.players == ("a", "b") and not table.regularised
    assert table.strengths[0] - table.strengths[1] == pytest.approx(np.log(3), abs=1e-6)
    spread = 1.96 * np.sqrt(1 / 30 + 1 / 10)
    p, low, high = table.beats("a", "b")
    assert p == pytest.approx(0.75)
    assert low == pytest.approx(1 / (1 + np.exp(-(np.log(3) - spread))), abs=1e-3)
    assert high == pytest.approx(1 / (1 + np.exp(-(np.log(3) + spread))), abs=1e-3)
    assert sum(table.strengths) == pytest.approx(0)


def test_newton_finds_what_the_minorise_maximise_iteration_finds() -> None:
    """Hunter 2004: gamma_i <- W_i / sum_j n_ij / (gamma_i + gamma_j), here to 1e-6."""
    rng = np.random.default_rng(0)
    wins = rng.integers(1, 9, (5, 5)) * (1 - np.eye(5, dtype=int))
    names = "abcde"
    games = [
        c for i in range(5) for j in range(5) for c in _games(names[i], names[j], wins[i, j], 0)
    ]
    gamma = np.ones(5)
    for _ in range(5000):
        total = wins + wins.T
        gamma = wins.sum(1) / (total / (gamma[:, None] + gamma[None, :])).sum(1)
        gamma /= np.exp(np.log(gamma).mean())
    table = rate_players(games)
    found = dict(zip(table.players, table.strengths, strict=True))
    np.testing.assert_allclose([found[n] for n in names], np.log(gamma), atol=1e-6)


def test_intervals_cover_the_truth_about_as_often_as_they_say() -> None:
    """95 % intervals of 4 strengths over 200 simulated leagues: at least 92 % cover."""
    rng, truth = np.random.default_rng(1), np.array([0.8, 0.3, -0.2, -0.9])
    covered = []
    for _ in range(200):
        games = []
        for i in range(4):
            for j in range(i):
                p = 1 / (1 + np.exp(truth[j] - truth[i]))
                won = int(rng.binomial(20, p))
                games += _games(str(i), str(j), won, 20 - won)
        table = rate_players(games)
        order = [int(name) for name in table.players]
        low, high = table.intervals.T
        covered += list((low <= truth[order]) & (truth[order] <= high))
    assert 0.92 < np.mean(covered) < 0.985


def test_ties_are_half_a_win_each() -> None:
    table = rate_players(_games("a", "b", 0, 0, 10))
    np.testing.assert_allclose(table.strengths, 0, atol=1e-9)
    assert table.games == (10, 10) and not table.regularised


def test_one_who_never_lost_gets_a_finite_strength_and_the_table_says_so() -> None:
    table = rate_players(_games("a", "b", 10, 0) + _games("b", "c", 5, 5))
    assert table.regularised and table.players[0] == "a"
    assert np.isfinite(table.strengths).all() and np.isfinite(table.intervals).all()
    more = rate_players(_games("a", "b", 100, 0))
    assert more.beats("a", "b")[0] > rate_players(_games("a", "b", 3, 0)).beats("a", "b")[0] > 0.5


def test_players_on_separate_islands_are_refused_by_name() -> None:
    games = _games("a", "b", 3, 3) + _games("c", "d", 3, 3)
    with pytest.raises(RatingsError, match="a, b were never compared with c, d"):
        rate_players(games)
    assert connected_to("a", games) == {"a", "b"}
    bridge = [*games, Comparison("b", "c", 0.5)]
    assert connected_to("a", bridge) == {"a", "b", "c", "d"}
    assert len(rate_players(bridge).players) == 4


@pytest.mark.parametrize(
    "games", [[], [Comparison("a", "a", 1.0)], [Comparison("a", "b", float("nan"))]]
)
def test_no_ratings_or_senseless_ones_are_refused(games: list[Comparison]) -> None:
    with pytest.raises(RatingsError):
        rate_players(games)
