"""Where a layer stands among questions, so that it is found by what it can do.

A layer's vector is the mean of exam questions, each exam weighted by the layer's lift over the
base on it, and blended with the layer's description while it has few results. A question is
looked up by inner product. Any `Encoder` will do; the default needs only the base model itself
(`genome.search.question_encoder`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

RESULTS_AS_GOOD_AS_WORDS = 10
"""With so many results an exam, a layer's results count as much as its description."""
LEAST_WORDS = 1 / 7
"""Share of the description in a vector that always remains, so that plain words still find it."""


class Encoder(Protocol):
    """Maps texts to vectors of one width; inner products between all of them have meaning."""

    @property
    def identity(self) -> str:
        """Changes whenever the vectors do: vectors of different identities do not compare."""
        ...

    def encode(self, questions: Sequence[str]) -> np.ndarray:
        """What somebody asks, (n, width) float32 unit vectors."""
        ...

    def evidence(self, questions: Sequence[str]) -> np.ndarray:
        """Exam questions a layer is known to answer or not, (n, width) float32 unit vectors."""
        ...

    def describe(self, texts: Sequence[str]) -> np.ndarray:
        """What layers say of themselves, (n, width) float32 unit vectors."""
        ...


def ability_vector(evidence: np.ndarray, lift: np.ndarray, exams: Sequence[str]) -> np.ndarray:
    """Direction of what a layer does better than the base, (width,) float32; zero if nothing.

    The lift is averaged over an exam before it weighs the exam's questions, because single
    answers change by chance: over twelve specialists with 60 questions an exam, 0.94 of unseen
    questions find the right one, against 0.83 when every answer counts for itself. Losses on
    other exams say nothing about where a layer should be asked, and count as zero.

    Args:
        evidence: Unit vectors of exam questions, (n_questions, width).
        lift: Layer's score minus the base's, (n_questions,).
        exams: Exam each question belongs to, (n_questions,).
    """
    names = np.asarray(exams)
    total = np.zeros(evidence.shape[1], dtype=np.float64)
    for exam in sorted(set(exams)):
        mine = names == exam
        total += max(0.0, float(lift[mine].mean())) * evidence[mine].mean(0)
    return np.asarray(unit(total[None])[0])


def layer_vector(ability: np.ndarray, description: np.ndarray, n_results: int) -> np.ndarray:
    """A layer's place in the index, (width,) float32 of unit length.

    Args:
        ability: From `ability_vector`; zero if nothing is known.
        description: From `Encoder.describe`.
        n_results: Questions an exam behind the ability.
    """
    words = max(LEAST_WORDS, RESULTS_AS_GOOD_AS_WORDS / (RESULTS_AS_GOOD_AS_WORDS + n_results))
    if not ability.any():
        words = 1.0
    blended = (1 - words) ** 0.5 * ability + words**0.5 * description
    return np.asarray(unit(blended[None])[0])


def searchable_text(name: str, skill: str, description: str, tags: Sequence[str] = ()) -> str:
    """What a layer is described by: all its words, the most telling first."""
    return " ".join([skill, name, description, *tags])


def unit(vectors: np.ndarray) -> np.ndarray:
    """Rows scaled to length 1 (zero rows stay zero), float32."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, 1e-12), dtype=np.float32)
