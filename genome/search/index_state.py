"""What an index holds at one moment, and how a search of it is put together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from genome.search.index_exact import similarities
from genome.search.index_filter import Filter
from genome.search.index_fresh import Fresh
from genome.search.index_segment import Segment


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
            if rows.size else np.empty(rows.shape, np.float32)
            for part, rows in ((main, main_rows), (fresh, fresh_rows))
        ], axis=1,
    )  # fmt: skip
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
        for row, score in zip(rows.tolist(), scores.tolist(), strict=True) if row != -1
    ]  # fmt: skip
    named.sort(key=lambda hit: (-hit[1], hit[0]))
    return named[:k]


def without(state: IndexState, rows: np.ndarray) -> np.ndarray:
    """The bitmap of `main` with some rows taken out; the old one stays as it is."""
    alive = (
        state.alive.copy() if state.alive is not None
        else np.packbits(np.ones(len(state.main), bool), bitorder="little")
    )  # fmt: skip
    np.bitwise_and.at(alive, rows >> 3, ~(np.uint8(1) << (rows & 7).astype(np.uint8)))
    return alive
