"""Every built-in skill keeps what the Academy relies on."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from academy.errors import UnknownSkillError
from academy.skills.curriculum import skill_named
from academy.skills.letters import SKILLS
from academy.skills.skill import LEVELS, Skill, unique_questions

every_skill = pytest.mark.parametrize("skill", SKILLS, ids=lambda s: s.name)


def test_there_are_enough_skills_domains_and_phrasings() -> None:
    assert len(SKILLS) >= 10
    assert len({skill.domain for skill in SKILLS}) >= 4
    assert all(len(set(skill.phrasings)) >= 3 for skill in SKILLS)
    assert len({skill.specialist for skill in SKILLS}) == len(SKILLS)


@pytest.mark.parametrize(
    ("name", "fields", "answer"),
    [
        ("reverse", {"x": "abc"}, "cba"),
        ("shift", {"x": "ayz"}, "bza"),
        ("case", {"x": "abc"}, "ABC"),
        ("sort", {"x": "cbda"}, "abcd"),
        ("sort", {"x": "4 2 9"}, "2 4 9"),
        ("max", {"x": "31 9 47"}, "47"),
        ("add", {"a": "19", "b": "23"}, "42"),
        ("sequence", {"x": "9 7 5"}, "3"),
        ("count", {"x": "abcdefghijkl"}, "12"),
        ("xor", {"a": "0011", "b": "0101"}, "0110"),
        ("and", {"a": "0011", "b": "0101"}, "0001"),
        ("slice", {"x": "abcdef", "i": "1", "j": "4"}, "bcd"),
        ("repeat", {"x": "ab", "n": "3"}, "ababab"),
    ],
)
def test_answers_are_right(name: str, fields: dict[str, str], answer: str) -> None:
    assert skill_named(name).solve(fields) == answer


@every_skill
def test_the_same_seed_asks_the_same_questions(skill: Skill) -> None:
    first, second = (
        [skill.challenge(np.random.default_rng(7)) for _ in range(5)] for _ in range(2)
    )
    assert first == second


@every_skill
def test_there_are_400_unseen_test_questions(skill: Skill) -> None:
    """All different, all from the test split."""
    sheet = unique_questions(skill, "test", 400, np.random.default_rng(0))
    assert len({c.id for c in sheet}) == 400
    assert {c.split for c in sheet} == {"test"}


@every_skill
def test_harder_levels_are_no_shorter(skill: Skill) -> None:
    """The knob turns: argument and answer are longer at the last level than at the first."""
    rng = np.random.default_rng(0)
    lengths = [
        np.mean(
            [len(c.argument + c.answer) for c in (skill.challenge(rng, lv) for _ in range(200))]
        )
        for lv in LEVELS
    ]
    assert lengths[-1] > lengths[0]


@every_skill
def test_chance_is_what_the_commonest_answer_earns(skill: Skill) -> None:
    """Within 3 points over 3,000 questions; nobody beats the base by guessing."""
    rng = np.random.default_rng(1)
    answers = Counter(skill.challenge(rng).answer for _ in range(3000))
    assert answers.most_common(1)[0][1] / 3000 == pytest.approx(skill.chance, abs=0.03)


def test_an_unknown_skill_names_those_there_are() -> None:
    with pytest.raises(UnknownSkillError, match="choose one of reverse, shift"):
        skill_named("juggling")
