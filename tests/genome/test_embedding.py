"""A layer stands where its lift is, and by its description until that is known."""

from __future__ import annotations

import numpy as np

from genome.embedding import ability_vector, layer_vector, unit

EVIDENCE = np.eye(4, dtype=np.float32)[[0, 0, 1, 1, 2, 2]]
EXAMS = ["a", "a", "b", "b", "c", "c"]
WORDS = np.eye(4, dtype=np.float32)[3]


def test_ability_points_to_the_exams_with_lift_in_proportion() -> None:
    """Losses elsewhere do not push it away."""
    found = ability_vector(EVIDENCE, np.array([1, 0, 1, 1, -1, -1]), EXAMS)
    np.testing.assert_allclose(found, unit(np.array([[0.5, 1.0, 0, 0]]))[0], atol=1e-6)
    assert not ability_vector(EVIDENCE, np.array([0, 0, 1, -1, -1, 0]), EXAMS).any()


def test_chance_answers_cancel_within_an_exam() -> None:
    """One gained and one lost says nothing; two gained do."""
    found = ability_vector(EVIDENCE, np.array([1, -1, 1, 1, 0, 0]), EXAMS)
    np.testing.assert_allclose(found, [0, 1, 0, 0], atol=1e-6)


def test_the_description_fades_as_results_come_in_but_never_out() -> None:
    ability = np.eye(4, dtype=np.float32)[0]
    shares = [float(layer_vector(ability, WORDS, n)[3]) for n in (0, 5, 10, 40, 10_000)]
    assert shares[0] == 1.0
    assert shares == sorted(shares, reverse=True)
    assert abs(shares[2] - 0.5**0.5) < 1e-6
    assert shares[-1] > 0.3
    assert float(layer_vector(np.zeros(4, np.float32), WORDS, 400)[3]) == 1.0
