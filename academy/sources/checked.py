"""Any source behind a guard, so that what it does wrong is one line before it does harm.

A question belongs to the split its hash puts it in. A finite source may place its questions
itself; then all of them are drawn, once, and none may stand in two splits.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from academy.challenge import Challenge, Split
from academy.errors import (
    AcademyError,
    SourceError,
    SplitOverlapError,
    TooFewQuestionsError,
    cause_of,
    ends_run,
)
from academy.scoring.rule import check_rule
from academy.sources.checks import check_skill_names
from academy.sources.source import ChallengeSource

FINITE = 5_000
"""A skill and split with so many questions counts as endless."""
PLACES_SEED = 43_000


class CheckedSource:
    """A source whose every draw is looked at; it draws exactly what the source draws."""

    def __init__(self, source: ChallengeSource) -> None:
        """Look at the names.

        Raises:
            SourceError: A skill has a name that no manifest can hold, or comes twice.
        """
        self.source = source
        self.name = source.name
        self.skills: tuple[str, ...] = tuple(source.skills)
        check_skill_names(self.name, self.skills)
        self._placed: dict[tuple[str, Split], frozenset[str]] = {}
        """Ids of all questions of a skill and split, where the source places them itself."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self.source, name)

    def describe(self, skill: str) -> str:
        """One printable line, as a manifest needs it."""
        try:
            text = str(self.source.describe(skill))
        except Exception as error:
            if ends_run(error):
                raise
            raise self._failed(f"to describe {skill!r}", error) from error
        line = " ".join(text.split())
        return "".join(c if c.isprintable() else "?" for c in line)[:500]

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
        """What the source draws.

        Raises:
            SourceError: It raised, or gave something else than was asked for.
        """
        drawn = self._drawn(skill, split, n, rng, level, exclude)
        self._check(drawn, skill, split, n, exclude)
        odd = [c for c in drawn if c.split != split]
        if odd:
            self._check_places(odd, skill, split)
        return drawn

    def _drawn(
        self,
        skill: str,
        split: Split,
        n: int,
        rng: np.random.Generator,
        level: int | None = None,
        exclude: Collection[str] = (),
    ) -> list[Challenge]:
        how: dict[str, Any] = {} if level is None else {"level": level}
        if exclude:
            how["exclude"] = exclude
        try:
            return list(self.source.draw(skill, split, n, rng, **how))
        except Exception as error:
            if ends_run(error):
                raise
            raise self._failed(f"to draw {split!r} questions of {skill!r}", error) from error

    def _failed(self, what: str, error: Exception) -> SourceError:
        return SourceError(
            f"the challenge source {self.name!r} failed {what} ({cause_of(error)}): repair it, or "
            "choose another source"
        )

    def _check(
        self,
        drawn: Sequence[Challenge],
        skill: str,
        split: Split,
        n: int,
        exclude: Collection[str],
    ) -> None:
        asked = f"when asked for {n} {split!r} questions of {skill!r}: repair its draw"
        seen = set(exclude)
        for challenge in drawn:
            if not isinstance(challenge, Challenge):
                raise SourceError(f"{self.name!r} gave a {type(challenge).__name__} {asked}")
            if challenge.skill != skill:
                raise SourceError(f"{self.name!r} gave one of {challenge.skill!r} {asked}")
            if challenge.id in seen:
                raise SplitOverlapError(
                    f"{self.name!r} gave {challenge.prompt[:60]!r} again {asked}"
                )
            self._check_rule(challenge, asked)
            seen.add(challenge.id)
        if len(drawn) > n:
            raise SourceError(f"{self.name!r} gave {len(drawn)} {asked}")

    def _check_rule(self, challenge: Challenge, asked: str) -> None:
        try:
            check_rule(challenge)
        except AcademyError as error:
            raise SourceError(
                f"{self.name!r} gave {challenge.prompt[:60]!r} {asked}: {error}"
            ) from error

    def _check_places(self, odd: Sequence[Challenge], skill: str, split: Split) -> None:
        """Questions that their hash puts elsewhere: right only if all are placed apart."""
        own = self._places(skill, split)
        for other in dict.fromkeys(c.split for c in odd):
            theirs = self._places(skill, other)
            for challenge in odd:
                if challenge.id in theirs or challenge.id not in own:
                    raise SplitOverlapError(
                        f"{self.name!r} gave {challenge.prompt[:60]!r} as a {split!r} question of "
                        f"{skill!r}, but it belongs to {other!r}: give each question in one split, "
                        "as `Challenge.split` says"
                    )

    def _places(self, skill: str, split: Split) -> frozenset[str]:
        """Ids of all questions of a skill and split; empty if there is no end of them."""
        key = skill, split
        if key not in self._placed:
            try:
                every = self._drawn(skill, split, FINITE, np.random.default_rng(PLACES_SEED))
            except TooFewQuestionsError:
                every = []
            ids = frozenset(c.id for c in every)
            self._placed[key] = ids if len(every) < FINITE else frozenset()
        return self._placed[key]


def checked(source: ChallengeSource) -> CheckedSource:
    """The source behind its guard, once.

    Raises:
        SourceError: As `CheckedSource`.
    """
    return source if isinstance(source, CheckedSource) else CheckedSource(source)
