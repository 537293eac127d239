"""Reuse a layer, fork one, or train a new one: told from how near the nearest layer is.

The thresholds are calibrated on exams whose right layer is known: how near is the nearest layer
when the right one is in the library, and how near when it has been taken out?
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

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
