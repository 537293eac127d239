"""Vectors for questions and layers, so that a layer is found by what it can do.

A question's vector is the mean hidden state half-way up the base model, whitened over sample
questions and normalised: the base has to know what is being asked before it can answer, half
learned or not. Measured on the built-in skills, nearest class mean over unseen questions: 0.99
whitened, 0.87 centred only.
A layer's vector is the sum of exam questions, each weighted by the layer's lift over the base.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from genome.base_model import BaseModel
from genome.errors import LibraryError
from genome.tensors import save_tensors

BATCH_ROWS = 256
FLOOR = 0.3
"""Added to every principal deviation before dividing by it, so that noise is not blown up."""


class QuestionEncoder:
    """Maps questions to unit vectors, (n_questions, width) float32."""

    def __init__(self, base: BaseModel, centre: torch.Tensor, whitening: torch.Tensor) -> None:
        self.base = base
        self.centre = centre
        """(width,)"""
        self.whitening = whitening
        """(width, width)"""

    @classmethod
    def fit(cls, base: BaseModel, prompts: Sequence[str]) -> QuestionEncoder:
        """Whiten over sample questions (unlabelled; a few hundred are enough)."""
        states = _mean_states(base, prompts)
        centre = states.mean(0)
        _, deviations, axes = torch.linalg.svd(states - centre, full_matrices=False)
        scale = 1 / (deviations / len(prompts) ** 0.5 + FLOOR)
        return cls(base, centre, axes.T * scale)

    def encode(self, prompts: Sequence[str]) -> np.ndarray:
        """Unit vectors of questions, (n_questions, width) float32."""
        vectors = (_mean_states(self.base, prompts) - self.centre) @ self.whitening
        return unit(vectors.numpy())

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
            return cls(base, tensors["centre"], tensors["whitening"])
        except (OSError, KeyError, SafetensorError) as error:
            raise LibraryError(
                f"the library's encoder {path} cannot be read ({error}): run `continuum demo` into "
                "a new folder with --out, or copy the file back from a backup"
            ) from None


def ability_vector(questions: np.ndarray, lift: np.ndarray) -> np.ndarray:
    """A layer's vector from exam questions, (width,) float32 of unit length.

    Losses count against a layer as gains count for it; otherwise the answers that change by
    chance, on skills it never learned, would blur where it points.

    Args:
        questions: Unit vectors of exam questions, (n_questions, width).
        lift: 1 where the layer is right and the base wrong, -1 the other way round, else 0.
    """
    weight = lift if lift.any() else np.ones(len(questions))
    return np.asarray(unit((weight @ questions)[None])[0])


def unit(vectors: np.ndarray) -> np.ndarray:
    """Rows scaled to length 1 (zero rows stay zero), float32."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, 1e-12), dtype=np.float32)


def _mean_states(base: BaseModel, prompts: Sequence[str]) -> torch.Tensor:
    """Mean hidden state of each prompt's tokens at half depth, (n_prompts, width)."""
    parts = []
    ids = base.prompt_ids(prompts)
    for start in range(0, len(ids), BATCH_ROWS):
        rows = ids[start : start + BATCH_ROWS]
        lengths = torch.tensor([len(row) for row in rows])
        block = torch.full((len(rows), int(lengths.max())), base.tokenizer.pad_token_id)
        for i, row in enumerate(rows):
            block[i, : len(row)] = torch.tensor(row)
        with torch.no_grad():
            output = base.model(input_ids=block, use_cache=False, output_hidden_states=True)
        states = output.hidden_states[len(output.hidden_states) // 2]
        real = torch.arange(block.shape[1])[None, :] < lengths[:, None]
        parts.append((states * real[..., None]).sum(1) / lengths[:, None])
    return torch.cat(parts)
