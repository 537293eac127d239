"""The last number of a text, near enough or not; nothing odd is ever near."""

from __future__ import annotations

import re

import pytest

from academy.challenge import Challenge
from academy.errors import UnreadableAnswerError
from academy.scoring import numeric
from academy.scoring.numeric import numeric_score, right_number
from tests.support.cost import processor_s


def _asked(answer: str, tolerance: float) -> Challenge:
    return Challenge("q", answer, "s", "d", tolerance=tolerance)


def last_number(text: str) -> float | None:
    """The last number written in a text; a percent sign is a unit like any other."""
    found = numeric._last(text)
    return numeric._value(found) if found else None


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("42", 42.0),
        ("-3.5", -3.5),
        ("first 10, then 20.", 20.0),
        ("10-4", None),
        ("= -4", -4.0),
        ("1,234,567.5 km", 1234567.5),
        ("1,2", 1.2),
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


_WRITTEN = {
    "1/2": 0.5,
    "-1/2": -0.5,
    "2 1/2": 2.5,
    "2½": 2.5,
    "⅔": 2 / 3,
    "1\u20444": 0.25,
    "24 / 7": 24 / 7,
    "\\frac{3}{4}": 0.75,
    "-\\dfrac{3}{4}": -0.75,
    "2\\frac12": 2.5,
    "$\\frac{1}{8}$": 0.125,
    "10^6": 1e6,
    "10⁶": 1e6,
    "10^{6}": 1e6,
    "10^{-2}": 0.01,
    "2**10": 1024.0,
    "-2^2": -4.0,
    "1.5 x 10^3": 1500.0,
    "1.5×10³": 1500.0,
    "1.5\\times10^{-3}": 0.0015,
    "6,02e23": 6.02e23,
    "\u22125": -5.0,
    "\u20135": -5.0,
    "\u20145": -5.0,
    "\uff0d5": -5.0,
    "-$5": -5.0,
    "minus 5": -5.0,
    "3,14": 3.14,
    "0,125": 0.125,
    "1234,5": 1234.5,
    "1.234,5": 1234.5,
    "1.234.567": 1234567.0,
    "1,234": 1234.0,
    "1,000": 1000.0,
    "100,000.5": 100000.5,
    "12,34,567": 1234567.0,
    "1{,}234": 1234.0,
    "1 000 000": 1e6,
    "1\u202f000\u202f000": 1e6,
    "1\xa0234,5": 1234.5,
    "1\u2009000": 1000.0,
    "1'234'567": 1234567.0,
    "1\u2019234": 1234.0,
    "1_000": 1000.0,
    "1\\,234": 1234.0,
    "\uff11\uff12\uff0e\uff15": 12.5,
    "\u0661\u0662\u066b\u0665": 12.5,
    "\u0967\u0968": 12.0,
    "\U0001d7cf\U0001d7d0": 12.0,
    "\ufeff5\u200b": 5.0,
    "1.234": 1.234,
    "5 million": 5e6,
    "\\boxed{7}": 7.0,
    "7.": 7.0,
    "$1,234$": 1234.0,
    "5 €": 5.0,
    "He has 3+4=<<3+4=7>>7 pens.\n#### 7": 7.0,
    "so 1,100\n#### 1,100": 1100.0,
}
"""As people write it: what it says."""
_PARTLY = (
    "2π",
    "π/2",
    "2\\pi",
    "\\sqrt{2}",
    "2√3",
    "\\frac{\\pi}{2}",
    "3i",
    "x/2",
    "x^2",
    "±5",
    "10-4",
    "3–5",
    "3+4",
    "3 + 4",
    "3*4",
    "5 × 3",
    "12:30",
    "2024-01-05",
    "1/2/2024",
    "1.2.3",
    "1,234,5",
    "2,3,5,7",
    "1/0",
    "1e99999",
    "10^99999",
    "10^400",
    "nan",
    "inf",
)
"""A number is in it, and that is not what it says."""


@pytest.mark.parametrize(("text", "number"), _WRITTEN.items())
def test_a_number_is_read_as_what_it_says_in_answer_and_response(text: str, number: float) -> None:
    """Right against itself and its plain form, wrong against every part of it."""
    assert right_number(text) == pytest.approx(number, rel=1e-12)
    response = f"I think the answer is {text}"
    assert last_number(response) == pytest.approx(number, rel=1e-12)
    assert numeric_score(_asked(text, 0.0), repr(number)) == 1.0
    parts = {float(part) for part in re.findall(r"[0-9]+", text)} - {abs(number)}
    assert not any(numeric_score(_asked(text, 0.0), repr(part)) for part in parts)


@pytest.mark.parametrize("text", _PARTLY)
def test_what_holds_a_number_and_is_another_is_no_number(text: str) -> None:
    """In a response it is no answer, not even the number before it; as right answer, refused."""
    assert last_number(text) is None
    assert last_number(f"After 7 steps: {text}") is None
    with pytest.raises(UnreadableAnswerError, match="no number"):
        right_number(text)


@pytest.mark.parametrize(
    "answer", ["50%", "5 km", "3 or 4", "- 5", "1 000 00", "(3,4)", "5!", "one"]
)
def test_a_right_answer_is_one_number_and_nothing_else(answer: str) -> None:
    """Units and percent could be meant in two ways; the file's author decides, not the grader."""
    with pytest.raises(UnreadableAnswerError, match="write one number alone"):
        numeric_score(_asked(answer, 0.0), "50")


def test_percent_in_a_response_is_right_either_way() -> None:
    assert numeric_score(_asked("50", 0.0), "about 50 %") == 1.0
    assert numeric_score(_asked("0.5", 0.0), "50%") == 1.0
    assert numeric_score(_asked("5", 0.0), "50%") == 0.0


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("**5**", 5.0),
        ("is **5** (five)", 5.0),
        ("3+4=7", 7.0),
        ("clear—42", 42.0),
        ("5!", 5.0),
        ("in 2019, 100", 100.0),
        ("5 I think", 5.0),
        ("Answer:5", 5.0),
        ("= - 4", -4.0),
    ],
)
def test_prose_around_a_number_is_not_part_of_it(text: str, number: float) -> None:
    assert last_number(text) == number


@pytest.mark.parametrize(
    "part", ["1", " 1", "1,", "1 000 ", "\\frac{", "1^", "1/", "$", "{", "1'000", "^{("]
)
def test_reading_takes_no_time_that_a_response_can_choose(part: str) -> None:
    """20,000 characters of the worst kind, below a second."""
    text = part * (20_000 // len(part))
    assert processor_s(lambda: last_number(text)) < 1.0


def test_tolerance_is_absolute_below_one_and_relative_above() -> None:
    assert numeric_score(_asked("0.5", 0.01), "0.509") == 1.0
    assert numeric_score(_asked("0.5", 0.01), "0.511") == 0.0
    assert numeric_score(_asked("1000", 0.01), "1009") == 1.0
    assert numeric_score(_asked("-1000", 0.01), "-1011") == 0.0


def test_tolerance_zero_is_equality_of_numbers_not_of_text() -> None:
    assert numeric_score(_asked("42", 0.0), "the answer is 42.0") == 1.0
    assert numeric_score(_asked("42", 0.0), "42.0001") == 0.0
    assert numeric_score(_asked("0.3", 0.0), str(0.1 + 0.2)) == 1.0


@pytest.mark.parametrize(
    "response", ["nan", "inf", "-inf", "1e999", "9" * 5000, "", "\0", "\u0661\u0662"]
)
def test_odd_answers_score_nothing_and_raise_nothing(response: str) -> None:
    assert numeric_score(_asked("1", 1e6), response) == 0.0 or response == "\u0661\u0662"


def test_a_long_answer_is_read_from_its_end_only() -> None:
    assert last_number("7 " + "x" * 30_000) is None
    assert last_number("1" * 100_000 + " 5") == 5.0
