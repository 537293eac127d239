"""Two examinees, the same questions: is one right more often?

Only questions that exactly one of them got right tell them apart; under the null each of those
is a fair coin (McNemar 1947). The mid-p version counts half of the observed case: it kept to
alpha in all 9595 scenarios of Fagerland, Lydersen, Laake (2013, BMC Med Res Methodol 13:91),
where the exact test was needlessly timid.
The interval of the difference is Tango's (1998, Statistics in Medicine 17): every difference
that the score test, of which McNemar's is the case of difference 0, would not reject.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import brentq

from academy.errors import StatisticsError
from academy.statistics.aggregate import finite_array
from academy.statistics.intervals import Z95


@dataclass(frozen=True, slots=True)
class PairedResult:
    """Two examinees compared on the same 0/1 questions."""

    n: int
    only_a: int
    """Questions that A alone got right."""
    only_b: int
    effect: float
    """Share right of A less that of B."""
    low: float
    high: float
    """Tango's interval of the effect."""
    p_exact: float
    p_mid: float


def mcnemar(only_a: int, only_b: int) -> tuple[float, float]:
    """Two-sided exact and mid-p values from the numbers of questions only one got right.

    >>> [round(p, 4) for p in mcnemar(1, 7)]
    [0.0703, 0.0391]
    """
    n, fewer = only_a + only_b, min(only_a, only_b)
    if n == 0:
        return 1.0, 1.0  # nothing tells them apart
    here, tail = 1, 1  # whole numbers: exact, so that verdict and interval never disagree
    for k in range(fewer):
        here = here * (n - k) // (k + 1)
        tail += here
    if only_a == only_b:
        return 1.0, 1.0 - here / 2**n / 2
    return 2 * tail / 2**n, (2 * tail - here) / 2**n


def tango_interval(only_a: int, only_b: int, n: int, z: float = Z95) -> tuple[float, float]:
    """Score interval of the difference of two paired proportions.

    >>> [round(bound, 3) for bound in tango_interval(1, 7, 21)]
    [-0.517, -0.026]
    """
    estimate = (only_a - only_b) / n

    def excess(difference: float) -> float:
        """Between the estimate and -1 or 1, the score falls or rises steadily."""
        return min(abs(_score(only_a, only_b, n, difference)), 2 * z) - z

    def bound(end: float) -> float:
        return end if excess(end) <= 0 else float(brentq(excess, estimate, end))

    return bound(-1.0), bound(1.0)


def _score(only_a: int, only_b: int, n: int, difference: float) -> float:
    """Tango's statistic, about N(0, 1) if `difference` is the true one."""
    gap = only_a - only_b - n * difference
    linear = -only_a - only_b + (2 * n - only_a + only_b) * difference
    constant = -only_b * difference * (1 - difference)
    root = math.sqrt(max(linear**2 - 8 * n * constant, 0.0))
    share_b = max((root - linear) / (4 * n), 0.0)  # likeliest share of only_b
    variance = n * (2 * share_b + difference * (1 - difference))
    if variance <= 0:
        return 0.0 if gap == 0 else math.copysign(math.inf, gap)
    return gap / math.sqrt(variance)


def compare_paired(scores_a: Any, scores_b: Any, *, z: float = Z95) -> PairedResult:
    """Compare 0/1 scores of two examinees on the same questions.

    Args:
        scores_a: (n,) of 0 and 1.
        scores_b: (n,).

    Raises:
        StatisticsError: They are empty, of different length, or not all 0 or 1.
    """
    a, b = finite_array("A's scores", scores_a, 1), finite_array("B's scores", scores_b, 1)
    if a.shape != b.shape or not (np.isin(a, (0, 1)).all() and np.isin(b, (0, 1)).all()):
        raise StatisticsError(
            f"McNemar compares 0/1 scores of the same questions, not {len(a)} with {len(b)} "
            "scores in between: use a permutation test for partial credit"
        )
    only_a, only_b = int((a > b).sum()), int((b > a).sum())
    low, high = tango_interval(only_a, only_b, len(a), z)
    effect = (only_a - only_b) / len(a)
    return PairedResult(len(a), only_a, only_b, effect, low, high, *mcnemar(only_a, only_b))
