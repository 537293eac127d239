"""A skill: endless seeded questions with one exact answer each.

It owns a way to draw an argument, the function that answers it, and several phrasings
of the same question, so that finding the right layer for a question is not keyword matching.
`level` is the difficulty knob (word length, number of digits); `STANDARD_LEVEL` is what
every exam uses. `chance` is the accuracy of the best answer that ignores the argument.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from academy.challenge import Challenge, Split

LEVELS = (1, 2, 3, 4, 5)
STANDARD_LEVEL = 3


@dataclass(frozen=True, slots=True)
class Skill:
    """One kind of question.

    Phrasings are format strings over the fields that `draw` returns. `specialist` is the
    noun a species is named with once it turns out to be good at this.
    """

    name: str
    domain: str
    specialist: str
    description: str
    phrasings: tuple[str, ...]
    draw: Callable[[np.random.Generator, int], dict[str, str]]
    solve: Callable[[dict[str, str]], str]
    chance: float
    held_out: str = ""
    """The field whose words stay in one split: what is tested was never seen in training."""

    def challenge(self, rng: np.random.Generator, level: int = STANDARD_LEVEL) -> Challenge:
        """Draw one question of the given level (1 easiest to 5)."""
        fields = self.draw(rng, level)
        phrasing = self.phrasings[int(rng.integers(len(self.phrasings)))]
        challenge = Challenge(
            prompt=phrasing.format(**fields),
            answer=self.solve(fields),
            skill=self.name,
            domain=self.domain,
            argument=" ".join(fields.values()),
        )
        return (
            self._beside_its_word(challenge, fields[self.held_out]) if self.held_out else challenge
        )

    def _beside_its_word(self, challenge: Challenge, word: str) -> Challenge:
        """The same question in the split of a word: the argument gets a number that puts it there.

        A question always gets the same number, so it keeps its id and its split for ever.
        """
        split = Challenge(word, "", self.name, self.domain, argument=word).split
        about, number = challenge.argument, 0
        while challenge.split != split:
            number += 1
            challenge = replace(challenge, argument=f"{about} {number}")
        return challenge


def questions(
    skill: Skill, split: Split, rng: np.random.Generator, level: int = STANDARD_LEVEL
) -> Iterator[Challenge]:
    """Endless questions of one skill from one split, drawn by rejection.

    The expected number of draws per question is 100 / SPLIT_PERCENT[split].
    """
    while True:
        challenge = skill.challenge(rng, level)
        if challenge.split == split:
            yield challenge


PATIENCE = 5_000
"""Repeats in a row after which a skill counts as exhausted."""


def unique_questions(
    skill: Skill, split: Split, n: int, rng: np.random.Generator, level: int = STANDARD_LEVEL
) -> list[Challenge]:
    """`n` questions of one skill and split, no prompt twice; fewer once nothing new turns up."""
    chosen: dict[str, Challenge] = {}
    idle = 0
    for challenge in questions(skill, split, rng, level):
        if len(chosen) == n or idle == PATIENCE:
            break
        idle = idle + 1 if challenge.id in chosen else 0
        chosen.setdefault(challenge.id, challenge)
    return list(chosen.values())
