"""What a confidence was worth so far, and how much of it to believe.

A persona's own confidence c becomes a probability p by Platt's scaling of its log-odds,

    logit(p) = a logit(c) + b,    a >= 0,

the most probable (a, b) given which answers were right, where log a and b are normally distributed
around 0 with deviations `SPREAD`: without outcomes a confidence is believed as it is, and a handful
changes little. (Platt 1999; Guo and others 2017 use a alone, and call 1 / a the temperature.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, logit

SPREAD = 1.0
"""Standard deviations of log a and of b before anything is known, in nats."""
EDGE = 0.01
"""Confidences count as at least this far from 0 and 1."""
BINS = 10
"""Of a reliability table, equally wide."""


class Outcome(NamedTuple):
    """An answer that somebody judged."""

    confidence: float
    """The persona's own, before calibration."""
    right: bool


class Bin(NamedTuple):
    """Answers whose confidences lie close together."""

    low: float
    n: int
    confidence: float
    """Mean."""
    right: float
    """Share."""


@dataclass(frozen=True)
class Calibration:
    """`logit(p) = a logit(c) + b`; as it stands, nothing is changed."""

    a: float = 1.0
    b: float = 0.0

    @classmethod
    def of(cls, outcomes: Sequence[Outcome]) -> Calibration:
        """The most probable one."""
        if not outcomes:
            return cls()
        x = _log_odds(np.array([o.confidence for o in outcomes], float))
        right = np.array([o.right for o in outcomes], float)

        def loss(at: np.ndarray) -> float:
            """Negative log-probability of outcomes and (log a, b), less a constant, in nats."""
            z = np.exp(at[0]) * x + at[1]
            return float(np.logaddexp(0, z).sum() - right @ z + at @ at / SPREAD**2 / 2)

        log_a, b = minimize(loss, np.zeros(2)).x
        return cls(float(np.exp(log_a)), float(b))

    def probability(self, confidence: float) -> float:
        """That an answer is right, in (0, 1), rising with the confidence."""
        x = _log_odds(np.array([confidence], float))
        return float(expit(self.a * x + self.b)[0])


def brier(outcomes: Sequence[Outcome]) -> float:
    """Mean of (confidence - right)²: 0 = knew all; .25 = said 1/2 always (Brier 1950)."""
    return float(np.mean([(o.confidence - o.right) ** 2 for o in outcomes]))


def reliability(outcomes: Sequence[Outcome]) -> list[Bin]:
    """How often who was so confident was right, in the bins in which there is anybody."""
    bins: list[list[Outcome]] = [[] for _ in range(BINS)]
    for one in outcomes:
        bins[min(BINS - 1, int(one.confidence * BINS))].append(one)
    return [
        Bin(
            i / BINS,
            len(some),
            float(np.mean([o.confidence for o in some])),
            float(np.mean([o.right for o in some])),
        )
        for i, some in enumerate(bins)
        if some
    ]


def calibration_error(outcomes: Sequence[Outcome]) -> float:
    """Expected calibration error: how far the bins' shares lie from their confidences, weighted."""
    n = len(outcomes)
    return sum(one.n / n * abs(one.confidence - one.right) for one in reliability(outcomes))


def _log_odds(confidence: np.ndarray) -> np.ndarray:
    return np.asarray(logit(np.clip(np.nan_to_num(confidence, nan=0.0), EDGE, 1 - EDGE)))
