"""Proof, by its questions, that a whole source keeps its splits apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from academy.challenge import SPLITS, Split
from academy.errors import SplitOverlapError
from academy.sources.checks import check_sample, majority_share
from academy.sources.source import ChallengeSource


@dataclass(frozen=True, slots=True)
class SourceReport:
    """What a sample of a source showed."""

    counts: Mapping[tuple[str, Split], int]
    """Questions drawn by skill and split."""
    majority: Mapping[str, float]
    """By skill: the share of its commonest answer in the sample."""


def check_source(source: ChallengeSource, n: int, rng: np.random.Generator) -> SourceReport:
    """Draw up to `n` questions of every skill and split, and prove the splits disjoint.

    Raises:
        SplitOverlapError: A question came twice, in two splits, or in a split not its own.
    """
    drawn = {
        (skill, split): source.draw(skill, split, n, rng)
        for skill in source.skills
        for split in SPLITS
    }
    for (skill, split), part in drawn.items():
        for challenge in part:
            if challenge.split != split or challenge.skill != skill:
                raise SplitOverlapError(
                    f"{source.name} gave {challenge.prompt[:60]!r} ({challenge.skill}, "
                    f"{challenge.split}) when asked for {skill} in {split!r}: repair its draw"
                )
    check_sample([challenge for part in drawn.values() for challenge in part])
    by_skill = {
        skill: [c for split in SPLITS for c in drawn[skill, split]] for skill in source.skills
    }
    return SourceReport(
        {key: len(part) for key, part in drawn.items()},
        {skill: majority_share(part) for skill, part in by_skill.items()},
    )
