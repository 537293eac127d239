"""Nearest layers by inner product of unit vectors (FAISS, exact)."""

from __future__ import annotations

from collections.abc import Sequence

import faiss
import numpy as np


class Index:
    """Exact search over unit vectors; row i belongs to `keys[i]`."""

    def __init__(self, keys: Sequence[str], vectors: np.ndarray) -> None:
        self.keys = list(keys)
        self._faiss = faiss.IndexFlatIP(vectors.shape[1])
        self._faiss.add(np.ascontiguousarray(vectors, dtype=np.float32))

    def nearest(self, queries: np.ndarray, k: int) -> list[list[tuple[str, float]]]:
        """The k best (key, cosine) of every query, best first."""
        k = min(k, len(self.keys))
        scores, rows = self._faiss.search(np.ascontiguousarray(queries, dtype=np.float32), k)
        return [
            [(self.keys[row], float(score)) for row, score in zip(hit, found, strict=True)]
            for hit, found in zip(rows, scores, strict=True)
        ]
