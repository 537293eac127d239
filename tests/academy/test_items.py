"""The questions of a trial are different ones, evenly shared, and never from the test split."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

import numpy as np
import pytest

from academy.challenge import Challenge, Split
from academy.errors import TrialItemsError, UnknownSkillError
from academy.sources.builtin import BuiltinSource
from academy.trial import check_items, draw_items


class Finite:
    """Six questions of one skill, three wordings each, and none of the other."""

    name = "finite"
    skills = ("few", "none")

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
        if skill == "none":
            return []
        pool = [
            Challenge(f"{wording} {i}", str(i), "few", "d", argument=str(i))
            for i in range(6)
            for wording in ("count", "number", "how many")
        ]
        return [c for c in pool if c.id not in exclude][:n]


def test_questions_are_shared_evenly_and_shuffled() -> None:
    source = BuiltinSource(("sort", "add", "case"))
    drawn = draw_items(source, 50, np.random.default_rng(0))
    assert Counter(c.skill for c in drawn) == {"sort": 17, "add": 17, "case": 16}
    assert {c.split for c in drawn} == {"select"}
    assert len({c.skill for c in drawn[:12]}) == 3
    assert drawn == draw_items(source, 50, np.random.default_rng(0))
    assert drawn != draw_items(source, 50, np.random.default_rng(1))


def test_only_the_skills_asked_for_and_the_split_asked_for() -> None:
    drawn = draw_items(
        BuiltinSource(), 20, np.random.default_rng(0), skills=("max", "max"), split="audit"
    )
    assert {(c.skill, c.split) for c in drawn} == {("max", "audit")} and len(drawn) == 20


def test_fewer_questions_than_skills_leave_skills_out() -> None:
    drawn = draw_items(BuiltinSource(), 2, np.random.default_rng(0))
    assert sorted(c.skill for c in drawn) == ["reverse", "shift"]


def test_two_wordings_of_one_question_count_once() -> None:
    """The source has 18 wordings of 6 questions: a trial of 10 gets 6."""
    drawn = draw_items(Finite(), 10, np.random.default_rng(0), skills=("few",))
    assert sorted(c.answer for c in drawn) == list("012345")
    drawn = draw_items(BuiltinSource(("sequence",)), 400, np.random.default_rng(0))
    assert len({c.question for c in drawn}) == len(drawn) == 400


def test_nothing_to_ask_is_refused() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(TrialItemsError, match="ask at least one"):
        draw_items(BuiltinSource(), 0, rng)
    with pytest.raises(UnknownSkillError, match="nose"):
        draw_items(BuiltinSource(), 5, rng, skills=("sort", "nose"))
    with pytest.raises(TrialItemsError, match="finite has no select question of none"):
        draw_items(Finite(), 5, rng, skills=("none",))


def test_a_repeated_question_is_refused() -> None:
    items = draw_items(BuiltinSource(("sort",)), 3, np.random.default_rng(0))
    check_items(items)
    with pytest.raises(TrialItemsError, match="1 of 4 questions come twice"):
        check_items([*items, items[0]])
