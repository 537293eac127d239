"""What a pager counts, for screens and benchmarks."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

REMEMBERED = 1000
"""Load times kept a tier."""


@dataclass(frozen=True, slots=True)
class LoadTime:
    """How long leases took whose slowest genome came from one tier."""

    n: int
    p50_ms: float
    p99_ms: float


@dataclass(frozen=True, slots=True)
class PagerStats:
    """A pager at one moment; counters run from its start."""

    slots: int
    hot: int
    leased: int
    pinned: int
    hot_bytes: int
    warm: int
    warm_bytes: int
    hot_hits: int
    warm_hits: int
    loads: int
    """Reads from cold storage."""
    hot_evictions: int
    warm_evictions: int
    waits: int
    refusals: int
    failed_prefetches: int
    times: Mapping[str, LoadTime]
    """By tier: hot, warm, cold."""


@dataclass(slots=True)
class Tally:
    """Counters while they run."""

    hot_hits: int = 0
    warm_hits: int = 0
    loads: int = 0
    hot_evictions: int = 0
    warm_evictions: int = 0
    waits: int = 0
    refusals: int = 0
    failed_prefetches: int = 0
    seconds: dict[str, deque[float]] = field(default_factory=dict)

    def took(self, tier: str, seconds: float) -> None:
        """Note one lease's time."""
        self.seconds.setdefault(tier, deque(maxlen=REMEMBERED)).append(seconds)

    def stats(self, **occupancy: int) -> PagerStats:
        """Everything counted so far, with the occupancy given."""
        times = {
            tier: LoadTime(
                len(kept),
                float(np.percentile(kept, 50)) * 1e3,
                float(np.percentile(kept, 99)) * 1e3,
            )
            for tier, kept in self.seconds.items()
        }
        return PagerStats(
            **occupancy,
            hot_hits=self.hot_hits,
            warm_hits=self.warm_hits,
            loads=self.loads,
            hot_evictions=self.hot_evictions,
            warm_evictions=self.warm_evictions,
            waits=self.waits,
            refusals=self.refusals,
            failed_prefetches=self.failed_prefetches,
            times=times,
        )
