"""Operators that pay are chosen; all get their chance first."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from academy.errors import OperatorError, SearchStateError
from academy.operators.bandit import FixedRates, OperatorBandit

NAMES = ("merge", "study", "noise", "drop")


def play(bandit: Any, gains: dict[str, float], n: int, seed: int = 0, batch: int = 1) -> list[str]:
    """Children that pay with a probability, and cost 10 tokens each."""
    rng, history = np.random.default_rng(seed), []
    for _ in range(n // batch):
        for name in bandit.choose(batch, rng):
            history.append(name)
            bandit.credit(name, float(rng.random() < gains[name]), 10)
    return history


def test_every_operator_is_tried_first() -> None:
    for batch in (1, 4):
        history = play(OperatorBandit(NAMES), dict.fromkeys(NAMES, 0.5), 4, batch=batch)
        assert sorted(history) == sorted(NAMES)
    assert sorted(OperatorBandit(NAMES).choose(8, np.random.default_rng(0))) == sorted(2 * NAMES)


@pytest.mark.parametrize("batch", [1, 8])
def test_regret_is_small(batch: int) -> None:
    """The best of four (0.6 against 0.3, 0.2, 0.1) gets 70 percent of 800 pulls; chance is 25."""
    gains = dict(zip(NAMES, (0.2, 0.6, 0.1, 0.3), strict=True))
    for seed in range(5):
        history = play(OperatorBandit(NAMES), gains, 800, seed, batch)
        assert history.count("study") > 0.7 * 800
        assert all(history.count(name) >= 3 for name in NAMES)


def test_gain_counts_per_token() -> None:
    """Twice the gain at ten times the cost loses."""
    bandit = OperatorBandit(("cheap", "dear"))
    for _ in range(200):
        (name,) = bandit.choose(1, np.random.default_rng(0))
        bandit.credit(name, 2.0 if name == "dear" else 1.0, 100 if name == "dear" else 10)
    assert bandit.values() == pytest.approx({"cheap": 1.0, "dear": 0.2})
    assert bandit.state()["pulls"]["cheap"] > 150


def test_the_scale_of_gains_does_not_matter() -> None:
    """The same choices whether gains are counted in ones or in millionths."""
    histories = []
    for scale in (1.0, 1e-6):
        bandit, rng, history = OperatorBandit(NAMES), np.random.default_rng(1), []
        for _ in range(100):
            (name,) = bandit.choose(1, rng)
            history.append(name)
            bandit.credit(name, scale * NAMES.index(name), 10)
        histories.append(history)
    assert histories[0] == histories[1]


def test_with_decay_it_follows_a_change() -> None:
    """After 300 pulls the payer changes; of the last 100 of 300 more, most go to the new one."""
    early = dict(zip(NAMES, (0.8, 0.1, 0.1, 0.1), strict=True))
    late = dict(zip(NAMES, (0.0, 0.1, 0.1, 0.8), strict=True))
    bandit = OperatorBandit(NAMES, decay=0.98)
    play(bandit, early, 300)
    assert play(bandit, late, 300)[-100:].count("drop") > 50


def test_same_seed_same_choices_also_after_a_restart() -> None:
    gains = dict(zip(NAMES, (0.2, 0.6, 0.1, 0.3), strict=True))
    bandit = OperatorBandit(NAMES, 0.7, decay=0.99)
    play(bandit, gains, 57)
    twin = OperatorBandit.restore(json.loads(json.dumps(bandit.state())))
    assert play(bandit, gains, 100, 3, 5) == play(twin, gains, 100, 3, 5)
    assert bandit.state() == twin.state()


def test_choosing_changes_nothing() -> None:
    """Only credit does: children that were never made leave no trace."""
    bandit = OperatorBandit(NAMES)
    before = bandit.state()
    bandit.choose(10, np.random.default_rng(0))
    assert bandit.state() == before


def test_losses_nan_and_free_children_do_no_harm() -> None:
    bandit = OperatorBandit(NAMES)
    for name, gain, tokens in (
        ("merge", -3.0, 10),
        ("study", float("nan"), 10),
        ("noise", 0.0, 0),
        ("drop", 1.0, 10),
    ):
        bandit.credit(name, gain, tokens)
    assert bandit.values() == {"merge": 0.0, "study": 0.0, "noise": 0.0, "drop": 1.0}


def test_fixed_rates_are_kept_whatever_pays() -> None:
    """Shares of 4,000 draws within 3 standard errors; a rate of 0 is never drawn."""
    rates = FixedRates({"merge": 3.0, "study": 1.0, "noise": 0.0})
    rates.credit("noise", 99.0, 1)
    drawn = rates.choose(4000, np.random.default_rng(0))
    assert drawn.count("merge") / 4000 == pytest.approx(0.75, abs=3 * (0.75 * 0.25 / 4000) ** 0.5)
    assert drawn.count("noise") == 0
    twin = FixedRates.restore(json.loads(json.dumps(rates.state())))
    assert twin.choose(50, np.random.default_rng(1)) == rates.choose(50, np.random.default_rng(1))


@pytest.mark.parametrize("names", [(), ("a", "a")])
def test_operators_need_names_of_their_own(names: tuple[str, ...]) -> None:
    with pytest.raises(OperatorError):
        OperatorBandit(names)


def test_impossible_settings_credits_and_states_are_refused() -> None:
    bandit = OperatorBandit(NAMES)
    for name, tokens in (("merge", -1), ("nobody", 1), ("merge", float("nan"))):
        with pytest.raises(OperatorError):
            bandit.credit(name, 1.0, tokens)
    for bad in ({"c": -1.0}, {"decay": 0.0}):
        with pytest.raises(OperatorError):
            OperatorBandit(NAMES, **bad)
    for rates in ({}, {"a": 0.0}, {"a": -1.0, "b": 3.0}, {"a": float("nan")}):
        with pytest.raises(OperatorError):
            FixedRates(rates)
    whole = bandit.state()
    for damaged in ({}, {**whole, "pulls": {}}, {**whole, "c": "much"}, {**whole, "names": []}):
        with pytest.raises(SearchStateError):
            OperatorBandit.restore(damaged)
