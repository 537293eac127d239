"""Several tests at once: Holm's step-down correction.

Holm: A Simple Sequentially Rejective Multiple Test Procedure (1979). The chance of even one
false discovery stays below alpha, whatever the tests have to do with one another.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from academy.errors import StatisticsError


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values, in the order given; reject where one is at most alpha.

    With p sorted upwards: adjusted_i = max over j <= i of min(1, (n - j + 1) p_j).

    >>> [round(p, 3) for p in holm([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]

    Raises:
        StatisticsError: One is no number between 0 and 1.
    """
    p = np.asarray(p_values, dtype=np.float64)
    bad = ~((p >= 0) & (p <= 1))
    if bad.any():
        raise StatisticsError(
            f"{p[bad][0]} is no p-value: each must be from 0 to 1; leave out tests that were not "
            "made"
        )
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(stepped, 1.0)
    return [float(x) for x in adjusted]
