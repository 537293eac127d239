"""The built-in skills as a challenge source: practically endless, with a difficulty knob."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from academy.challenge import Challenge, Split
from academy.errors import UnknownSourceError
from academy.skills import LEVELS, SKILL_NAMES, STANDARD_LEVEL, skill_named

PATIENCE = 2000
"""Draws in a row without a new question after which a skill counts as used up.

The rarest split takes one draw in 20, so that a skill with a hundredth of its questions left
is given up with probability (1 - 0.05 / 100)**2000 = 37 %, and one with a tenth left with
probability 5e-5. Only the lowest levels of arithmetic are ever that small.
"""


class BuiltinSource:
    """Questions of the built-in skills, or of some of them."""

    name = "builtin"
    levels: tuple[int, ...] = LEVELS

    def __init__(self, skills: Sequence[str] = ()) -> None:
        for skill in skills:
            _check_skill(skill, SKILL_NAMES)
        self.skills: tuple[str, ...] = tuple(skills) or SKILL_NAMES

    def describe(self, skill: str) -> str:
        """The skill's own description."""
        _check_skill(skill, self.skills)
        return skill_named(skill).description

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
        """Up to `n` questions; the same as `academy.skills.unique_questions` from the same rng."""
        _check_skill(skill, self.skills)
        if level is not None and level not in LEVELS:
            raise UnknownSourceError("level", str(level), [str(known) for known in LEVELS])
        asked, taken = skill_named(skill), set(exclude)
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


def _check_skill(skill: str, known: Sequence[str]) -> None:
    if skill not in known:
        raise UnknownSourceError("skill", skill, known)
