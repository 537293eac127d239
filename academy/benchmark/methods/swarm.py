"""Particles that fly to their own best, to everybody's best, and away from the worst.

    v <- [r_w phi_w v + r_p phi_p (p - x) + r_g phi_g (g - x) + r_b phi_b (x - worst)] / C
    x <- x + lambda v,      C = r_w phi_w + r_p phi_p + r_g phi_g + r_b phi_b,   r ~ U(0, 1)

Model Swarms (Feng et al. 2024, arXiv 2410.11163) and, as its "succession", GENOME+. Published
code of the latter makes p a second name for x, so that p - x is always zero, in its own method
and in its Model Swarms; here a personal best is a copy.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True)
class Pulls:
    """The phi: how strongly each direction counts."""

    inertia: float = 0.4
    personal: float = 0.3
    best: float = 0.3
    worst: float = 0.3


@dataclass(frozen=True)
class Swarm:
    """Where the particles are and what they remember; positions are (n, ...) rows of numbers."""

    x: np.ndarray
    v: np.ndarray
    value: np.ndarray
    """(n,) of the positions as last measured; higher is better."""
    own: np.ndarray
    """Each particle's best position so far, as x."""
    own_value: np.ndarray
    """(n,)"""
    best: np.ndarray
    best_value: float
    worst: np.ndarray
    worst_value: float
    stale: np.ndarray
    """(n,) measurements since a particle's own best became better."""

    @classmethod
    def started(cls, x: np.ndarray, v: np.ndarray, values: np.ndarray) -> Swarm:
        """A swarm that was measured once, at its first positions."""
        high, low = int(values.argmax()), int(values.argmin())
        return cls(
            x,
            v,
            values,
            x.copy(),
            values.copy(),
            x[high].copy(),
            float(values[high]),
            x[low].copy(),
            float(values[low]),
            np.zeros(len(x), dtype=np.int64),
        )

    def measured(self, values: np.ndarray) -> Swarm:
        """Remember what was found at the present positions, in copies."""
        better = values > self.own_value
        swarm = replace(
            self,
            value=values,
            own=np.where(better[:, None], self.x, self.own),
            own_value=np.where(better, values, self.own_value),
            stale=np.where(better, 0, self.stale + 1),
        )
        high, low = int(values.argmax()), int(values.argmin())
        if values[high] > self.best_value:
            swarm = replace(swarm, best=self.x[high].copy(), best_value=float(values[high]))
        if values[low] < self.worst_value:
            swarm = replace(swarm, worst=self.x[low].copy(), worst_value=float(values[low]))
        return swarm

    def joined(self, x: np.ndarray, v: np.ndarray, values: np.ndarray) -> Swarm:
        """This swarm with new, measured particles, which remember nothing yet."""
        new = Swarm.started(x, v, values)
        swarm = replace(
            self,
            x=np.concatenate([self.x, new.x]),
            v=np.concatenate([self.v, new.v]),
            value=np.concatenate([self.value, new.value]),
            own=np.concatenate([self.own, new.own]),
            own_value=np.concatenate([self.own_value, new.own_value]),
            stale=np.concatenate([self.stale, new.stale]),
        )
        if new.best_value > self.best_value:
            swarm = replace(swarm, best=new.best, best_value=new.best_value)
        if new.worst_value < self.worst_value:
            swarm = replace(swarm, worst=new.worst, worst_value=new.worst_value)
        return swarm

    def chosen(self, survivors: np.ndarray) -> Swarm:
        """Only these particles; what the swarm remembers of the others stays."""
        return replace(
            self,
            x=self.x[survivors],
            v=self.v[survivors],
            value=self.value[survivors],
            own=self.own[survivors],
            own_value=self.own_value[survivors],
            stale=self.stale[survivors],
        )

    def recalled(self, patience: int) -> Swarm:
        """Particles that found nothing better for so long go back to their own best, at rest."""
        lost = self.stale >= patience
        return replace(
            self,
            x=np.where(lost[:, None], self.own, self.x),
            v=np.where(lost[:, None], 0, self.v),
            stale=np.where(lost, 0, self.stale),
        )

    def moved(self, pulls: Pulls, step: float, rng: np.random.Generator) -> Swarm:
        """One flight of all particles, by new random shares for each."""
        phi = np.array([pulls.inertia, pulls.personal, pulls.best, pulls.worst])
        shares = rng.random((len(self.x), 4)) * phi
        shares /= np.maximum(shares.sum(1, keepdims=True), 1e-12)  # (n, 4)
        ways = (self.v, self.own - self.x, self.best - self.x, self.x - self.worst)
        shares = shares.astype(self.x.dtype)
        v = np.zeros_like(self.x)
        for share, way in zip(shares.T, ways, strict=True):
            v += share[:, None] * way
        return replace(self, x=self.x + np.asarray(step, self.x.dtype) * v, v=v)


def towards_others(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """First velocities: from each particle to another one, chosen at random."""
    n = len(x)
    if n < 2:
        return np.zeros_like(x)
    others = (np.arange(n) + rng.integers(1, n, n)) % n
    return np.asarray(x[others] - x)
