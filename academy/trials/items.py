"""The questions of a trial: different ones, as many of every skill, in random order.

Two wordings of one question are answered alike more often than two questions, so that counting
both would make a trial look surer than it is: only the first is kept.
Trials that guide choices take select questions. The test split is for exams alone
(`academy.exam`), after everything has been chosen.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

import numpy as np

from academy.challenge import Challenge, Split
from academy.errors import UnknownSkillError
from academy.trials.errors import TrialItemsError


class Drawer(Protocol):
    """What a trial needs of a challenge source (`academy.sources.source.ChallengeSource`)."""

    name: str
    skills: tuple[str, ...]

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
        """Up to `n` different questions."""
        ...


def draw_items(
    source: Drawer,
    n: int,
    rng: np.random.Generator,
    *,
    skills: Sequence[str] = (),
    split: Split = "select",
) -> list[Challenge]:
    """Up to `n` questions in random order; fewer only if a skill of the source has too few.

    The first skills give one more each where `n` cannot be shared evenly.

    Args:
        skills: Of the source; all if empty.

    Raises:
        TrialItemsError: `n` is not positive, or the source has no such question at all.
        UnknownSkillError: The source has no such skill.
    """
    if n < 1:
        raise TrialItemsError(f"a trial of {n} questions shows nothing: ask at least one")
    chosen = tuple(dict.fromkeys(skills)) or source.skills
    for skill in chosen:
        if skill not in source.skills:
            raise UnknownSkillError(skill, source.skills)
    drawn: list[Challenge] = []
    for i, skill in enumerate(chosen):
        share = n // len(chosen) + (i < n % len(chosen))
        drawn += _different_questions(source, skill, split, share, rng)
    if not drawn:
        raise TrialItemsError(
            f"{source.name} has no {split} question of {', '.join(chosen)}: choose another source"
        )
    return [drawn[i] for i in rng.permutation(len(drawn))]


def _different_questions(
    source: Drawer, skill: str, split: Split, n: int, rng: np.random.Generator
) -> list[Challenge]:
    """Up to `n` challenges, no two of which are wordings of the same question."""
    kept: dict[str, Challenge] = {}
    seen: set[str] = set()
    while len(kept) < n:
        fresh = source.draw(skill, split, n - len(kept), rng, exclude=seen)
        if not fresh:
            break
        for item in fresh:
            seen.add(item.id)
            kept.setdefault(item.question, item)
    return list(kept.values())


def check_items(items: Sequence[Challenge]) -> None:
    """Refuse questions that would count twice.

    Raises:
        TrialItemsError: There are none, or one comes twice.
    """
    if not items:
        raise TrialItemsError("a trial needs questions, none came: draw at least one")
    n_different = len({item.id for item in items})
    if n_different < len(items):
        raise TrialItemsError(
            f"{len(items) - n_different} of {len(items)} questions come twice: ask each only once"
        )
