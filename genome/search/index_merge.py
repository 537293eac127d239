"""One new segment out of an old one and the fresh rows; the only place where lists are made."""

from __future__ import annotations

import numpy as np

from genome.search.index_filter import Columns
from genome.search.index_keys import KeyTable
from genome.search.index_lists import IndexLimits, assign, fill_lists, train_centroids
from genome.search.index_segment import IndexState, Segment

DRIFT = 2.0
"""Lists are trained again when the rows have grown or shrunk by this factor."""
BLOCK_ROWS = 4_096


def merged(state: IndexState, limits: IndexLimits, rng: np.random.Generator) -> Segment:
    """A segment of all that is valid in a state; lists are trained only if they must be."""
    old, rows = state.main, state.alive_rows()
    fresh_rows = np.flatnonzero(state.fresh.alive)
    fresh_keys = KeyTable.of([state.fresh.keys[row] for row in fresh_rows])
    fresh_vectors = state.fresh.vectors[fresh_rows]
    keys = KeyTable.joined((old.keys, fresh_keys), (rows, np.arange(len(fresh_rows))))
    columns = Columns.joined([old.columns.take(rows), state.fresh.columns.take(fresh_rows)])
    n, n_trained = len(keys), old.trained_rows
    if (
        old.lists is None
        or n < limits.exact_below
        or not n_trained / DRIFT < n < n_trained * DRIFT
    ):  # fmt: skip
        vectors = _gathered(old.vectors, rows, fresh_vectors, np.arange(n))
        return arranged(Segment(keys, vectors, columns, old.words, limits), limits, rng)

    centroids = old.lists.centroids
    labels = np.concatenate([old.lists.list_of(rows), assign(fresh_vectors, centroids)])
    order = np.argsort(labels, kind="stable")
    vectors = _gathered(old.vectors, rows, fresh_vectors, order)
    lists = fill_lists(vectors, labels[order], centroids, limits, rng, old.lists.curve)
    return Segment(
        keys.permuted(order), vectors, columns.take(order), old.words, limits, lists, n_trained
    )


def arranged(flat: Segment, limits: IndexLimits, rng: np.random.Generator) -> Segment:
    """The same rows sorted into newly trained lists, if they are enough for it."""
    if len(flat) < max(limits.exact_below, 2):
        return flat
    centroids = train_centroids(flat.vectors, limits, rng)
    labels = assign(flat.vectors, centroids)
    order = np.argsort(labels, kind="stable")
    vectors = flat.vectors[order]
    lists = fill_lists(vectors, labels[order], centroids, limits, rng)
    keys, columns = flat.keys.permuted(order), flat.columns.take(order)
    return Segment(keys, vectors, columns, flat.words, limits, lists, len(flat))


def _gathered(
    old: np.ndarray, rows: np.ndarray, fresh: np.ndarray, order: np.ndarray
) -> np.ndarray:
    """Rows of `old`, below them `fresh`, in an order.

    In blocks: the freeing of one copy of a million vectors stops every thread for 0.1 s.
    """
    vectors = np.empty((len(order), old.shape[1]), np.float32)
    for start in range(0, len(order), BLOCK_ROWS):
        wanted = order[start : start + BLOCK_ROWS]
        block = vectors[start : start + BLOCK_ROWS]
        is_old = wanted < len(rows)
        block[is_old] = old[rows[wanted[is_old]]]
        block[~is_old] = fresh[wanted[~is_old] - len(rows)]
    return vectors
