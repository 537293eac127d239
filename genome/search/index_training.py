"""Making the lists of the approximate search: spherical k-means, assignment, measured probing.

Numbers for one million vectors, 128 wide, 4,096 lists, two threads: 64 points per list and 6
rounds train in 13 s (20 s for 10 rounds), assigning takes 7 to 10 s, encoding 0.5 s. Half as many
lists train four times faster but need twice the reading per query.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import faiss
import numpy as np

from genome.search.index_lists import InvertedLists, ProbeCurve

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
        vectors.shape[1], n_lists, niter=limits.rounds, spherical=True,
        min_points_per_centroid=1, max_points_per_centroid=limits.points_per_list,
        seed=int(rng.integers(2**31)),
    )  # fmt: skip
    kmeans.train(sample)
    return np.asarray(kmeans.centroids)


def assign(vectors: np.ndarray, centroids: np.ndarray) -> np.ndarray:
    """The nearest centroid of every vector, (n,) int64."""
    quantizer = faiss.IndexFlatIP(centroids.shape[1])
    quantizer.add(centroids)
    return np.asarray(quantizer.search(vectors, 1)[1][:, 0])


def fill_lists(
    rows: np.ndarray, labels: np.ndarray, centroids: np.ndarray, limits: IndexLimits,
    rng: np.random.Generator, curve: ProbeCurve | None = None,
) -> InvertedLists:  # fmt: skip
    """The lists of rows that are sorted by list; the curve is measured unless given.

    Args:
        rows: (n, width) float32 unit vectors.
        labels: The list of each row, (n,), not decreasing.
    """
    sizes = np.bincount(labels, minlength=len(centroids)).astype(np.int64)
    quantizer = faiss.IndexFlatIP(centroids.shape[1])
    quantizer.add(centroids)
    index = faiss.IndexIVFScalarQuantizer(
        quantizer, centroids.shape[1], len(centroids), faiss.ScalarQuantizer.QT_8bit,
        faiss.METRIC_INNER_PRODUCT,
    )  # fmt: skip
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
