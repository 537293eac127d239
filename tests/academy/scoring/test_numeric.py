"""The last number of a text, near enough or not; nothing odd is ever near."""

from __future__ import annotations

import pytest

from academy.challenge import Challenge
from academy.scoring.numeric import last_number, numeric_score


def _asked(answer: str, tolerance: float) -> Challenge:
    return Challenge("q", answer, "s", "d", tolerance=tolerance)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("42", 42.0),
        ("-3.5", -3.5),
        ("first 10, then 20.", 20.0),
        ("10-4", 4.0),
        ("= -4", -4.0),
        ("1,234,567.5 km", 1234567.5),
        ("1,2", 2.0),
        ("6.02e23", 6.02e23),
        (".5", 0.5),
        ("+7", 7.0),
        ("5km", 5.0),
        ("x2", None),
        ("", None),
        ("none", None),
        ("nan", None),
        ("2 or inf", None),
        ("-Infinity", None),
        ("1e400", None),
        ("9" * 400, None),
        ("1e301", None),
        ("information 3", 3.0),
    ],
)
def test_the_last_number_of_a_text(text: str, number: float | None) -> None:
    assert last_number(text) == number


def test_tolerance_is_absolute_below_one_and_relative_above() -> None:
    assert numeric_score(_asked("0.5", 0.01), "0.509") == 1.0
    assert numeric_score(_asked("0.5", 0.01), "0.511") == 0.0
    assert numeric_score(_asked("1000", 0.01), "1009") == 1.0
    assert numeric_score(_asked("-1000", 0.01), "-1011") == 0.0


def test_tolerance_zero_is_equality_of_numbers_not_of_text() -> None:
    assert numeric_score(_asked("42", 0.0), "the answer is 42.0") == 1.0
    assert numeric_score(_asked("42", 0.0), "42.0001") == 0.0
    assert numeric_score(_asked("0.3", 0.0), str(0.1 + 0.2)) == 1.0


@pytest.mark.parametrize("response", ["nan", "inf", "-inf", "1e999", "9" * 5000, "", "\0", "١٢"])
def test_odd_answers_score_nothing_and_raise_nothing(response: str) -> None:
    assert numeric_score(_asked("1", 1e6), response) == 0.0 or response == "١٢"


def test_a_long_answer_is_read_from_its_end_only() -> None:
    assert last_number("7 " + "x" * 30_000) is None
    assert last_number("1" * 100_000 + " 5") == 5.0
