"""What an index holds at one moment, and how a search of it is put together.

The bulk of an index: rows that never change, in memory or mapped from disk.

Layers deleted or replaced since are left out by a bitmap that the caller passes, so that readers
of an older and a newer state share one segment.

Layers added or changed since the last merge: few, searched exactly, only ever appended to.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from genome.search.index_exact import nearest_rows, similarities
from genome.search.index_filter import Columns, Filter, Words
from genome.search.index_keys import KeyTable
from genome.search.index_lists import IndexLimits, InvertedLists, measure_floor


@dataclass(frozen=True, slots=True)
class IndexState:
    """Everything a search reads, fixed at one moment: writers publish a new state."""

    main: Segment
    alive: np.ndarray | None
    """Bitmap of the rows of `main` not deleted or replaced since; None = all."""
    fresh: Fresh

    def alive_rows(self) -> np.ndarray:
        """The rows of `main` that are still valid, (at most n,)."""
        if self.alive is None:
            return np.arange(len(self.main))
        return np.flatnonzero(np.unpackbits(self.alive, count=len(self.main), bitorder="little"))


def nearest(
    state: IndexState, queries: np.ndarray, k: int, where: Filter | None
) -> list[list[tuple[str, float]]]:
    main, fresh = state.main, state.fresh
    fetch = 2 * k + 16  # the lists' scores are rounded to eight bits: rank twice as many exactly
    main_rows = main.candidates(queries, k, fetch, state.alive, where)
    fresh_rows = fresh.candidates(queries, fetch, where, main.words)
    scores = np.concatenate(
        [
            np.where(rows >= 0, similarities(queries, part.vectors[rows]), -np.inf)
            if rows.size
            else np.empty(rows.shape, np.float32)
            for part, rows in ((main, main_rows), (fresh, fresh_rows))
        ],
        axis=1,
    )
    rows = np.concatenate([main_rows, np.where(fresh_rows >= 0, ~fresh_rows - 1, -1)], axis=1)
    return [_best(state, *row, k) for row in zip(rows, scores, strict=True)]


def _best(
    state: IndexState, rows: np.ndarray, scores: np.ndarray, k: int
) -> list[tuple[str, float]]:
    """The k best of one query's candidates; rows below -1 are fresh (-2 = fresh row 0)."""
    if len(scores) > k:
        worst = np.partition(scores, len(scores) - k)[len(scores) - k]
        kept = (scores >= worst) & (rows != -1)
        rows, scores = rows[kept], scores[kept]
    named = [
        (state.main.keys.key(row) if row >= 0 else state.fresh.keys[-2 - row], score)
        for row, score in zip(rows.tolist(), scores.tolist(), strict=True)
        if row != -1
    ]
    named.sort(key=lambda hit: (-hit[1], hit[0]))
    return named[:k]


def without(state: IndexState, rows: np.ndarray) -> np.ndarray:
    """The bitmap of `main` with some rows taken out; the old one stays as it is."""
    alive = (
        state.alive.copy()
        if state.alive is not None
        else np.packbits(np.ones(len(state.main), bool), bitorder="little")
    )
    np.bitwise_and.at(alive, rows >> 3, ~(np.uint8(1) << (rows & 7).astype(np.uint8)))
    return alive


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
        self,
        keys: KeyTable,
        vectors: np.ndarray,
        columns: Columns,
        words: Words,
        limits: IndexLimits,
        lists: InvertedLists | None = None,
        trained_rows: int = 0,
    ) -> None:
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
        self,
        queries: np.ndarray,
        k: int,
        fetch: int,
        alive: np.ndarray | None,
        where: Filter | None,
    ) -> np.ndarray:
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


@dataclass(frozen=True, slots=True)
class Fresh:
    """The first n fresh rows as they were at one moment; later appends do not show."""

    keys: list[str]
    """At least n keys."""
    vectors: np.ndarray
    """(n, width) unit vectors."""
    columns: Columns
    alive: np.ndarray
    """(n,) bool; False = deleted or replaced."""

    def candidates(
        self, queries: np.ndarray, fetch: int, where: Filter | None, words: Words
    ) -> np.ndarray:
        """The `fetch` nearest rows of each query, in no order, -1 = none."""
        if not len(self.alive):
            return np.empty((len(queries), 0), np.int64)
        allowed = self.alive
        if where is not None:
            allowed = allowed & self.columns.allowed(where, words)
            if where.keys is not None:
                rows = np.flatnonzero(allowed)
                allowed[rows] = [self.keys[row] in where.keys for row in rows]
        return nearest_rows(queries, self.vectors, fetch, allowed)


class FreshRows:
    """The growing rows themselves. One writer; readers use `view()`."""

    def __init__(self, width: int, capacity: int = 64) -> None:
        self._keys: list[str] = []
        self._vectors = np.zeros((capacity, width), np.float32)
        self._columns = Columns.empty(capacity)
        self._alive = np.zeros(capacity, bool)
        self._rows: dict[str, int] = {}

    def __len__(self) -> int:
        """Rows, deleted ones included."""
        return len(self._keys)

    def row(self, key: str) -> int:
        """The row of a key; -1 if it is not there."""
        return self._rows.get(key, -1)

    def append(self, key: str, vector: np.ndarray, columns: Columns) -> None:
        """Add a key that is not there; columns of one row."""
        row = len(self._keys)
        if row == len(self._alive):
            self._grow()
        self._vectors[row] = vector
        self._columns.put(row, columns)
        self._alive[row] = True
        self._rows[key] = row
        self._keys.append(key)

    def delete(self, key: str) -> None:
        """Take out a key that is there."""
        self._alive[self._rows.pop(key)] = False

    def view(self) -> Fresh:
        """The rows as they are now."""
        n = len(self._keys)
        columns = self._columns.take(slice(0, n))
        return Fresh(self._keys, self._vectors[:n], columns, self._alive[:n].copy())

    def since(self, start: int) -> FreshRows:
        """A copy of the living rows from `start` on."""
        later = FreshRows(self._vectors.shape[1])
        for key, row in self._since(start):
            later.append(key, self._vectors[row], self._columns.take(slice(row, row + 1)))
        return later

    def _since(self, start: int) -> Iterator[tuple[str, int]]:
        return ((key, row) for key, row in self._rows.items() if row >= start)

    def _grow(self) -> None:
        capacity = 2 * len(self._alive)
        vectors, alive = np.zeros((capacity, self._vectors.shape[1]), np.float32), self._alive
        vectors[: len(alive)] = self._vectors
        columns = Columns.empty(capacity)
        columns.put(0, self._columns)
        self._vectors, self._columns = vectors, columns
        self._alive = np.concatenate([alive, np.zeros(len(alive), bool)])
