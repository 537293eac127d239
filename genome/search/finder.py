"""Search over a library's vectors: an index that keeps up with the catalogue.

The catalogue is the truth, for all processes; the index is made from it and caught up before a
search if anything has changed. From `SAVE_FROM` layers on it is kept on disk as well, so that a
large library does not read every vector when it is opened.

Reuse a layer, fork one, or train a new one: told from how near the nearest layer is.

The thresholds are calibrated on exams whose right layer is known: how near is the nearest layer
when the right one is in the library, and how near when it has been taken out?
"""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from sqlalchemy import Connection

from genome.errors import IndexDamagedError
from genome.files import locked, write_json
from genome.search.index import Attributes, AttributeTable, Filter, Index
from genome.shelf.layer_vectors import (
    VectorRow,
    changed_vectors,
    vector_digests,
    vector_state,
)

SAVE_FROM = 5_000
"""Layers from which on the index is kept on disk; below, it is made anew in milliseconds."""
SAVE_EVERY = 1_000
"""Changes after which a kept index is saved again."""


@dataclass
class _Kept:
    """An index in memory, and what of the catalogue it holds."""

    index: Index
    changed: int
    n: int
    saved: int
    """Change up to which it is on disk."""


class Finder:
    """Nearest layers by vector, for one library."""

    def __init__(
        self, read: Callable[[], AbstractContextManager[Connection]], folder: Path
    ) -> None:
        self._read = read
        self._folder = folder
        self._lock = threading.Lock()
        self._kept: dict[str, _Kept] = {}

    def nearest(
        self, encoder: str, queries: np.ndarray, k: int, where: Filter | None = None
    ) -> list[list[tuple[str, float]]]:
        """The k nearest (digest, cosine) to every query among those a filter allows, best first.

        Args:
            encoder: Identity of the encoder that made the queries, (n_queries, width).
        """
        with self._lock:
            index = self._caught_up(encoder)
        return index.nearest(queries, k, where=where) if index else [[] for _ in queries]

    def _caught_up(self, encoder: str) -> Index | None:
        with self._read() as connection:
            state = vector_state(connection, encoder)
            kept = self._kept.get(encoder)
            if kept and (kept.changed, kept.n) == state:
                return kept.index
            if not state[1]:
                self._kept.pop(encoder, None)
                return None
            if kept is None and state[1] >= SAVE_FROM:
                kept = self._open(encoder)
            if kept is None:
                kept = _made_of(changed_vectors(connection, encoder, 0))
            else:
                _catch_up(kept.index, connection, encoder, kept.changed)
            kept.changed, kept.n = state
        self._kept[encoder] = kept
        if kept.n >= SAVE_FROM and kept.changed - kept.saved >= SAVE_EVERY:
            self._save(encoder, kept)
        return kept.index

    def _open(self, encoder: str) -> _Kept | None:
        """The saved index; None if there is none or it is damaged, since it can be made again."""
        folder = self._folder / encoder
        try:
            changed = int(json.loads((folder / "changed.json").read_text()))
            index = Index.open(folder)
        except (OSError, ValueError, TypeError, IndexDamagedError):
            shutil.rmtree(folder, ignore_errors=True)
            return None
        return _Kept(index, changed, len(index), changed)

    def _save(self, encoder: str, kept: _Kept) -> None:
        """Index first, then how far it goes: changes applied twice do no harm."""
        kept.index.settle()
        kept.saved = kept.changed
        # A disk that is full or read-only costs time, not the search.
        with suppress(OSError), locked(self._folder / f"{encoder}.lock"):
            kept.index.save(self._folder / encoder)
            write_json(self._folder / encoder / "changed.json", kept.changed)


def _made_of(rows: list[VectorRow]) -> _Kept:
    table = AttributeTable(
        [row.base_model for row in rows],
        [row.licence for row in rows],
        [row.n_bytes for row in rows],
        [0] * len(rows),
    )
    vectors = np.stack([row.vector for row in rows])
    return _Kept(Index([row.digest for row in rows], vectors, table), 0, 0, 0)


def _catch_up(index: Index, connection: Connection, encoder: str, since: int) -> None:
    present, known = vector_digests(connection, encoder), index.keys()
    for row in changed_vectors(connection, encoder, since, present - known):
        attributes = Attributes(row.base_model, row.licence, row.n_bytes)
        if row.digest in known:
            index.update(row.digest, row.vector, attributes)
        else:
            index.add(row.digest, row.vector, attributes)
    for digest in known - present:
        index.delete(digest)


Action = Literal["reuse", "fork", "mint"]
ERROR_RATE = 0.05
"""Share of questions each threshold may get wrong on the exams it was calibrated on."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """Two similarities, and what they were measured on."""

    encoder: str
    """Identity of the encoder that made the vectors."""
    reuse: float
    """From here on: at most ERROR_RATE of questions without a right layer come this near."""
    mint: float
    """Below: at most ERROR_RATE of questions that have a right layer are this far."""
    n_questions: int
    exams: tuple[str, ...]
    top_1: float
    """Share of the questions whose nearest layer was the right one."""

    def action(self, similarity: float) -> Action:
        """What to do with a question whose nearest layer is this near."""
        if similarity >= self.reuse:
            return "reuse"
        return "mint" if similarity < self.mint else "fork"


@dataclass(frozen=True, slots=True)
class Advice:
    """What to do about a question, and why."""

    action: Action
    digest: str | None
    """The layer to reuse or to fork; None to mint one."""
    similarity: float
    reason: str


def calibrate(
    encoder: str,
    layers: np.ndarray,
    abilities: Sequence[str],
    questions: np.ndarray,
    exams: Sequence[str],
) -> Calibration:
    """Thresholds from questions whose right layer is known.

    Where the two kinds of question overlap, what lies between the thresholds is advised to fork;
    where they do not, both thresholds are the middle of the gap.

    Args:
        layers: (n_layers, width) unit vectors.
        abilities: The exam each layer is for, (n_layers,).
        questions: (n_questions, width) unit vectors; only those of an exam in `abilities` count.
        exams: The exam each question is from, (n_questions,).
    """
    ours, theirs = np.asarray(abilities), np.asarray(exams)
    known = np.isin(theirs, ours)
    similarity = questions[known] @ layers.T  # (n, n_layers)
    right = theirs[known][:, None] == ours[None, :]
    present = similarity.max(1)
    absent = np.where(right, -1.0, similarity).max(1)
    reuse = float(np.quantile(absent, 1 - ERROR_RATE))
    mint = float(np.quantile(present, ERROR_RATE))
    if mint > reuse:
        reuse = mint = (reuse + mint) / 2
    top = float(right[np.arange(len(right)), similarity.argmax(1)].mean())
    names = tuple(sorted(set(theirs[known].tolist())))
    return Calibration(encoder, reuse, mint, int(known.sum()), names, top)
