"""Splits are decided by the question itself."""

from __future__ import annotations

from collections import Counter

import numpy as np

from academy.challenge import SPLIT_PERCENT, Challenge, split_of
from academy.skills.curriculum import skill_named
from academy.skills.letters import SKILLS


def test_all_phrasings_of_a_question_share_a_split_but_not_an_id() -> None:
    """`sort: cbda` in train and `put cbda in order` in test would be a leak."""
    asked = [
        Challenge(phrasing.format(x="cbda"), "abcd", "sort", "ordering", argument="cbda")
        for phrasing in skill_named("sort").phrasings
    ]
    assert len({c.split for c in asked}) == 1
    assert len({c.id for c in asked}) == len(asked)


def test_the_split_can_be_read_off_the_id_and_shares_are_as_stated() -> None:
    """Within 2 points over 12,000 questions (three standard errors are 1.4)."""
    rng = np.random.default_rng(0)
    drawn = [skill.challenge(rng) for skill in SKILLS for _ in range(1000)]
    assert all(split_of(c.id) == c.split for c in drawn)
    shares = Counter(c.split for c in drawn)
    for split, percent in SPLIT_PERCENT.items():
        assert abs(100 * shares[split] / len(drawn) - percent) < 2


def test_a_question_from_elsewhere_is_split_by_its_prompt() -> None:
    one, same = (Challenge("What is 6 x 7?", "42", "maths", "x") for _ in range(2))
    assert one == same
    assert one.split == split_of(one.id)
