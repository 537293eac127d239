"""The skills in plain English ask what they say they ask, and keep their words apart."""

from __future__ import annotations

import datetime
import functools
import json
import sqlite3
import tomllib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from academy.challenge import SPLITS, Challenge
from academy.errors import UnknownSourceError
from academy.skills.skill import Skill
from academy.sources.builtin import EnglishSource, english_skills
from academy.sources.checks import check_sample
from academy.sources.opening import open_source
from academy.sources.source import levels_of

SKILLS = english_skills()
every_skill = pytest.mark.parametrize("skill", SKILLS, ids=lambda skill: skill.name)
PLAIN_WORDS = Path(__file__).parents[2] / "experiments" / "english_questions.toml"


@functools.cache
def drawn(name: str) -> tuple[Challenge, ...]:
    """Two hundred train questions of a skill."""
    source = EnglishSource()
    return tuple(source.draw(name, "train", 200, np.random.default_rng(3)))


def test_there_are_enough_skills_in_enough_domains() -> None:
    """At least twelve to learn, in four domains and more, beside those that only know things."""
    learnt = [skill for skill in SKILLS if skill.domain != "knowledge"]
    assert len(learnt) >= 12
    assert len({skill.domain for skill in learnt}) >= 4
    assert len(SKILLS) - len(learnt) >= 2
    assert len({skill.specialist for skill in SKILLS}) == len(SKILLS)
    assert all(len(set(skill.phrasings)) >= 3 for skill in SKILLS)


def test_it_is_opened_by_name_without_a_difficulty_knob() -> None:
    source = open_source("english:past,sql")
    assert source.skills == ("past", "sql")
    assert levels_of(source) == (None,)
    assert "past tense" in source.describe("past")


def test_an_unknown_skill_or_level_names_those_there_are() -> None:
    with pytest.raises(UnknownSourceError, match="no skill 'juggling'"):
        open_source("english:juggling")
    with pytest.raises(UnknownSourceError, match="level"):
        EnglishSource().draw("past", "train", 1, np.random.default_rng(0), level=3)


@every_skill
def test_there_are_400_unseen_test_questions_and_some_in_every_split(skill: Skill) -> None:
    """All different; a sample of all splits holds no question twice, reworded or not."""
    source, rng = EnglishSource(), np.random.default_rng(0)
    assert len(source.draw(skill.name, "test", 400, rng)) == 400
    sample = [c for split in SPLITS for c in source.draw(skill.name, split, 60, rng)]
    assert Counter(c.split for c in sample) == dict.fromkeys(SPLITS, 60)
    check_sample(sample)


@every_skill
def test_a_held_out_word_stands_in_one_split_alone(skill: Skill) -> None:
    """Over 400 questions: the field the skill holds out never meets two splits."""
    rng, seen = np.random.default_rng(2), dict[str, str]()

    def remember(fields: dict[str, str]) -> str:
        words.append(fields["word"])
        return skill.solve(fields)

    words: list[str] = []
    for _ in range(400):
        challenge = Skill(
            skill.name, skill.domain, "", "", ("{x}",), skill.draw, remember, 0.0, "word"
        ).challenge(rng)
        assert seen.setdefault(words[-1], challenge.split) == challenge.split


@every_skill
def test_the_same_question_always_has_the_same_id(skill: Skill) -> None:
    """The number that puts a question beside its word depends on nothing but the question."""
    by_text = {(c.prompt, c.answer): c.id for c in drawn(skill.name)}
    again = EnglishSource().draw(skill.name, "train", 200, np.random.default_rng(4))
    assert all(by_text.get((c.prompt, c.answer), c.id) == c.id for c in again)


@every_skill
def test_chance_is_what_the_commonest_answer_earns(skill: Skill) -> None:
    """Within 3 points over 2,000 questions."""
    rng = np.random.default_rng(1)
    answers = Counter(skill.challenge(rng).answer for _ in range(2000))
    assert answers.most_common(1)[0][1] / 2000 == pytest.approx(skill.chance, abs=0.03)


@pytest.mark.parametrize("name", ["intent", "headline"])
def test_every_label_is_asked_in_every_split(name: str) -> None:
    """Wordings are held out, and yet no split lacks a label; each label stands in the prompt."""
    source = EnglishSource()
    labels = {c.answer for c in drawn(name)}
    for split in SPLITS:
        part = source.draw(name, split, 200, np.random.default_rng(5))
        if split != "audit":  # five in a hundred wordings: some labels may have none there
            assert {c.answer for c in part} == labels
        assert all(c.answer in c.prompt.lower() for c in part)


def test_dates_numbers_and_orders_are_right() -> None:
    for c in drawn("isodate"):
        assert str(datetime.date.fromisoformat(c.answer).year) in c.prompt
    for c in drawn("products"):
        a, b = (int(word) for word in c.prompt.replace("?", " ").split() if word.isdigit())
        assert int(c.answer) == a * b
    for c in drawn("json"):
        order = json.loads(c.answer)
        assert order["item"][0] in c.prompt.lower() and order["count"] >= 2


def test_units_are_converted_exactly() -> None:
    sizes = {"kilo": 1000, "centi": 0.01, "milli": 0.001, "tonnes": 1e6, "cents": 0.01}

    def in_base(unit: str) -> float:
        return next((size for prefix, size in sizes.items() if unit.startswith(prefix)), 1.0)

    for c in drawn("units"):
        words = c.prompt.replace("?", "").replace(": write the number only.", "").split()
        at = words.index("in")
        amount, large, small = float(words[at - 2]), words[at - 1], words[at + 1]
        assert float(c.answer) == pytest.approx(amount * in_base(large) / in_base(small))


def test_spoken_times_are_read_right() -> None:
    """Twenty to one in the afternoon is 12:40."""
    pairs = {c.argument.split(" in the ")[0]: c.answer for c in drawn("clock")}
    by_phrase = {
        phrase: answer
        for text, answer in pairs.items()
        for phrase in ("half past seven", "twenty to one", "nine o'clock", "a quarter to six")
        if text.lower().endswith(phrase)
    }
    assert by_phrase
    for phrase, answer in by_phrase.items():
        minute = {"half": 30, "twenty": 40, "nine": 0, "a": 45}[phrase.split()[0]]
        hour = {"half": 7, "twenty": 12, "nine": 9, "a": 5}[phrase.split()[0]]
        assert (int(answer[:2]) % 12, int(answer[3:])) == (hour % 12, minute)


def test_every_query_runs_on_the_table_it_is_about() -> None:
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE staff(name TEXT, team TEXT, city TEXT, age INTEGER)")
    for c in drawn("sql"):
        connection.execute(c.answer)


def test_answers_are_made_of_what_was_asked() -> None:
    """Adjectives keep their words; a question its verb's base; a slip of the pen is one."""
    for c in drawn("adjectives"):
        assert all(word in c.prompt for word in c.answer.split())
        assert c.answer not in c.prompt.replace(",", "") or len(c.answer.split()) == 4
    for c in drawn("question"):
        assert c.answer.split()[0] in {"Do", "Does", "Did", "Will", "Can"}
        assert c.answer.endswith("?")
    for c in drawn("spelling"):
        assert c.answer not in c.prompt.split()
        assert any(abs(len(word.strip(".:")) - len(c.answer)) <= 1 for word in c.prompt.split())
    for c in drawn("past"):  # "the twins cut" was, is and will be written so
        assert c.answer not in c.prompt or {"read", "cut"} & set(c.answer.split())


def test_elements_have_their_own_numbers() -> None:
    right = {"iron": "26", "gold": "79", "oxygen": "8", "uranium": "92", "neon": "10", "tin": "50"}
    source, rng = EnglishSource(), np.random.default_rng(6)
    asked = [c for split in SPLITS for c in source.draw("elements", split, 300, rng)]
    for name, number in right.items():
        about = [c.answer for c in asked if f" {name}." in c.prompt or f" {name}?" in c.prompt]
        assert set(about) == {number}


def test_strangers_questions_are_there_for_every_skill_and_share_no_phrasing() -> None:
    """Five each, none of them a generator's wording."""
    asked = tomllib.loads(PLAIN_WORDS.read_text(encoding="utf-8"))
    assert list(asked) == [skill.name for skill in SKILLS]
    for skill in SKILLS:
        assert len(set(asked[skill.name])) == 5
        assert not {p.format(x="").strip(" :") for p in skill.phrasings} & set(asked[skill.name])
