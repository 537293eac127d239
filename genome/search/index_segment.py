"""The bulk of an index: rows that never change, in memory or mapped from disk.

Layers deleted or replaced since are left out by a bitmap that the caller passes, so that readers
of an older and a newer state share one segment.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from genome.search.index_exact import nearest_rows
from genome.search.index_filter import Columns, Filter, Words
from genome.search.index_keys import KeyTable
from genome.search.index_lists import InvertedLists
from genome.search.index_training import IndexLimits, measure_floor

PLAN_BYTES = 64 * 2**20
"""Memory for prepared filters; the least recently used ones go first."""


@dataclass(frozen=True, slots=True)
class _Plan:
    """A filter prepared for one segment: either its rows, if few, or a bitmap."""

    rows: np.ndarray | None = None
    """Allowed rows, (n_allowed,)."""
    vectors: np.ndarray | None = None
    """Their vectors, (n_allowed, width)."""
    bitmap: np.ndarray | None = None
    counts: np.ndarray | None = None
    """Allowed rows in each list, (n_lists,)."""
    floor: int = 0
    """Allowed rows to read at least."""

    @property
    def nbytes(self) -> int:
        arrays = (self.rows, self.vectors, self.bitmap, self.counts)
        return sum(array.nbytes for array in arrays if array is not None)


class Segment:
    """Keys, vectors and attributes of n rows, with lists if there are many. Immutable."""

    def __init__(
        self, keys: KeyTable, vectors: np.ndarray, columns: Columns, words: Words,
        limits: IndexLimits, lists: InvertedLists | None = None, trained_rows: int = 0,
    ) -> None:  # fmt: skip
        self.keys = keys
        self.vectors = vectors
        """(n, width) float32 unit vectors; with lists, in the order of the lists."""
        self.columns = columns
        self.words = words
        self.limits = limits
        self.lists = lists
        self.trained_rows = trained_rows
        """How many rows there were when the lists were trained; 0 without lists."""
        self.saved_as: tuple[Path, str] | None = None
        """Folder and name it is mapped from, if it is."""
        self._plans: OrderedDict[Filter, _Plan] = OrderedDict()
        self._plans_lock = threading.Lock()

    def __len__(self) -> int:
        return len(self.keys)

    def candidates(
        self, queries: np.ndarray, k: int, fetch: int, alive: np.ndarray | None,
        where: Filter | None,
    ) -> np.ndarray:  # fmt: skip
        """Rows among which the k nearest of each query are (surely or very likely).

        Args:
            queries: (n_queries, width) unit vectors.
            fetch: Rows to return, at least k; more make up for rounded scores.
            alive: Bitmap of the rows not deleted since; None = all.

        Returns:
            (n_queries, at most fetch), in no order; -1 = none.
        """
        if not len(self):
            return np.empty((len(queries), 0), np.int64)
        bitmap, rows = alive, None
        if where is not None:
            plan = self._plan(where)
            if plan.rows is not None and plan.vectors is not None:
                allowed = None if alive is None else _bits(alive, plan.rows)
                near = nearest_rows(queries, plan.vectors, fetch, allowed)
                return np.where(near >= 0, np.append(plan.rows, -1)[near], -1)
            assert plan.bitmap is not None and plan.counts is not None and self.lists is not None
            bitmap = plan.bitmap if alive is None else plan.bitmap & alive
            if 8 * fetch < len(self):
                rows = self.lists.search_allowed(queries, k, fetch, bitmap, plan.counts, plan.floor)
        elif self.lists is not None and 8 * fetch < len(self):
            rows = self.lists.search(queries, k, fetch, bitmap)
        if rows is None or self._too_few(rows, k, bitmap):
            allowed = None if bitmap is None else _unpacked(bitmap, len(self))
            rows = nearest_rows(queries, self.vectors, fetch, allowed)
        return rows

    def _too_few(self, rows: np.ndarray, k: int, bitmap: np.ndarray | None) -> bool:
        """Whether the lists read held fewer than k rows for some query, though there are more."""
        least = int((rows >= 0).sum(axis=1).min(initial=k))
        if least >= k:
            return False
        n_allowed = len(self) if bitmap is None else int(np.bitwise_count(bitmap).sum())
        return least < n_allowed

    def _plan(self, where: Filter) -> _Plan:
        with self._plans_lock:
            plan = self._plans.get(where)
            if plan is not None:
                self._plans.move_to_end(where)
                return plan
        plan = self._prepare(where)
        with self._plans_lock:
            self._plans[where] = plan
            while len(self._plans) > 1 and self._plan_bytes() > PLAN_BYTES:
                self._plans.popitem(last=False)
        return plan

    def _plan_bytes(self) -> int:
        return sum(plan.nbytes for plan in self._plans.values())

    def _prepare(self, where: Filter) -> _Plan:
        if where.keys is not None:
            rows = np.sort(self.keys.rows(where.keys))
            rows = rows[self.columns.take(rows).allowed(where, self.words)]
        else:
            rows = np.flatnonzero(self.columns.allowed(where, self.words))
        if self.lists is None or len(rows) <= self.limits.exact_allowed:
            return _Plan(rows=rows, vectors=self.vectors[rows])
        mask = np.zeros(len(self), bool)
        mask[rows] = True
        counts, floor = self.lists.count(mask), 0
        if self.lists.is_regional(counts):
            floor = measure_floor(self.vectors, rows, self.lists, counts, self.limits.recall)
        return _Plan(None, None, np.packbits(mask, bitorder="little"), counts, floor)

    def warm(self) -> None:
        """Bring mapped lists into memory by reading them all once (30 ms at one million)."""
        if self.lists is not None:
            self.lists.search(self.vectors[:1], len(self), 1, None)


def _bits(bitmap: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """The bits of some rows, as bools."""
    return np.asarray(bitmap[rows >> 3] >> (rows & 7).astype(np.uint8) & 1, bool)


def _unpacked(bitmap: np.ndarray, n: int) -> np.ndarray:
    return np.unpackbits(bitmap, count=n, bitorder="little").view(bool)
