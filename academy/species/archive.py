"""The archive: who is worth remembering because nobody better does the same.

Dominated Novelty Search (Bahlous-Boldi et al. 2025, arXiv 2502.00593), with the distance of
AC/DC (2026): candidate i's novelty is the mean, over its k = 3 nearest *fitter* rivals j, of
    d(i, j) = sum_t h_t * max(0, s_it - s_jt) / sum_t h_t,    h_t = 1 - pass rate of item t,
the part of the difficulty that i masters and j does not; infinite if nobody is fitter. The most
novel stay. There are no grid cells to choose.

Fitness here is safe against luck: a newcomer counts with the *lower Wilson bound* of its hit
rate, an entry with its hit rate over all items it was ever asked. So a newcomer is fitter than
an entry only if proven, and must otherwise be novel beside it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from academy.errors import ArchiveError
from academy.statistics.intervals import Z95, wilson_interval

K_NEAREST = 3


@dataclass(frozen=True)
class Entry:
    """A candidate and how it did.

    Raises:
        ArchiveError: More hits than questions, no question, or a result not between 0 and 1.
    """

    key: str
    """Digest or id; the same key is the same candidate."""
    n_hits: int
    """Right answers over all items it was ever asked, fresh ones of re-tests included."""
    n_asked: int
    results: tuple[float, ...]
    """Scores on the archive's common items, (n_items,)."""

    def __post_init__(self) -> None:
        if not 0 <= self.n_hits <= self.n_asked or self.n_asked < 1:
            raise ArchiveError(
                f"{self.key!r} has {self.n_hits} hits of {self.n_asked}: ask at least one question "
                "and count no more hits than questions"
            )
        if not self.results or not all(0.0 <= r <= 1.0 for r in self.results):  # NaN too
            raise ArchiveError(f"{self.key!r} needs a result from 0 to 1 for each common item")

    @property
    def rate(self) -> float:
        """Hits per question."""
        return self.n_hits / self.n_asked

    def proven_rate(self, z: float = Z95) -> float:
        """Lower Wilson bound of the hit rate."""
        return wilson_interval(self.n_hits, self.n_asked, z)[0]


@dataclass(frozen=True)
class Change:
    """What one update did to the archive."""

    accepted: tuple[str, ...]
    """Keys of the newcomers that stayed."""
    removed: tuple[str, ...]
    """Keys of the entries that left."""
    gains: dict[str, float]
    """Each newcomer's gain, at least 0; see `Archive.update`."""

    @property
    def gain(self) -> float:
        """Sum of all gains."""
        return float(sum(self.gains.values()))


@dataclass(frozen=True)
class Archive:
    """Entries that were asked the same items.

    Raises:
        ArchiveError: No room, a key twice, results of different length, or too many entries.
    """

    capacity: int
    k: int = K_NEAREST
    z: float = Z95
    """Width of the Wilson bound in standard deviations; 1.96 = 95 % two-sided."""
    items: str = ""
    """Name or hash of the common items, so that results on others are never compared."""
    entries: tuple[Entry, ...] = ()

    def __post_init__(self) -> None:
        if self.capacity < 1 or self.k < 1 or not self.z >= 0:
            raise ArchiveError(
                f"capacity {self.capacity}, k {self.k}, z {self.z}: give at least 1, 1 and 0"
            )
        _check_comparable(self.entries)
        if len(self.entries) > self.capacity:
            raise ArchiveError(f"{len(self.entries)} entries in an archive for {self.capacity}")

    def matrix(self) -> np.ndarray:
        """Results, (n_entries, n_items)."""
        return np.array([e.results for e in self.entries], dtype=float)

    def update(self, newcomers: Sequence[Entry], items: str) -> tuple[Archive, Change]:
        """Let newcomers compete with the entries for places; a known key replaces its entry.

        A newcomer's gain is what the bandit rewards. The archive's worth is the mean over
        items of log(1 + z_t) / log(1 + capacity), with z_t the summed score of item t: a first
        solver is worth most. The gain is the worth that would be lost without the newcomer,
        less the same of the entry it displaced (best newcomer against the most valuable one
        that left); below 0 and for the rejected it is 0.

        Raises:
            ArchiveError: Results on other items than the entries', or a newcomer twice.
        """
        if self.entries and items != self.items:
            raise ArchiveError(
                f"newcomers were asked {items!r}, the archive {self.items!r}: `rescore` it first"
            )
        known = {e.key for e in self.entries}
        new = [e for e in newcomers if e.key not in known]
        fresh = {e.key: e for e in newcomers if e.key in known}
        rivals = [*(fresh.get(e.key, e) for e in self.entries), *new]
        _check_comparable(rivals)
        _check_comparable(newcomers)
        if not rivals:
            return self, Change((), (), {})
        kept = self._places(rivals, len(self.entries))
        updated = replace(self, items=items, entries=tuple(rivals[i] for i in kept))
        return updated, self._change(updated, newcomers)

    def rescore(self, results: Mapping[str, Sequence[float]], items: str) -> Archive:
        """The archive on new common items; a result of at least 0.5 counts as a hit.

        Raises:
            ArchiveError: An entry was not asked, or results differ in length.
        """
        missing = [e.key for e in self.entries if e.key not in results]
        if missing:
            raise ArchiveError(f"no results on {items!r} for {missing[0]!r}: ask every entry")
        entries = []
        for entry in self.entries:
            row = tuple(float(r) for r in results[entry.key])
            hits = entry.n_hits + sum(r >= 0.5 for r in row)
            entries.append(Entry(entry.key, hits, entry.n_asked + len(row), row))
        return replace(self, items=items, entries=tuple(entries))

    def worth(self) -> float:
        """Mean over items of log(1 + z_t) / log(1 + capacity), from 0 to 1."""
        if not self.entries:
            return 0.0
        return float(np.log1p(self.matrix().sum(axis=0)).mean() / np.log1p(self.capacity))

    def _places(self, rivals: Sequence[Entry], n_old: int) -> list[int]:
        """Rivals that stay, in their old order: by novelty, then fitness, then seniority."""
        fitness = [e.rate if i < n_old else e.proven_rate(self.z) for i, e in enumerate(rivals)]
        novel = novelty(np.array([e.results for e in rivals]), np.array(fitness), self.k)
        order = np.lexsort((np.arange(len(rivals)), -np.array(fitness), -novel))
        return sorted(order[: self.capacity].tolist())

    def _change(self, updated: Archive, newcomers: Sequence[Entry]) -> Change:
        before, after = self._losses(), updated._losses()
        accepted = [key for key in after if key not in before]
        removed = [key for key in before if key not in after]
        lost = sorted((before[key] for key in removed), reverse=True)
        gains = {entry.key: 0.0 for entry in newcomers}
        for place, key in enumerate(sorted(accepted, key=lambda a: -after[a])):
            gains[key] = max(0.0, after[key] - (lost[place] if place < len(lost) else 0.0))
        return Change(tuple(accepted), tuple(removed), gains)

    def _losses(self) -> dict[str, float]:
        """What the archive's worth would lose without each entry."""
        if not self.entries:
            return {}
        matrix = self.matrix()
        total = matrix.sum(axis=0)  # (n_items,)
        rest = np.maximum(total - matrix, 0.0)  # (n_entries, n_items)
        loss = (np.log1p(total) - np.log1p(rest)).mean(axis=1) / np.log1p(self.capacity)
        return {e.key: float(x) for e, x in zip(self.entries, loss, strict=True)}

    def state(self) -> dict[str, object]:
        """Everything as plain JSON."""
        return {
            "capacity": self.capacity,
            "k": self.k,
            "z": self.z,
            "items": self.items,
            "entries": [[e.key, e.n_hits, e.n_asked, list(e.results)] for e in self.entries],
        }

    @classmethod
    def restore(cls, state: Mapping[str, object]) -> Archive:
        """The archive that `state` describes.

        Raises:
            ArchiveError: It is no archive's state.
        """
        try:
            rows: list[list[object]] = state["entries"]  # type: ignore[assignment]
            entries = tuple(Entry(k, h, a, tuple(r)) for k, h, a, r in rows)  # type: ignore[arg-type]
            settings = {name: state[name] for name in ("capacity", "k", "z", "items")}
            return cls(**settings, entries=entries)  # type: ignore[arg-type]
        except (KeyError, TypeError, ValueError) as cause:
            raise ArchiveError(f"this is no archive's state ({cause}): use an older copy") from None


def novelty(scores: np.ndarray, fitness: np.ndarray, k: int = K_NEAREST) -> np.ndarray:
    """Dominated novelty of each candidate, (n_candidates,); infinite where nobody is fitter.

    Args:
        scores: From 0 to 1, (n_candidates, n_items).
        fitness: (n_candidates,). Of equals the earlier counts as fitter, so that
            only the first of several copies can be infinite.
    """
    hardness = 1.0 - scores.mean(axis=0)  # (n_items,)
    scale = hardness.sum()
    order = np.argsort(-fitness, kind="stable")  # fittest first
    result = np.full(len(scores), np.inf)
    for place, i in enumerate(order[1:], start=1):
        ahead = np.maximum(scores[i] - scores[order[:place]], 0.0) @ hardness  # (place,)
        distance = ahead / scale if scale > 0 else np.zeros(place)
        result[i] = np.sort(distance)[:k].mean()
    return result


def _check_comparable(entries: Sequence[Entry]) -> None:
    if len({e.key for e in entries}) < len(entries):
        keys = [e.key for e in entries]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ArchiveError(f"{twice!r} is there twice: give each candidate once")
    lengths = sorted({len(e.results) for e in entries})
    if len(lengths) > 1:
        raise ArchiveError(
            f"results on {lengths[0]} and {lengths[-1]} items: ask everybody the same items"
        )
