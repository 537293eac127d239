"""Layers added or changed since the last merge: few, searched exactly, only ever appended to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from genome.search.index_exact import nearest_rows
from genome.search.index_filter import Columns, Filter, Words


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

    def candidates(self, queries: np.ndarray, fetch: int, where: Filter | None, words: Words
                   ) -> np.ndarray:  # fmt: skip
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
