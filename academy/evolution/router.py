"""A cast of personas as one helper: each question goes to who is proven best at its kind.

A question is encoded by the base itself (`genome.search.question_encoder`), compared with the
centre of each skill's train questions, and answered by the persona that did best on that
skill's select questions. Measured with ability vectors instead: near-equal specialists of one
ancestor differ by a few points of accuracy, less than the noise of the dozen questions that a
vector is made from, so the nearest vector is partly luck; the nearest centre is not.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from academy.sources.source import ChallengeSource
from academy.training import TokenMeter
from genome.base_model import BaseModel
from genome.embedding import unit
from genome.search.question_encoder import QuestionEncoder

SAMPLE = 40
"""Train questions per skill that whiten the encoder and place the centres."""


@dataclass(frozen=True)
class Router:
    """Sends questions to members of a cast."""

    encoder: QuestionEncoder
    centres: np.ndarray
    """(n_skills, width), unit length."""
    table: np.ndarray
    """Member of the cast for each skill, (n_skills,) int."""

    def skills(self, prompts: Sequence[str]) -> np.ndarray:
        """Index of the nearest skill of each question, (n_prompts,)."""
        return np.asarray((self.encoder.encode(prompts) @ self.centres.T).argmax(1))

    def members(self, prompts: Sequence[str]) -> np.ndarray:
        """Which member of the cast answers each question, (n_prompts,)."""
        return np.asarray(self.table[self.skills(prompts)])


def fit_router(
    base: BaseModel,
    source: ChallengeSource,
    table: Sequence[int],
    rng: np.random.Generator,
    tokens: TokenMeter,
) -> Router:
    """Fit the encoder and the centres on train questions; two forward passes each are charged.

    Args:
        table: Member of the cast for each skill of the source.
    """
    groups = [
        [c.prompt for c in source.draw(skill, "train", SAMPLE, rng)] for skill in source.skills
    ]
    prompts = [prompt for group in groups for prompt in group]
    tokens.forward += 2 * sum(map(len, base.prompt_ids(prompts)))
    encoder = QuestionEncoder.fit(base, prompts)
    encoded = encoder.encode(prompts)
    starts = np.cumsum([0, *(len(group) for group in groups)])
    centres = np.stack([encoded[a:b].mean(0) for a, b in itertools.pairwise(starts)])
    return Router(encoder, unit(centres), np.asarray(table, dtype=int))
