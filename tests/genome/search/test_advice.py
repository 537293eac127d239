"""Reuse, fork or mint, by thresholds that known exams have set."""

from __future__ import annotations

import numpy as np
import pytest

from genome.search.finder import ERROR_RATE, calibrate

RNG = np.random.default_rng(0)


def around(direction: int, n: int, noise: float) -> np.ndarray:
    """Unit vectors about an axis, (n, 8)."""
    vectors = np.eye(8)[direction] + RNG.normal(0, noise, (n, 8))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


LAYERS = np.eye(8)[:4]
ABILITIES = ["a", "b", "c", "d"]


def questions(noise: float, n: int = 200) -> tuple[np.ndarray, list[str]]:
    vectors = np.concatenate([around(i, n, noise) for i in range(4)])
    return vectors, [name for name in ABILITIES for _ in range(n)]


def test_well_kept_apart_exams_leave_nothing_to_fork() -> None:
    found = calibrate("e", LAYERS, ABILITIES, *questions(0.05))
    assert found.top_1 == 1.0
    assert found.reuse == found.mint
    assert found.action(0.95) == "reuse"
    assert found.action(0.2) == "mint"


def test_each_threshold_errs_as_often_as_it_says() -> None:
    """On fresh questions, to within three standard errors of 5 % of 800."""
    found = calibrate("e", LAYERS, ABILITIES, *questions(0.6))
    assert found.mint < found.reuse
    assert found.action((found.mint + found.reuse) / 2) == "fork"
    vectors, exams = questions(0.6)
    similarity = vectors @ LAYERS.T
    right = np.asarray(exams)[:, None] == np.asarray(ABILITIES)[None]
    false_reuse = (np.where(right, -1, similarity).max(1) >= found.reuse).mean()
    false_mint = (similarity.max(1) < found.mint).mean()
    assert false_reuse == pytest.approx(ERROR_RATE, abs=0.035)
    assert false_mint == pytest.approx(ERROR_RATE, abs=0.035)


def test_questions_of_no_known_ability_are_left_out() -> None:
    vectors, exams = questions(0.05)
    strange = np.concatenate([vectors, around(6, 50, 0.05)])
    found = calibrate("e", LAYERS, ABILITIES, strange, [*exams, *["z"] * 50])
    assert found.n_questions == 800
    assert found.exams == ("a", "b", "c", "d")
