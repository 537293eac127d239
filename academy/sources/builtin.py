"""Skills that make their own questions, as challenge sources: practically endless.

The built-in ones, with a difficulty knob, for a byte-level toy (`academy/skills/letters.py`); those
in plain English, for a real model (`academy/skills/english.py`).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from academy.challenge import Challenge, Split
from academy.errors import UnknownSourceError
from academy.skills.english import english_skills
from academy.skills.letters import SKILLS
from academy.skills.skill import LEVELS, STANDARD_LEVEL, Skill

PATIENCE = 2000
"""Draws in a row without a new question after which a skill counts as used up.

The rarest split takes one draw in 20, so that a skill with a hundredth of its questions left
is given up with probability (1 - 0.05 / 100)**2000 = 37 %, and one with a tenth left with
probability 5e-5. Only the lowest levels of arithmetic are ever that small.
"""


class SkillSource:
    """Questions of some skills that draw their own."""

    name: str
    levels: tuple[int, ...] = ()

    def __init__(self, known: Sequence[Skill], skills: Sequence[str] = ()) -> None:
        """Ask questions of the skills named, or of all that are known.

        Raises:
            UnknownSourceError: There is no skill of that name.
        """
        named = {skill.name: skill for skill in known}
        for skill in skills:
            _check_skill(skill, tuple(named))
        self.skills: tuple[str, ...] = tuple(skills) or tuple(named)
        self._named = named

    def skill(self, name: str) -> Skill:
        """What is known of one of its skills.

        Raises:
            UnknownSourceError: It is none of this source's.
        """
        _check_skill(name, self.skills)
        return self._named[name]

    def describe(self, skill: str) -> str:
        """The skill's own description."""
        return self.skill(skill).description

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
        """Up to `n` questions; the same as `skill.unique_questions` from the same rng."""
        asked, taken = self.skill(skill), set(exclude)
        if level is not None and level not in self.levels:
            raise UnknownSourceError("level", str(level), [str(known) for known in self.levels])
        chosen: list[Challenge] = []
        misses = 0
        while len(chosen) < n and misses < PATIENCE:
            challenge = asked.challenge(rng, STANDARD_LEVEL if level is None else level)
            misses += 1
            if challenge.split == split and challenge.id not in taken:
                taken.add(challenge.id)
                chosen.append(challenge)
                misses = 0
        return chosen


class BuiltinSource(SkillSource):
    """Questions of the built-in skills, or of some of them."""

    name = "builtin"
    levels = LEVELS

    def __init__(self, skills: Sequence[str] = ()) -> None:
        super().__init__(SKILLS, skills)


class EnglishSource(SkillSource):
    """Questions of the skills in plain English, or of some of them."""

    name = "english"

    def __init__(self, skills: Sequence[str] = ()) -> None:
        super().__init__(english_skills(), skills)


def _check_skill(skill: str, known: Sequence[str]) -> None:
    if skill not in known:
        raise UnknownSourceError("skill", skill, known)
