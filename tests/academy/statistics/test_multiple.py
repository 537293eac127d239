"""Holm's correction: his definition, and the error rate it is there for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from academy.errors import StatisticsError
from academy.statistics.permutation import holm

P_VALUES = st.lists(st.floats(0, 1), max_size=12)


def rejected_by_steps(p_values: list[float], alpha: float) -> set[int]:
    """Holm's procedure as he wrote it: smallest first against alpha / n, alpha / (n - 1), ..."""
    out: set[int] = set()
    for step, i in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        if p_values[i] * (len(p_values) - step) > alpha:
            break
        out.add(i)
    return out


def test_a_worked_example() -> None:
    """p.adjust(c(.01, .02, .03, .04, .05), "holm") in R."""
    assert holm([0.01, 0.02, 0.03, 0.04, 0.05]) == pytest.approx([0.05, 0.08, 0.09, 0.09, 0.09])
    assert holm([0.04, 0.001, 0.6, 0.02]) == pytest.approx([0.08, 0.004, 0.6, 0.06])


@given(P_VALUES, st.floats(0.001, 0.5))
def test_adjusted_values_reject_what_the_procedure_rejects(p: list[float], alpha: float) -> None:
    adjusted = holm(p)
    assert {i for i, x in enumerate(adjusted) if x <= alpha} == rejected_by_steps(p, alpha)


@given(P_VALUES)
def test_adjusting_never_helps_and_keeps_the_order(p: list[float]) -> None:
    adjusted = holm(p)
    assert all(a >= raw and a <= 1 for a, raw in zip(adjusted, p, strict=True))
    order = np.argsort(p, kind="stable")
    assert (np.diff(np.array(adjusted)[order]) >= 0).all()
    assert len(p) != 1 or adjusted == p


@pytest.mark.parametrize("bad", [-0.1, 1.1, float("nan")])
def test_what_is_no_p_value_is_refused(bad: float) -> None:
    with pytest.raises(StatisticsError, match="no p-value"):
        holm([0.5, bad])
