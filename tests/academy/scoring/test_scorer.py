"""What a challenge gives decides how it is scored; a scorer that fails costs one item."""

from __future__ import annotations

import pytest

from academy.challenge import Challenge
from academy.errors import ScoringRefusedError
from academy.scoring.rule import exact_score, rule_of
from academy.scoring.scorer import KEPT_CAUSES, Failures, guarded

PLAIN = Challenge("q", "a", "s", "d")


def test_the_kind_follows_from_the_fields() -> None:
    kinds = [
        rule_of(PLAIN).kind,
        rule_of(Challenge("q", "a", "s", "d", choices=("a", "b"))).kind,
        rule_of(Challenge("q", "1", "s", "d", tolerance=0.0)).kind,
        rule_of(Challenge("q", "", "s", "d", tests=("f() == 1",))).kind,
    ]
    assert kinds == ["exact", "choice", "numeric", "tests"]


def test_what_decides_the_score_decides_the_wording_and_options_the_split() -> None:
    other = Challenge("q", "a", "s", "d", choices=("a", "b"))
    third = Challenge("q", "a", "s", "d", choices=("a", "c"))
    assert len({PLAIN.id, other.id, third.id}) == 3
    again = Challenge("q", "a", "s", "d", choices=("b", "a"))
    assert other.question == again.question and other.id != again.id
    assert len({PLAIN.question, other.question, third.question}) == 3


def test_exact_is_strict() -> None:
    assert [exact_score(PLAIN, r) for r in ("a", "a ", "A", "aa", "")] == [1, 0, 0, 0, 0]


@pytest.mark.parametrize("worth", [float("nan"), 1.5, -0.1, float("inf"), "no number", None])
def test_a_score_that_is_none_counts_as_failure(worth: object) -> None:
    failures = Failures()
    score = guarded(lambda _, __: worth, failures)  # type: ignore[arg-type, return-value]
    assert score(PLAIN, "x") == 0.0
    assert failures.count == 1 and "s 'q'" in failures.causes[0]


def test_a_raising_scorer_is_counted_with_bounded_causes_each_one_line() -> None:
    failures = Failures()

    def broken(challenge: Challenge, response: str) -> float:
        raise RuntimeError("two\nlines " + "x" * 1000)

    score = guarded(broken, failures)
    assert [score(PLAIN, "x") for _ in range(50)] == [0.0] * 50
    assert failures.count == 50 and len(failures.causes) == KEPT_CAUSES
    assert all("\n" not in cause and len(cause) < 400 for cause in failures.causes)


def test_a_refusal_is_no_score_of_zero() -> None:
    def refusing(challenge: Challenge, response: str) -> float:
        raise ScoringRefusedError("no sandbox")

    with pytest.raises(ScoringRefusedError):
        guarded(refusing, Failures())(PLAIN, "x")
