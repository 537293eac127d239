"""Questions that a base has positions for: longer ones are said once, and not asked.

What lies beyond was never trained, even where it can be computed (rotary positions).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from academy.challenge import SPLITS, Challenge, Split
from academy.errors import RunSettingsError, TooFewQuestionsError
from academy.scoring.scorer import fits
from academy.sources.checks import one_answer_shares
from academy.sources.source import ChallengeSource
from genome.base_model import BaseModel
from genome.errors import TooLongError

SAMPLE = 50
"""Select questions of each skill of an endless source that are measured when a run begins."""
SAMPLE_SEED = 45_000
ROUNDS = 8
"""Draws in place of questions that were too long, at most."""


def check_fit(base: BaseModel, sheet: Sequence[Challenge]) -> None:
    """Refuse a sheet that has to be asked whole.

    Raises:
        TooLongError: The base has no positions for a question.
    """
    for challenge in sheet:
        if not fits(base, challenge):
            n_tokens = len(base.prompt_ids([challenge.prompt])[0]) + len(
                base.answer_ids([challenge.answer])[0]
            )
            raise TooLongError(challenge.prompt, n_tokens, base.positions)


class FittingSource:
    """A source without its questions that are too long for the base."""

    def __init__(self, source: ChallengeSource, base: BaseModel) -> None:
        self.source = source
        self.base = base
        self.name = source.name
        self.skills: tuple[str, ...] = source.skills
        self._positions = base.positions
        self._left_out: dict[str, Challenge] = {}

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
        """What the source draws; others in place of what is too long, while it has any."""
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
        long = {c.id: c for c in drawn if not fits(self.base, c)}
        self._left_out |= long
        return [c for c in drawn if c.id not in long]

    def left_out(self) -> list[str]:
        """What was not asked so far, in a line; none if all was."""
        if not self._left_out:
            return []
        prompts = [repr(c.prompt[:40]) for c in self._left_out.values()]
        more = ", ..." if len(prompts) > 3 else ""
        return [
            f"{len(prompts)} of the questions are longer than the {self._positions} positions of "
            f"the base and left out ({', '.join(prompts[:3])}{more}): shorten them, or choose a "
            "base with more"
        ]

    def notes(self) -> list[str]:
        """What a person should know before the run begins.

        Which skills lose questions, and of which one answer is right again and again.

        Raises:
            RunSettingsError: A skill has no question left.
        """
        rng, said = np.random.default_rng(SAMPLE_SEED), []
        alike: list[str] = list(getattr(self.source, "shown", ()))
        for skill in self.skills:
            some = self._looked_at(skill, rng)
            long = [c for c in some if not fits(self.base, c)]
            n_long = len(long)
            if n_long and n_long == len(some):
                raise RunSettingsError(
                    f"all {n_long} questions of {skill!r} looked at are longer than the "
                    f"{self._positions} positions of the base: choose another base, or shorter "
                    "questions"
                )
            if n_long:
                shown = long[0].prompt[:40]
                said.append(f"{n_long} of {len(some)} questions of {skill!r} (as {shown!r})")
            alike += [
                f"always the same answer is right for {share:.0%} of {name!r}"
                for name, share in one_answer_shares(some).items()
            ]
        if not said:
            return alike
        return [
            f"{', '.join(said)} are longer than the {self._positions} positions of the base: such "
            "questions are left out",
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
