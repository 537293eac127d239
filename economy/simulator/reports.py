"""Users' reports on many layers at once: the arithmetic of R2 and R3 on arrays.

The same numbers as `marketplace.formula.reputation.rated`, which tests compare; only faster,
because a simulated year is a hundred million (layer, rater, day) triples.
"""

import numpy as np
from numpy.typing import NDArray

from marketplace.formula.reputation import HALF_LIFE_DAYS, SATURATION, Evidence

FloatArray = NDArray[np.float64]


class Reports:
    """Decayed counts of success and failure, one row per layer, one column per rater."""

    def __init__(self, n_raters: int) -> None:
        self._good: FloatArray = np.zeros((0, n_raters))
        self._bad: FloatArray = np.zeros((0, n_raters))

    def add_layer(self) -> int:
        """A new row for a layer nobody has reported on; its number."""
        empty = np.zeros((1, self._good.shape[1]))
        self._good = np.vstack([self._good, empty])
        self._bad = np.vstack([self._bad, empty])
        return len(self._good) - 1

    def clear(self, layer: int) -> None:
        """Forget a row: a new version has another digest."""
        self._good[layer] = 0.0
        self._bad[layer] = 0.0

    def add(self, layer: int, rater: int, good: float, bad: float) -> None:
        """Today's report of one rater on one layer."""
        self._good[layer, rater] += good
        self._bad[layer, rater] += bad

    def next_day(self) -> None:
        """Everything reported so far becomes a day older."""
        fading = 2.0 ** (-1.0 / HALF_LIFE_DAYS)
        self._good *= fading
        self._bad *= fading

    def evidence(self, trust: FloatArray) -> list[tuple[Evidence, int]]:
        """What all reports on each layer count for, and how many raters counted.

        Args:
            trust: Of every rater, (n_raters,).
        """
        heard = np.flatnonzero(trust > 0)
        good, bad = self._good[:, heard], self._bad[:, heard]  # (n_layers, n_heard)
        weight = trust[heard] / (1.0 + (good + bad) / SATURATION)
        successes, failures = (good * weight).sum(axis=1), (bad * weight).sum(axis=1)
        n_raters = ((good + bad) > 0).sum(axis=1)
        return [
            (Evidence(float(s), float(f)), int(n))
            for s, f, n in zip(successes, failures, n_raters, strict=True)
        ]
