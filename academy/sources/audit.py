"""A frozen set of questions that tells whether a teacher's estimates still mean ability.

It is drawn once, from a split that is never taught or selected on, a few questions of every
skill and level, so that it can be read for whichever arms the teacher has opened.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

import numpy as np

from academy.challenge import Challenge
from academy.sources.errors import SourceError

Key = tuple[str, int | None]
"""A skill and a level."""


@dataclass
class Audit:
    """The questions, what they are of, and how the population did at each audit so far."""

    challenges: tuple[Challenge, ...]
    keys: tuple[Key, ...]
    """Of each challenge."""
    records: list[dict[str, Any]] = field(default_factory=list)
    """Per audit: the mean, and [skill, level, accuracy, estimate] of every arm then known."""

    def record(self, scores: np.ndarray, estimates: Mapping[Key, float]) -> float:
        """Take in scores, (n_genomes, n_challenges); their mean.

        Args:
            estimates: What the teacher believes of the arms it has asked.

        Raises:
            SourceError: The scores do not belong to this set.
        """
        values = np.nan_to_num(np.asarray(scores, dtype=float))
        if values.ndim != 2 or values.shape[1] != len(self.challenges) or not values.size:
            raise SourceError(
                f"scores of shape {values.shape} do not belong to an audit of "
                f"{len(self.challenges)} questions: give (n_genomes, n_audit)"
            )
        arms = []
        for key in dict.fromkeys(self.keys):
            mine = np.array([k == key for k in self.keys])
            if key in estimates:
                arms.append([*key, float(values[:, mine].mean()), estimates[key]])
        self.records.append({"mean": float(values.mean()), "arms": arms})
        return float(values.mean())

    def drift(self) -> float:
        """How much more accuracy has grown than the estimates, from first to last audit.

        Over the arms known at both. Negative: estimates rise faster than ability. 0.0 before
        the second audit.
        """
        if len(self.records) < 2:
            return 0.0
        first = {(skill, level): (a, p) for skill, level, a, p in self.records[0]["arms"]}
        changes = [
            (accuracy - first[skill, level][0]) - (p - first[skill, level][1])
            for skill, level, accuracy, p in self.records[-1]["arms"]
            if (skill, level) in first
        ]
        return float(np.mean(changes)) if changes else 0.0

    def state(self) -> dict[str, Any]:
        """Plain JSON."""
        return {
            "challenges": [_challenge_state(c) for c in self.challenges],
            "keys": [list(key) for key in self.keys],
            "records": [dict(record) for record in self.records],
        }

    @classmethod
    def restored(cls, state: Mapping[str, Any]) -> Audit:
        """The inverse of `state`; raises KeyError, TypeError or ValueError for anything else."""
        challenges = tuple(_challenge(one) for one in state["challenges"])
        keys = tuple((str(skill), level) for skill, level in state["keys"])
        if len(challenges) != len(keys):
            raise ValueError("audit questions without a level")
        return cls(challenges, keys, [dict(record) for record in state["records"]])


def _challenge_state(challenge: Challenge) -> dict[str, Any]:
    state = asdict(challenge)
    del state["id"]
    return {**state, "choices": list(challenge.choices), "tests": list(challenge.tests)}


def _challenge(state: Mapping[str, Any]) -> Challenge:
    if set(state) != {f.name for f in fields(Challenge)} - {"id"}:
        raise ValueError("a challenge with other fields")
    return Challenge(
        **{**state, "choices": tuple(state["choices"]), "tests": tuple(state["tests"])}
    )
