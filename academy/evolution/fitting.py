"""Questions that a base has positions for: longer ones are said once, and not asked.

Only what is answered in writing needs room left over; whether a row of question and answer fits
matters where positions are learned, for others (rotary) can be computed for any length.
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from typing import Any

import numpy as np

from academy.answering import positions
from academy.challenge import Challenge, Split
from academy.errors import RunSettingsError
from academy.scoring.scorer import kind_of
from academy.sources.checks import one_answer_shares
from academy.sources.errors import TooFewQuestionsError
from academy.sources.source import ChallengeSource
from genome.base_model import BaseModel

SAMPLE = 50
"""Select questions of each skill that are measured when a run begins."""
SAMPLE_SEED = 45_000
ROUNDS = 8
"""Draws in place of questions that were too long, at most."""


class FittingSource:
    """A source without its questions that are too long for the base."""

    def __init__(self, source: ChallengeSource, base: BaseModel) -> None:
        self.source = source
        self.base = base
        self.name = source.name
        self.skills: tuple[str, ...] = source.skills
        self._positions = positions(base.model)
        self._learned = isinstance(getattr(base.model.config, "n_positions", None), int)

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
        kept = [c for c in drawn if self.fits(c)]
        if len(kept) == len(drawn):
            return drawn
        known = set(exclude)
        for _ in range(ROUNDS):
            if len(kept) == n or not drawn:
                break
            known.update(c.id for c in drawn)
            drawn = self.source.draw(skill, split, n - len(kept), rng, level=level, exclude=known)
            kept += [c for c in drawn if self.fits(c)]
        return kept

    def fits(self, challenge: Challenge) -> bool:
        """Whether the base has positions for the question and an answer."""
        if kind_of(challenge) in ("numeric", "tests"):
            return len(self.base.prompt_ids([challenge.prompt])[0]) < self._positions
        if not self._learned:
            return True
        longest = max((challenge.answer, *challenge.choices), key=len)
        row = self.base.rows([challenge.prompt], [longest])
        return int(row.input_ids.shape[1]) <= self._positions

    def notes(self) -> list[str]:
        """What a person should know before the run begins.

        Which skills lose questions, and of which one answer is right again and again.

        Raises:
            RunSettingsError: A skill has no question left.
        """
        rng, said = np.random.default_rng(SAMPLE_SEED), []
        alike: list[str] = []
        for skill in self.skills:
            some: list[Challenge] = []
            with suppress(TooFewQuestionsError):  # said by who needs them
                some = self.source.draw(skill, "select", SAMPLE, rng)
            n_long = sum(not self.fits(c) for c in some)
            if n_long and n_long == len(some):
                raise RunSettingsError(
                    f"all {n_long} questions of {skill!r} looked at are longer than the "
                    f"{self._positions} positions of the base: choose another base, or shorter "
                    "questions"
                )
            if n_long:
                said.append(f"{n_long} of {len(some)} questions of {skill!r}")
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
