"""Tests that may be looked at after every item: mixture sequential probability ratio tests.

A ratio of likelihoods under chance and under a mixture of effects is a martingale under chance,
so it ever exceeds 1 / alpha with probability at most alpha (Ville 1939). Hence, however often one
looks and whenever one stops, p = min(1, 1 / largest ratio so far) is an always-valid p-value, and
the effects not yet rejected form a confidence sequence (Robbins 1970; Johari, Koomen, Pekelis,
Walsh: Always Valid Inference, 2017/2022).

`BoundedMixture` needs no variance and no large sample: its ratio for a mean difference m of
scores in [0, 1] is the average, over bets u, of the products of 1 + u (d - m) / (1 + m) and of
1 - u (d - m) / (1 - m) (Waudby-Smith, Ramdas: Estimating Means of Bounded Random Variables by
Betting, 2024). For 0/1 scores and m = 0 the factors are (1 + u) for a question only A got right
and (1 - u) for one only B did: the mixture SPRT of a coin, McNemar's null, exact for any number
of items.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from academy.errors import StatisticsError
from academy.statistics.aggregate import check_share, finite_array

_BETS = ((np.arange(96) + 0.5) / 96) ** 2
"""(96,) in (0, 1), denser near 0: small effects need many items, and fine bets, to be seen."""
_HALVINGS = 30  # of an interval of 2: bounds to 2e-9
_EDGE = 1 - 1e-9  # means are looked for between -1 and 1, where no factor divides by 0


@dataclass(frozen=True)
class BoundedMixture:
    """State of an always-valid test of paired differences in [-1, 1].

    Start with none, `seen` differences as they come, look whenever you like.
    """

    alpha: float = 0.05
    """1 - confidence of the interval, for ever."""
    values: np.ndarray = field(default_factory=lambda: np.zeros(0))
    """(n_values,) different differences so far."""
    counts: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    """(n_values,) how often each came."""
    p_value: float = 1.0
    """Always-valid, two-sided, of no difference; never rises."""
    low: float = -1.0
    high: float = 1.0
    """Confidence sequence of the mean difference; never widens. low > high would mean that the
    true mean itself moved, or the one case in 1 / alpha."""

    def __post_init__(self) -> None:
        check_share("alpha", self.alpha)

    @property
    def n(self) -> int:
        """Differences seen."""
        return int(self.counts.sum())

    @property
    def mean(self) -> float:
        """Mean difference so far; 0 before the first."""
        return float(self.values @ self.counts / self.n) if self.n else 0.0

    def seen(self, differences: Any) -> BoundedMixture:
        """The state after some more differences, looked at once.

        Args:
            differences: (n,) of scores of A less scores of B.

        Raises:
            StatisticsError: There are none, or one is outside [-1, 1].
        """
        new = finite_array("differences", differences, 1)
        if np.abs(new).max() > 1:
            raise StatisticsError(
                f"a difference of {np.abs(new).max():g} came: scores must be from 0 to 1"
            )
        values, counts = _merge(self.values, self.counts, new)
        p = min(self.p_value, math.exp(min(0.0, -log_ratio(values, counts, 0.0))))
        low, high = _not_rejected(values, counts, -math.log(self.alpha))
        return replace(
            self,
            values=values,
            counts=counts,
            p_value=p,
            low=max(self.low, low),
            high=min(self.high, high),
        )


def log_ratio(values: np.ndarray, counts: np.ndarray, mean: float) -> float:
    """Log of the mixture's ratio against the claim that the true mean is `mean` in (-1, 1).

    Args:
        values: (n_values,) in [-1, 1].
        counts: (n_values,).
    """
    up = 1 + _BETS[:, None] * (values - mean) / (1 + mean)  # (n_bets, n_values): mean is more
    down = 1 - _BETS[:, None] * (values - mean) / (1 - mean)  # mean is less
    logs = np.concatenate([np.log(up) @ counts, np.log(down) @ counts])
    top = logs.max()
    return float(top + math.log(np.exp(logs - top).mean()))


def _merge(
    values: np.ndarray, counts: np.ndarray, new: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Differing values with their counts, new ones included."""
    merged, places = np.unique(np.concatenate([values, new]), return_inverse=True)
    weights = np.concatenate([counts, np.ones(len(new), dtype=np.int64)])
    return merged, np.bincount(places, weights).astype(np.int64)


def _not_rejected(values: np.ndarray, counts: np.ndarray, bar: float) -> tuple[float, float]:
    """Means whose log ratio stays below `bar`.

    They form an interval around the observed mean, because every product is convex in the mean;
    at the observed mean no bet has won anything on balance.
    """
    estimate = min(max(float(values @ counts / counts.sum()), -_EDGE), _EDGE)

    def bound(end: float) -> float:
        if log_ratio(values, counts, end * _EDGE) < bar:
            return end
        inside, outside = estimate, end * _EDGE
        for _ in range(_HALVINGS):
            middle = (inside + outside) / 2
            if log_ratio(values, counts, middle) < bar:
                inside = middle
            else:
                outside = middle
        return outside

    return bound(-1.0), bound(1.0)
