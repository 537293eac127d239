"""A child is asked by its customer, and nobody is asked the same question twice."""

from __future__ import annotations

import numpy as np
import pytest

from academy.apprenticeship.mutation import EXPLORE, asked_shares, draw_attempts, study_rows
from academy.skills import SKILL_NAMES, SKILLS

N = len(SKILLS)


def test_a_child_is_asked_mostly_what_its_customer_asks_and_some_of_anything() -> None:
    shares = asked_shares(2)
    assert shares.sum() == pytest.approx(1.0)
    assert shares[2] == shares.max() > 0.9
    assert shares.min() == pytest.approx(EXPLORE / N)


def test_attempts_are_new_train_questions_in_the_shares() -> None:
    rng = np.random.default_rng(0)
    shares = np.zeros(N)
    shares[3] = 1.0
    first = draw_attempts(shares, 30, (), rng)
    second = draw_attempts(shares, 30, first, rng)
    assert {c.split for c in first + second} == {"train"}
    assert {c.skill for c in first + second} == {SKILL_NAMES[3]}
    assert len({c.id for c in first + second}) == 60


def test_study_keeps_the_shares_whatever_the_notebook_is_full_of() -> None:
    """90 questions of one skill and 10 of another, asked for half and half."""
    rng = np.random.default_rng(0)
    many, few = np.zeros(N), np.zeros(N)
    many[0], few[1] = 1.0, 1.0
    notebook = draw_attempts(many, 90, (), rng) + draw_attempts(few, 10, (), rng)
    rows = study_rows(notebook, (many + few) / 2, 2000, rng)
    assert np.mean(rows >= 90) == pytest.approx(0.5, abs=0.05)
