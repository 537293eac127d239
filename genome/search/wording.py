"""How texts are worded, as vectors: hashed letter groups, for finding layers by description.

A byte model that knows twelve skills and no English cannot tell what a description means, but
that a description says "numbers" and a query says "numbers" needs no model. Groups of three and
four letters are hashed into a fixed width with random signs (Weinberger et al. 2009), which keeps
inner products right on average and shares most of its weight between `sort` and `sorted`.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence

import numpy as np

WIDTH = 256
GROUP_SIZES = (3, 4)
_WORD = re.compile(r"[^\W\d_]+|[^\w\s]")


def wording_vectors(texts: Sequence[str]) -> np.ndarray:
    """Unit vectors of texts, (n_texts, WIDTH) float32; zero for a text without any word."""
    vectors = np.zeros((len(texts), WIDTH), dtype=np.float32)
    for vector, text in zip(vectors, texts, strict=True):
        for word in _WORD.findall(text.lower()):
            groups = _groups(word)
            for group in groups:
                code = zlib.crc32(group.encode())
                vector[code % WIDTH] += (1 if code >> 31 else -1) / len(groups) ** 0.5
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, 1e-12), dtype=np.float32)


def _groups(word: str) -> list[str]:
    """The word itself and its groups of letters, each once, edges marked."""
    marked = f"<{word}>"
    parts = {marked[i : i + n] for n in GROUP_SIZES for i in range(len(marked) - n + 1)}
    return sorted({word, *parts})
