"""A confidence is believed as far as it was worth it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from persona.room.calibration import (
    Calibration,
    Outcome,
    brier,
    calibration_error,
    reliability,
)

OUTCOMES = st.lists(st.builds(Outcome, st.floats(0, 1), st.booleans()), max_size=40)


def _drawn(n: int, seed: int, a: float, b: float) -> list[Outcome]:
    """Personas that say `c` and are right with logit(p) = a logit(c) + b."""
    chance = np.random.default_rng(seed)
    says = chance.beta(4, 1.5, n)
    right = chance.random(n) < 1 / (1 + np.exp(-(a * np.log(says / (1 - says)) + b)))
    return [Outcome(float(c), bool(r)) for c, r in zip(says, right, strict=True)]


def _held_out_error(n: int, seed: int, a: float, b: float) -> float:
    """Of 20,000 new outcomes, calibrated by n."""
    found = Calibration.of(_drawn(n, seed, a, b))
    new = _drawn(20_000, 1000 + seed, a, b)
    return calibration_error([Outcome(found.probability(o.confidence), o.right) for o in new])


def test_without_outcomes_a_confidence_is_believed() -> None:
    for c in (0.02, 0.3, 0.5, 0.9):
        assert Calibration.of([]).probability(c) == pytest.approx(c)
    assert Calibration.of([Outcome(0.9, True)]).probability(0.9) == pytest.approx(0.9, abs=0.05)


@pytest.mark.parametrize(("a", "b"), [(1, 0), (0.4, -1), (0.2, 0.5), (2, -2), (0.5, -2)])
def test_after_500_outcomes_the_expected_error_is_small(a: float, b: float) -> None:
    """On outcomes that it was not fitted on; the mean of ten seeds, none far above the bar."""
    errors = [_held_out_error(500, seed, a, b) for seed in range(10)]
    assert np.mean(errors) <= 0.05
    assert max(errors) <= 0.075


def test_with_many_outcomes_the_truth_is_found() -> None:
    found = Calibration.of(_drawn(100_000, 0, 0.5, -0.8))
    assert (found.a, found.b) == (pytest.approx(0.5, abs=0.03), pytest.approx(-0.8, abs=0.03))


def test_more_outcomes_are_better() -> None:
    before, after = (
        np.mean([_held_out_error(n, seed, 0.4, -1) for seed in range(5)]) for n in (5, 500)
    )
    assert after < before / 2


@given(OUTCOMES)
def test_whatever_came_of_it_more_confidence_is_never_less_probable(some: list[Outcome]) -> None:
    found = Calibration.of(some)
    values = [found.probability(c) for c in (-1, 0, 0.2, 0.5, 0.7, 1, 2)]
    assert values == sorted(values) and values[0] > 0 and values[-1] < 1
    assert found.probability(math.nan) == values[0]


def test_measures_are_what_their_definitions_say() -> None:
    some = [Outcome(0.85, True), Outcome(0.81, False), Outcome(0.25, False), Outcome(1.0, True)]
    assert brier(some) == pytest.approx((0.15**2 + 0.81**2 + 0.25**2) / 4)
    low, middle, high = reliability(some)
    assert (low.low, low.n, low.right) == (0.2, 1, 0.0)
    assert (middle.low, middle.n) == (0.8, 2)
    assert (middle.confidence, middle.right) == (pytest.approx(0.83), 0.5)
    assert (high.low, high.confidence, high.right) == (0.9, 1.0, 1.0)
    assert calibration_error(some) == pytest.approx((0.25 + 2 * 0.33 + 0) / 4)
