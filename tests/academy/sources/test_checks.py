"""No question stands on two sides of a split, whatever a source says."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pytest

from academy.challenge import SPLITS, Challenge, Split
from academy.errors import SplitOverlapError
from academy.sources.checks import (
    check_sample,
    find_overlap,
    majority_share,
    one_answer_shares,
)
from tests.support.sources import check_source


def _asked(prompt: str, answer: str = "4", **more: str) -> Challenge:
    return Challenge(prompt, answer, "s", "d", **more)


def _variants() -> tuple[Challenge, Challenge]:
    """Two spellings of one question whose hashes fall into different splits."""
    one = _asked("What is 2 + 2?")
    other = next(
        c for n in range(100) if (c := _asked("what  is" + " " * n + " 2 + 2")).split != one.split
    )
    return one, other


def test_spellings_of_one_question_on_two_sides_are_found() -> None:
    one, other = _variants()
    assert one.question != other.question
    assert [*find_overlap([_asked("9?", "9"), one, other])] == [(1, 2)]
    with pytest.raises(SplitOverlapError, match="ask the same"):
        check_sample([one, other])


def test_case_that_changes_the_answer_makes_another_question() -> None:
    """`reverse: Ab` and `reverse: ab` are two questions, in whichever splits."""
    words = [f"{a}b{c}" for a in "xyz" for c in "uvw"]
    asked = [_asked(f"reverse: {w}", w[::-1]) for w in words]
    asked += [_asked(f"reverse: {w.title()}", "Q" + w.title()[::-1]) for w in words]
    assert not [*find_overlap(asked)]


def test_phrasings_with_one_argument_are_no_overlap() -> None:
    check_sample([_asked("2+2", argument="2 2"), _asked("add 2 and 2", argument="2 2")])


def test_a_question_drawn_twice_is_refused() -> None:
    with pytest.raises(SplitOverlapError, match="twice"):
        check_sample([_asked("2+2"), _asked("2+2")])


class Leaky:
    """Gives the same questions for every split, as a source that trusts its seeds would."""

    name = "leaky"
    skills = ("s",)

    def describe(self, skill: str) -> str:
        return skill

    def draw(
        self,
        skill: str,
        split: Split,
        n: int,
        rng: np.random.Generator,
        *,
        level: int | None = None,
        exclude: Collection[str] = (),
    ) -> list[Challenge]:
        return [_asked(f"{i}?") for i in range(n)]


def test_a_source_that_splits_by_seed_is_caught() -> None:
    with pytest.raises(SplitOverlapError, match="leaky gave"):
        check_source(Leaky(), 5, np.random.default_rng(0))
    assert SPLITS[0] == "train"


def test_majority_share_is_what_a_constant_answer_scores() -> None:
    assert majority_share([_asked(f"{i}?", a) for i, a in enumerate("aaab")]) == 0.75
    assert majority_share([]) == 0.0


def test_a_skill_of_one_answer_is_named_unless_it_is_too_small_to_tell() -> None:
    many = [_asked(f"{i}?", "yes" if i % 3 else "no") for i in range(12)]
    assert one_answer_shares(many) == {many[0].skill: 8 / 12}
    assert one_answer_shares(many[:9]) == {} == one_answer_shares([])
    assert one_answer_shares([_asked(f"{i}?", str(i)) for i in range(12)]) == {}
