"""Questions that a base has positions and memory for: larger ones are said once, and not asked.

What lies beyond the positions was never trained, even where it can be computed (rotary positions).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from academy.challenge import SPLITS, Challenge, Split
from academy.errors import RunSettingsError, TooFewQuestionsError
from academy.scoring.scorer import refusal
from academy.sources.checks import one_answer_shares
from academy.sources.source import ChallengeSource
from genome.base_model import BaseModel

SAMPLE = 50
"""Select questions of each skill of an endless source that are measured when a run begins."""
SAMPLE_SEED = 45_000
ROUNDS = 8
"""Draws in place of questions that were too long, at most."""


def check_fit(base: BaseModel, sheet: Sequence[Challenge]) -> None:
    """Refuse a sheet that has to be asked whole.

    Raises:
        TooLongError: The base has no positions for a question.
        TooLargeError: A question does not fit into the memory allowed.
    """
    for challenge in sheet:
        if refused := refusal(base, challenge):
            raise refused


def _beyond(base: BaseModel, challenge: Challenge) -> str:
    """Which limit a question is beyond, in words; empty if it fits."""
    refused = refusal(base, challenge)
    return refused.limit if refused else ""


class FittingSource:
    """A source without its questions that are too large for the base, or for the memory."""

    def __init__(self, source: ChallengeSource, base: BaseModel) -> None:
        self.source = source
        self.base = base
        self.name = source.name
        self.skills: tuple[str, ...] = source.skills
        self._left_out: dict[str, tuple[str, str]] = {}
        """By id: the question, and what it is beyond."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self.source, name)

    def describe(self, skill: str) -> str:
        """The source's own words."""
        return self.source.describe(skill)

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
        """What the source draws; others in place of what does not fit, while it has any."""
        drawn = self.source.draw(skill, split, n, rng, level=level, exclude=exclude)
        kept = self._fitting(drawn)
        if len(kept) == len(drawn):
            return drawn
        known = set(exclude)
        for _ in range(ROUNDS):
            if len(kept) == n or not drawn:
                break
            known.update(c.id for c in drawn)
            drawn = self.source.draw(skill, split, n - len(kept), rng, level=level, exclude=known)
            kept += self._fitting(drawn)
        return kept

    def _fitting(self, drawn: Sequence[Challenge]) -> list[Challenge]:
        beyond = {c.id: (c.prompt, _beyond(self.base, c)) for c in drawn}
        self._left_out |= {name: found for name, found in beyond.items() if found[1]}
        return [c for c in drawn if not beyond[c.id][1]]

    def left_out(self) -> list[str]:
        """What was not asked so far, in a line; none if all was."""
        if not self._left_out:
            return []
        prompts = [repr(prompt[:40]) for prompt, _ in self._left_out.values()]
        limits = " or ".join(sorted({limit for _, limit in self._left_out.values()}))
        more = ", ..." if len(prompts) > 3 else ""
        return [
            f"{len(prompts)} of the questions are {limits} and left out "
            f"({', '.join(prompts[:3])}{more}): shorten them, or choose a base with more"
        ]

    def notes(self) -> list[str]:
        """What a person should know before the run begins.

        Which skills lose questions, and of which one answer is right again and again.

        Raises:
            RunSettingsError: A skill has no question left.
        """
        rng, said = np.random.default_rng(SAMPLE_SEED), []
        alike: list[str] = list(getattr(self.source, "shown", ()))
        limits: set[str] = set()
        for skill in self.skills:
            some = self._looked_at(skill, rng)
            long = [(c.prompt, limit) for c in some if (limit := _beyond(self.base, c))]
            limits.update(limit for _, limit in long)
            n_long = len(long)
            if n_long and n_long == len(some):
                raise RunSettingsError(
                    f"all {n_long} questions of {skill!r} looked at are {long[0][1]}: choose "
                    "another base, or shorter questions"
                )
            if n_long:
                shown = long[0][0][:40]
                said.append(f"{n_long} of {len(some)} questions of {skill!r} (as {shown!r})")
            alike += [
                f"always the same answer is right for {share:.0%} of {name!r}"
                for name, share in one_answer_shares(some).items()
            ]
        if not said:
            return alike
        return [
            f"{', '.join(said)} are {' or '.join(sorted(limits))}: such questions are left out",
            *alike,
        ]

    def _looked_at(self, skill: str, rng: np.random.Generator) -> list[Challenge]:
        """A sample of select questions; of a finite set all but the test split, which is closed."""
        counts = getattr(self.source, "counts", {})
        some: list[Challenge] = []
        for split in SPLITS:
            n = counts.get((skill, split), 0) if split != "test" else 0
            if n or split == "select":
                with suppress(TooFewQuestionsError):  # said by who needs them
                    some += self.source.draw(skill, split, max(SAMPLE, n), rng)
        return some
