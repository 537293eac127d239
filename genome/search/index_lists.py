"""Approximate search: vectors in lists around centroids, of which only the nearest are read.

FAISS does the reading (`IndexIVFScalarQuantizer`, eight bits per number: a quarter of the memory
traffic). Two decisions are made here, because FAISS leaves them to a constant `nprobe`:

* How many lists. `ProbeCurve` is measured on the vectors themselves: how many lists hold a given
  share of the r nearest. Without a filter, r = k.
* Which lists, under a filter. Lists without an allowed row are skipped. If the fraction f of the
  rows read so far is allowed, the k nearest allowed are about the k / f nearest of all, so the
  curve is asked for r = (k + sqrt(k)) / f, with f counted along the way: a filter that thins out
  everything reads more lists, a filter that keeps a whole neighbourhood does not. Where a filter
  keeps whole regions, far from most queries, the curve says too little: the least number of
  allowed rows to read is then measured for that filter (`index_training.measure_floor`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import faiss
import numpy as np

from genome.search.index_exact import selector

MIN_LISTS = 8
"""Lists read at least; below it, time is spent on choosing lists, not on reading them."""
NEAR_LISTS = 512
"""Lists sorted at first; all of them only when these do not hold enough allowed rows."""


@dataclass(frozen=True, slots=True)
class ProbeCurve:
    """How many of the nearest lists hold the r nearest vectors, at the wanted recall."""

    ranks: tuple[float, ...]
    """Increasing r."""
    lists: tuple[float, ...]
    """Lists needed for each r, not decreasing."""

    def needed(self, ranks: np.ndarray) -> np.ndarray:
        """Lists to read for each r, any shape; a power law beyond the measured ranks."""
        x, y = np.log(self.ranks), np.log(self.lists)
        wanted = np.log(np.maximum(ranks, 1.0))
        inside = np.interp(wanted, x, y)
        slope = max((y[-1] - y[-2]) / (x[-1] - x[-2]), 0.5) if len(x) > 1 else 0.5
        return np.asarray(np.exp(inside + slope * np.maximum(wanted - x[-1], 0.0)))


class InvertedLists:
    """Rows 0..n-1 in lists; rows of a list follow each other. Immutable, safe for many threads."""

    def __init__(self, index: Any, sizes: np.ndarray, curve: ProbeCurve) -> None:
        self.index = index
        """A `faiss.IndexIVFScalarQuantizer`; its type hints lack what is used here."""
        self.sizes = sizes
        """(n_lists,) rows in each list."""
        self.curve = curve
        self._quantizer: Any = faiss.downcast_index(index.quantizer)
        self.centroids: np.ndarray = self._quantizer.reconstruct_n(0, len(sizes))
        """(n_lists, width) unit vectors."""
        self._starts = np.cumsum(sizes) - sizes
        self._grid = _grid(len(sizes))

    def list_of(self, rows: np.ndarray) -> np.ndarray:
        """The list that each row is in, any shape."""
        return np.searchsorted(self._starts + self.sizes, rows, side="right")

    def count(self, allowed: np.ndarray) -> np.ndarray:
        """Allowed rows in each list, (n_lists,), from a mask of all rows, (n,) bool."""
        below = np.concatenate([[0], np.cumsum(allowed, dtype=np.int64)])
        return np.asarray(below[self._starts + self.sizes] - below[self._starts])

    def search(self, queries: np.ndarray, k: int, fetch: int, alive: np.ndarray | None
               ) -> np.ndarray:  # fmt: skip
        """Rows likely to be among the k nearest of each query, (n_queries, fetch); -1 = none.

        Args:
            alive: Bitmap of the rows that may be returned; None = all.
        """
        n_lists = int(np.ceil(self.curve.needed(np.array(float(k))).clip(max=len(self.sizes))))
        parameters = _parameters(min(max(n_lists, MIN_LISTS), len(self.sizes)), alive)
        return np.asarray(self.index.search(queries, fetch, params=parameters)[1])

    def is_regional(self, counts: np.ndarray) -> bool:
        """Whether allowed rows gather in some lists more than chance would have it.

        The mean squared deviation from equal shares, in units of its expectation if each row were
        allowed by chance: 1.00 +- 0.02 then (4,096 lists), 250 for a tenth kept by direction.
        """
        share = counts.sum() / self.sizes.sum()
        expected = share * self.sizes
        spread = np.maximum(expected * (1 - share), 1e-9)
        return bool((((counts - expected) ** 2 / spread)[self.sizes > 0]).mean() > 1.2)

    def search_allowed(self, queries: np.ndarray, k: int, fetch: int, allowed: np.ndarray,
                       counts: np.ndarray, floor: int) -> np.ndarray:  # fmt: skip
        """The same among allowed rows only.

        Args:
            allowed: Bitmap of the rows that may be returned.
            counts: How many those are in each list, (n_lists,); may be a little too high.
            floor: Allowed rows to read at least.
        """
        lists, nearness = self._choose(queries, k, counts, max(floor, 4 * k))
        scores = np.empty((len(queries), fetch), np.float32)
        rows = np.empty((len(queries), fetch), np.int64)
        parameters = _parameters(lists.shape[1], allowed)
        self.index.search_preassigned_c(  # the Python wrapper takes no parameters
            len(queries), faiss.swig_ptr(queries), fetch,
            *map(faiss.swig_ptr, (lists, nearness, scores, rows)), False, parameters,
        )  # fmt: skip
        return rows

    def _choose(
        self, queries: np.ndarray, k: int, counts: np.ndarray, floor: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """The lists to read for each query, nearest first, -1 = none, and their inner products."""
        nearness, order = self._quantizer.search(queries, min(NEAR_LISTS, len(counts)))
        stop, has_enough = self._walk(order, k, counts, floor)
        if not has_enough:
            nearness, order = self._quantizer.search(queries, len(counts))
            stop, _ = self._walk(order, k, counts, floor)
        order = order[:, : int(stop.max())]
        wanted = (np.arange(order.shape[1]) < stop[:, None]) & (counts[order] > 0)
        n_chosen = max(int(wanted.sum(axis=1).max()), 1)
        first = np.argsort(~wanted, axis=1, kind="stable")[:, :n_chosen]  # wanted ones first
        chosen = np.take_along_axis(order, first, axis=1)
        chosen[~np.take_along_axis(wanted, first, axis=1)] = -1
        near = np.take_along_axis(nearness, first, axis=1)
        return np.ascontiguousarray(chosen), np.ascontiguousarray(near)

    def _walk(
        self, order: np.ndarray, k: int, counts: np.ndarray, floor: int
    ) -> tuple[np.ndarray, bool]:
        """How many lists of each row of `order` to walk, and whether these are enough for all."""
        grid = self._grid[self._grid <= order.shape[1]]
        read = np.cumsum(self.sizes[order], axis=1)[:, grid - 1]
        allowed = np.cumsum(counts[order], axis=1)[:, grid - 1]
        rank = (k + math.sqrt(k)) * read / np.maximum(allowed, 1)  # of the k-th allowed: mean + sd
        needed = self.curve.needed(rank)
        enough = (grid >= needed) & (allowed >= floor)
        has_enough = bool(enough.any(axis=1).all())
        enough[:, -1] = True
        return grid[np.argmax(enough, axis=1)], has_enough


def _parameters(n_lists: int, bitmap: np.ndarray | None) -> Any:
    create: Any = faiss.SearchParametersIVF
    return create(nprobe=n_lists) if bitmap is None else create(
        nprobe=n_lists, sel=selector(bitmap)
    )  # fmt: skip


def _grid(n_lists: int) -> np.ndarray:
    """The numbers of lists at which the walk looks whether it has enough."""
    steps = np.geomspace(min(MIN_LISTS, n_lists), n_lists, 32)
    return np.unique(np.append(steps, min(NEAR_LISTS, n_lists)).astype(np.int64))
