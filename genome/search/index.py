"""The layers nearest to a question, out of a few or of a million.

    index = Index(digests, vectors, attributes)
    index.nearest(questions, k=10, where=Filter(base_model="tiny", max_price_nanos=10**9))

Below `IndexLimits.exact_below` layers every vector is compared; above, FAISS lists are trained.
The parts: a large immutable segment and a few fresh rows beside it (`index_segment`,
`index_lists`), merged in the background (`index_merge`), saved as files that are mapped on open
(`index_store`). Every write publishes a new frozen `IndexState`; a search takes the state it finds
and holds no lock, so neither writing nor training makes it wait.

One new segment out of an old one and the fresh rows; the only place where lists are made.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import faiss
import numpy as np

from genome.errors import IndexInputError
from genome.search import index_store
from genome.search.index_exact import checked as checked_vectors
from genome.search.index_filter import Attributes, AttributeTable, Columns, Filter, Words
from genome.search.index_keys import KeyTable, check_key, duplicate_key
from genome.search.index_lists import IndexLimits, assign, fill_lists, train_centroids
from genome.search.index_segment import FreshRows, IndexState, Segment, nearest, without

DRIFT = 2.0
"""Lists are trained again when the rows have grown or shrunk by this factor."""
BLOCK_ROWS = 4_096

__all__ = ["AttributeTable", "Attributes", "Filter", "Index", "IndexLimits"]

logger = logging.getLogger(__name__)

QUERY_BLOCK = 256
"""Queries searched at a time."""


class Index:
    """Unit vectors under string keys. Any number of readers and writers, of any threads."""

    def __init__(
        self,
        keys: Sequence[str],
        vectors: np.ndarray,
        attributes: Sequence[Attributes] | AttributeTable | None = None,
        *,
        limits: IndexLimits | None = None,
        seed: int = 0,
    ) -> None:
        """Index vectors, row i belonging to `keys[i]`.

        Args:
            vectors: (n, width) numbers; scaled to length 1.
            attributes: What to filter by, one per key; None = none has any.
            seed: Of the k-means; same seed and calls, same lists.

        Raises:
            IndexInputError: Keys, vectors and attributes do not match, a key comes twice, or a
                vector is zero or not finite.
        """
        self.limits = limits or IndexLimits()
        words = Words()
        table = (
            attributes
            if isinstance(attributes, AttributeTable)
            else AttributeTable.of([Attributes()] * len(keys) if attributes is None else attributes)
        )
        columns = Columns.encode(table, words, len(keys))
        unit = checked_vectors(vectors, None, len(keys))
        flat = Segment(KeyTable.of(keys), unit, columns, words, self.limits)
        rng = np.random.default_rng(seed)
        segment = arranged(flat, self.limits, rng)
        self._begin(segment, None, FreshRows(unit.shape[1]), rng)

    def _begin(
        self, main: Segment, alive: np.ndarray | None, fresh: FreshRows, rng: np.random.Generator
    ) -> None:
        self._rng = rng
        self._words = main.words
        self._fresh = fresh
        self._state = IndexState(main, alive, fresh.view())
        self._write_lock = threading.RLock()
        self._save_lock = threading.Lock()
        self._merging: threading.Thread | None = None
        self._touched: set[str] = set()
        """Keys written while a merge is under way."""
        self._failure: Exception | None = None

    # -- reading ---------------------------------------------------------------------------

    def nearest(
        self, queries: np.ndarray, k: int, *, where: Filter | None = None
    ) -> list[list[tuple[str, float]]]:
        """The k best (key, cosine) of every query among the layers a filter allows, best first.

        Equal cosines come in the order of their keys. Fewer than k if fewer are allowed.

        Args:
            queries: (n_queries, width) numbers; scaled to length 1.

        Raises:
            IndexInputError: k < 1, or queries of another width, zero or not finite.
        """
        if k < 1:
            raise IndexInputError(f"k must be at least 1, not {k}: ask for one neighbour or more")
        state = self._state
        unit = checked_vectors(queries, self.width, None)
        found: list[list[tuple[str, float]]] = []
        for start in range(0, len(unit), QUERY_BLOCK):
            found += nearest(state, unit[start : start + QUERY_BLOCK], k, where)
        return found

    @property
    def width(self) -> int:
        """Numbers per vector."""
        return int(self._state.main.vectors.shape[1])

    @property
    def is_exact(self) -> bool:
        """Whether every vector is compared."""
        return self._state.main.lists is None

    def __len__(self) -> int:
        state = self._state
        return len(state.alive_rows()) + int(state.fresh.alive.sum())

    def __contains__(self, key: str) -> bool:
        with self._write_lock:
            return self._find(key) is not None

    def keys(self) -> set[str]:
        """The keys of all layers."""
        state = self._state
        fresh = (
            key for key, alive in zip(state.fresh.keys, state.fresh.alive, strict=False) if alive
        )
        return {*state.main.keys.keys(state.alive_rows()), *fresh}

    def attributes(self, key: str) -> Attributes:
        """What a layer is filtered by.

        Raises:
            IndexInputError: There is no such key.
        """
        with self._write_lock:
            _, columns = self._known(key)
            return columns.attributes(0, self._words)

    # -- writing ---------------------------------------------------------------------------

    def add(self, key: str, vector: np.ndarray, attributes: Attributes | None = None) -> None:
        """Add one layer; the next search finds it.

        Raises:
            IndexInputError: The key is there already, or the vector does not fit.
        """
        self.add_many([key], np.asarray(vector)[None], [attributes or Attributes()])

    def add_many(
        self,
        keys: Sequence[str],
        vectors: np.ndarray,
        attributes: Sequence[Attributes] | AttributeTable | None = None,
    ) -> None:
        """Add layers, all or none; arguments and errors as when building."""
        table = (
            attributes
            if isinstance(attributes, AttributeTable)
            else AttributeTable.of([Attributes()] * len(keys) if attributes is None else attributes)
        )
        unit = checked_vectors(vectors, self.width, len(keys))
        with self._write_lock:
            columns = Columns.encode(table, self._words, len(keys))
            known = set[str]()
            for key in keys:
                if key in known or self._find(check_key(key)) is not None:
                    raise duplicate_key(key)
                known.add(key)
            for row, key in enumerate(keys):
                self._fresh.append(key, unit[row], columns.take(slice(row, row + 1)))
            self._publish(keys, self._state.alive)

    def update(
        self, key: str, vector: np.ndarray | None = None, attributes: Attributes | None = None
    ) -> None:
        """Change a layer's vector, its attributes, or both; None = keep.

        Raises:
            IndexInputError: There is no such key, or the vector does not fit.
        """
        with self._write_lock:
            old_vector, columns = self._known(key)
            if vector is not None:
                old_vector = checked_vectors(np.asarray(vector)[None], self.width, 1)[0]
            if attributes is not None:
                columns = Columns.encode(AttributeTable.of([attributes]), self._words, 1)
            alive = self._without(key)
            self._fresh.append(key, old_vector, columns)
            self._publish([key], alive)

    def delete(self, key: str) -> None:
        """Take a layer out.

        Raises:
            IndexInputError: There is no such key.
        """
        with self._write_lock:
            self._known(key)
            self._publish([key], self._without(key))

    def _find(self, key: str) -> tuple[bool, int] | None:
        """Whether the key is fresh, and its row; None if it is not there. With the lock held."""
        row = self._fresh.row(key)
        if row >= 0:
            return True, row
        row, alive = self._state.main.keys.row(key), self._state.alive
        if row < 0 or (alive is not None and not alive[row >> 3] >> (row & 7) & 1):
            return None
        return False, row

    def _known(self, key: str) -> tuple[np.ndarray, Columns]:
        """Vector and columns of a key. With the lock held."""
        found = self._find(key)
        if found is None:
            raise IndexInputError(f"the index has no key {key!r}: add() it first")
        is_fresh, row = found
        part = self._state.fresh if is_fresh else self._state.main
        return part.vectors[row], part.columns.take(slice(row, row + 1))

    def _without(self, key: str) -> np.ndarray | None:
        """Take a key out of the rows; the bitmap of `main` to publish. With the lock held."""
        is_fresh, row = self._find(key) or (True, -1)
        if is_fresh:
            self._fresh.delete(key)
            return self._state.alive
        return without(self._state, np.array([row]))

    def _publish(self, touched: Sequence[str], alive: np.ndarray | None) -> None:
        self._state = IndexState(self._state.main, alive, self._fresh.view())
        if self._merging is not None:
            self._touched.update(touched)
        else:
            self._merge_if_due()

    # -- merging ---------------------------------------------------------------------------

    def settle(self) -> None:
        """Wait until no merge is under way.

        Raises:
            Exception: What the last merge failed of; the index goes on as it was before it.
        """
        while (thread := self._merging) is not None:
            thread.join()
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure

    def _is_due(self) -> bool:
        """Whether the fresh rows (or, in an exact index, all rows) have become too many."""
        main, n_fresh = self._state.main, len(self._fresh)
        if main.lists is not None:
            return n_fresh > self.limits.fresh_rows
        n = len(self)
        return n >= self.limits.exact_below or n_fresh > 2 * n + self.limits.fresh_rows

    def _merge_if_due(self) -> None:
        """Start a merge in its own thread. With the lock held and none under way."""
        if self._failure is None and self._is_due():
            self._touched = set()
            self._merging = threading.Thread(
                target=self._merge_quietly, args=(self._state,), name="index-merge", daemon=True
            )
            self._merging.start()

    def _merge_quietly(self, before: IndexState) -> None:
        faiss.omp_set_num_threads(1)  # of this thread only: leave the others to the readers
        try:
            self._merge(before)
        except Exception as failure:  # kept for settle(); the index goes on without the merge
            logger.exception("merging the search index failed; it stays correct but grows slower")
            self._failure = failure
        with self._write_lock:
            self._merging = None
            self._merge_if_due()

    def _merge(self, before: IndexState) -> None:
        """Replace the state by one segment; what was written meanwhile stays beside it."""
        segment = merged(before, self.limits, self._rng)
        with self._write_lock:
            rows = segment.keys.rows(self._touched)
            self._fresh = self._fresh.since(len(before.fresh.alive))
            state = IndexState(segment, None, self._fresh.view())
            alive = without(state, rows) if len(rows) else None
            self._state = replace(state, alive=alive)

    # -- keeping ---------------------------------------------------------------------------

    def save(self, folder: str | Path) -> None:
        """Keep the index in a folder: killed at any instant, the folder holds the old or the new.

        Only what is new is written: a few fresh rows in milliseconds; a merged segment once, after
        which this index maps it and frees its memory. One process may save, many may open.

        Raises:
            OSError: The disk is full or not writable; the folder holds the old index.
        """
        with self._save_lock:
            state = self._state
            mapped = index_store.write(Path(folder), state)
            if mapped is not state.main:
                mapped.warm()
            with self._write_lock:
                if self._state.main is state.main:
                    self._state = replace(self._state, main=mapped)

    @classmethod
    def open(cls, folder: str | Path, *, limits: IndexLimits | None = None, seed: int = 0) -> Index:
        """The index of a folder, mapped from disk: pages are read when first used.

        Raises:
            IndexDamagedError: There is none, or its files do not belong together.
        """
        index = cls.__new__(cls)
        index.limits = limits or IndexLimits()
        main, alive, fresh = index_store.read(Path(folder), index.limits)
        index._begin(main, alive, fresh, np.random.default_rng(seed))
        return index

    def warm(self) -> None:
        """Read an opened index once, so that the first searches need not wait for the disk."""
        self._state.main.warm()

    @staticmethod
    def verify(folder: str | Path) -> None:
        """Read every byte of a saved index and compare the checksums.

        Raises:
            IndexDamagedError: One differs.
        """
        index_store.verify(Path(folder))


def merged(state: IndexState, limits: IndexLimits, rng: np.random.Generator) -> Segment:
    """A segment of all that is valid in a state; lists are trained only if they must be."""
    old, rows = state.main, state.alive_rows()
    fresh_rows = np.flatnonzero(state.fresh.alive)
    fresh_keys = KeyTable.of([state.fresh.keys[row] for row in fresh_rows])
    fresh_vectors = state.fresh.vectors[fresh_rows]
    keys = KeyTable.joined((old.keys, fresh_keys), (rows, np.arange(len(fresh_rows))))
    columns = Columns.joined([old.columns.take(rows), state.fresh.columns.take(fresh_rows)])
    n, n_trained = len(keys), old.trained_rows
    if old.lists is None or n < limits.exact_below or not n_trained / DRIFT < n < n_trained * DRIFT:
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
