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
  allowed rows to read is then measured for that filter (`measure_floor`).

Making the lists of the approximate search: spherical k-means, assignment, measured probing.

Numbers for one million vectors, 128 wide, 4,096 lists, two threads: 64 points per list and 6
rounds train in 13 s (20 s for 10 rounds), assigning takes 7 to 10 s, encoding 0.5 s. Half as many
lists train four times faster but need twice the reading per query.
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

    def search(
        self, queries: np.ndarray, k: int, fetch: int, alive: np.ndarray | None
    ) -> np.ndarray:
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

    def search_allowed(
        self,
        queries: np.ndarray,
        k: int,
        fetch: int,
        allowed: np.ndarray,
        counts: np.ndarray,
        floor: int,
    ) -> np.ndarray:
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
            len(queries),
            faiss.swig_ptr(queries),
            fetch,
            *map(faiss.swig_ptr, (lists, nearness, scores, rows)),
            False,
            parameters,
        )
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
    return (
        create(nprobe=n_lists) if bitmap is None else create(nprobe=n_lists, sel=selector(bitmap))
    )


def _grid(n_lists: int) -> np.ndarray:
    """The numbers of lists at which the walk looks whether it has enough."""
    steps = np.geomspace(min(MIN_LISTS, n_lists), n_lists, 32)
    return np.unique(np.append(steps, min(NEAR_LISTS, n_lists)).astype(np.int64))


CALIBRATION_QUERIES = 200
CALIBRATION_DEPTH = 400
"""How many nearest vectors of each calibration query the curve is measured on."""
FLOOR_ROWS = 100_000
FLOOR_QUERIES = 64
"""Rows and queries that a regional filter is measured on (0.2 to 0.3 s, once for each)."""


@dataclass(frozen=True, slots=True)
class IndexLimits:
    """When the index changes its ways, and how carefully it trains."""

    exact_below: int = 50_000
    """Fewer layers than this are searched exactly."""
    recall: float = 0.98
    """Share of the true nearest that the lists read must hold, on the calibration queries."""
    lists_per_root: float = 4.0
    """Number of lists over the square root of the number of layers."""
    points_per_list: int = 64
    """Training sample over the number of lists."""
    rounds: int = 6
    """Rounds of k-means."""
    exact_allowed: int = 16_384
    """A filter that leaves fewer rows is searched exactly (0.2 ms at 128 wide)."""
    fresh_rows: int = 4_096
    """Layers added since the last merge, which are searched exactly beside the lists (0.04 ms)."""


def train_centroids(
    vectors: np.ndarray, limits: IndexLimits, rng: np.random.Generator
) -> np.ndarray:
    """Centres of new lists for unit vectors, (n_lists, width)."""
    n_lists = max(1, min(round(limits.lists_per_root * math.sqrt(len(vectors))), len(vectors)))
    n_points = min(limits.points_per_list * n_lists, len(vectors))
    sample = vectors[np.sort(rng.choice(len(vectors), n_points, replace=False))]
    kmeans = faiss.Kmeans(
        vectors.shape[1],
        n_lists,
        niter=limits.rounds,
        spherical=True,
        min_points_per_centroid=1,
        max_points_per_centroid=limits.points_per_list,
        seed=int(rng.integers(2**31)),
    )
    kmeans.train(sample)
    return np.asarray(kmeans.centroids)


def assign(vectors: np.ndarray, centroids: np.ndarray) -> np.ndarray:
    """The nearest centroid of every vector, (n,) int64."""
    quantizer = faiss.IndexFlatIP(centroids.shape[1])
    quantizer.add(centroids)
    return np.asarray(quantizer.search(vectors, 1)[1][:, 0])


def fill_lists(
    rows: np.ndarray,
    labels: np.ndarray,
    centroids: np.ndarray,
    limits: IndexLimits,
    rng: np.random.Generator,
    curve: ProbeCurve | None = None,
) -> InvertedLists:
    """The lists of rows that are sorted by list; the curve is measured unless given.

    Args:
        rows: (n, width) float32 unit vectors.
        labels: The list of each row, (n,), not decreasing.
    """
    sizes = np.bincount(labels, minlength=len(centroids)).astype(np.int64)
    quantizer = faiss.IndexFlatIP(centroids.shape[1])
    quantizer.add(centroids)
    index = faiss.IndexIVFScalarQuantizer(
        quantizer,
        centroids.shape[1],
        len(centroids),
        faiss.ScalarQuantizer.QT_8bit,
        faiss.METRIC_INNER_PRODUCT,
    )
    index.train(rows[np.sort(rng.choice(len(rows), min(len(rows), 50_000), replace=False))])
    index.add_core(len(rows), faiss.swig_ptr(rows), None, faiss.swig_ptr(labels))
    if curve is None:
        unmeasured = InvertedLists(index, sizes, ProbeCurve((1.0,), (1.0,)))
        curve = measure_curve(rows, unmeasured, limits.recall, rng)
    return InvertedLists(index, sizes, curve)


def measure_curve(
    rows: np.ndarray, lists: InvertedLists, recall: float, rng: np.random.Generator
) -> ProbeCurve:
    """How many lists hold the r nearest of indexed vectors, each vector itself left out.

    Under a filter that keeps rows at random, the share of the k nearest allowed that is found is
    the share of the k / f nearest of all that lies in the lists read, so that one curve over r
    serves every such filter.
    """
    depth = min(CALIBRATION_DEPTH, len(rows) - 1)
    chosen = rng.choice(len(rows), min(CALIBRATION_QUERIES, len(rows)), replace=False)
    _, nearest = faiss.knn(rows[chosen], rows, depth + 1, metric=faiss.METRIC_INNER_PRODUCT)
    is_itself = nearest == chosen[:, None]
    is_itself[~is_itself.any(axis=1), -1] = True  # a twin took its place: drop the last one
    others = nearest[~is_itself].reshape(len(chosen), depth)

    order = np.argsort(-(rows[chosen] @ lists.centroids.T), axis=1)
    turn = np.argsort(order, axis=1)  # when each list's turn comes, (n_queries, n_lists)
    turns = np.take_along_axis(turn, lists.list_of(others), axis=1) + 1  # (n_queries, depth)
    ranks = [rank for rank in (10, 20, 50, 100, 200, 400) if rank < depth] + [depth]
    needed = [float(np.quantile(turns[:, :rank], recall, method="higher")) for rank in ranks]
    return ProbeCurve(tuple(map(float, ranks)), tuple(np.maximum.accumulate(needed).tolist()))


def measure_floor(
    rows: np.ndarray, allowed: np.ndarray, lists: InvertedLists, counts: np.ndarray, recall: float
) -> int:
    """How many allowed rows to read, list by list, to find the ten nearest allowed of a query.

    Asked with evenly spaced rows of all and of the allowed; the harder of the two counts.

    Args:
        rows: (n, width) vectors in the order of the lists.
        allowed: Allowed rows, (n_allowed,); of many, some stand for all.
        counts: Allowed rows in each list, (n_lists,).
    """
    step = -(-len(allowed) // FLOOR_ROWS)
    sample = allowed[::step]
    vectors = rows[sample]
    floor = 0
    for pool in (np.arange(len(rows)), allowed):
        asked = pool[:: max(len(pool) // FLOOR_QUERIES, 1)]
        queries = rows[asked]  # (n_queries, width)
        depth = min(max(10 // step, 1) + 1, len(sample))
        _, found = faiss.knn(queries, vectors, depth, metric=faiss.METRIC_INNER_PRODUCT)
        nearest = sample[found]  # (n_queries, depth)
        order = np.argsort(-(queries @ lists.centroids.T), axis=1)
        read = np.empty(order.shape, np.int64)  # allowed rows read when each list is done
        np.put_along_axis(read, order, np.cumsum(counts[order], axis=1), axis=1)
        needed = np.take_along_axis(read, lists.list_of(nearest), axis=1)
        others = needed[nearest != asked[:, None]]
        floor = max(floor, int(np.quantile(others, recall, method="higher")))
    return floor
