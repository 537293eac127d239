"""One interface for everything that asks questions, and how a source is named on a command line.

A package brings its own challenge set with an entry point:

    [project.entry-points."continuum.challenges"]
    chess = "my_package.challenges:open_chess"      # called without arguments
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol, runtime_checkable

import numpy as np

from academy.challenge import Challenge, Split


@runtime_checkable
class ChallengeSource(Protocol):
    """Questions by skill and split. A source with a difficulty knob also has `levels`."""

    name: str
    skills: tuple[str, ...]
    """Niche names, in a fixed order."""

    def describe(self, skill: str) -> str:
        """One line about a skill, for people and for search."""
        ...

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
        """Up to `n` different questions, none of whose ids is in `exclude`.

        Fewer than `n` come only from a source that has no more. Without `level`, the source's
        standard difficulty.
        """
        ...


def levels_of(source: ChallengeSource) -> tuple[int | None, ...]:
    """A source's difficulty levels, easiest first; (None,) where there is no knob."""
    return tuple(getattr(source, "levels", ())) or (None,)
