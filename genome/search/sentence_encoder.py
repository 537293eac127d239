"""An encoder that knows a human language: any `sentence-transformers` model on a local path.

pip install 'continuum-personas[sentences]'
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from genome.embedding import unit
from genome.errors import LibraryError


class SentenceEncoder:
    """Questions, evidence and descriptions all through one sentence model."""

    def __init__(self, path: str | Path) -> None:
        """
        Raises:
            LibraryError: The package is not installed, or the folder is no such model.
        """
        try:
            from sentence_transformers import SentenceTransformer
        except ImportError:
            raise LibraryError(
                "sentence-transformers is not installed: pip install "
                "'continuum-personas[sentences]', or use the base model's own encoder"
            ) from None
        self.path = str(path)
        if not Path(path).is_dir():
            raise LibraryError(
                f"there is no sentence model at {path}: give the folder that "
                "SentenceTransformer.save wrote"
            )
        try:
            self._model: Any = SentenceTransformer(str(path), device="cpu", local_files_only=True)
        except Exception as error:  # it raises OSError, ValueError, KeyError, ...
            first_line = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise LibraryError(
                f"the sentence model {path} cannot be loaded ({first_line}): give the folder that "
                "SentenceTransformer.save wrote"
            ) from error
        self.identity = hashlib.sha256(self._fingerprint().encode()).hexdigest()[:16]

    def _fingerprint(self) -> str:
        """Tells models apart by what they do to a fixed text."""
        return "sentences " + self.encode(["sort: 3 1 2", "upper: abc"]).round(4).tobytes().hex()

    def encode(self, questions: Sequence[str]) -> np.ndarray:
        """Unit vectors, (n, width) float32."""
        vectors = self._model.encode(list(questions), show_progress_bar=False)
        return unit(np.asarray(vectors, dtype=np.float32))

    evidence = encode
    describe = encode
