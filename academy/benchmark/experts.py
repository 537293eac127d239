"""The shared experts: one rank-r layer per skill, the same for every gradient-free method.

Made once per tier, track and seed, kept on disk, and charged to every method that starts from
them. Track B's methods start from track A's skills, whose compositions they have to find.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from academy.benchmark.purse import train_questions
from academy.benchmark.tracks import Tier, Track
from academy.challenge import prompts_and_answers
from academy.evaluator import LocalEvaluator
from academy.evolution.state import LayerPool
from academy.evolution.workbench import TRAINED, width
from academy.operators.noise import random_layer
from academy.sources.builtin import BuiltinSource
from academy.sources.source import ChallengeSource
from academy.training import StudyPlan
from genome.base_model import BaseModel
from genome.files import write_json
from genome.layer import Layer

ROWS = 12
"""Rows of one expert in one step."""
RATE = 0.005
"""Of 0.002, 0.005 and 0.01 the best mean select accuracy after a tenth of the standard tier."""


@dataclass(frozen=True)
class Experts:
    """One layer for each skill of the source, and what training them all has cost."""

    layers: tuple[Layer, ...]
    tokens: int


def train_experts(
    base: BaseModel,
    source: ChallengeSource,
    *,
    budget: int,
    rank: int,
    seed: int,
    rate: float = RATE,
) -> Experts:
    """All experts side by side, each on its own skill, until the budget is spent.

    Args:
        budget: Token-equivalents for all of them together; never exceeded.
    """
    n = len(source.skills)
    rng = np.random.default_rng([seed, 11, rank])
    layers = [random_layer(base.fingerprint, base.linear_shapes, rank, 0.0, rng) for _ in range(n)]
    sample = train_questions(source, None, 20 * n, rng)
    per_step = TRAINED * n * ROWS * (width(base, sample) + 2)
    steps = max(1, budget // per_step)
    plan = StudyPlan(steps, ROWS, rate)
    studies = [
        base.rows(*prompts_and_answers(train_questions(source, skill, plan.n_rows, rng)))
        for skill in source.skills
    ]
    evaluator = LocalEvaluator(base)
    trained = evaluator.train(layers, studies, plan)
    return Experts(tuple(trained), evaluator.tokens.equivalents)


def shared_experts(base: BaseModel, tier: Tier, track: Track, seed: int, folder: Path) -> Experts:
    """The experts of a tier, track and seed, trained on the first call."""
    path = folder / f"experts-{tier.name}-{track}-{seed}.json"
    pool = LayerPool(base.fingerprint, folder / "layers")
    if path.exists():
        data = json.loads(path.read_text())
        if data["base"] == base.fingerprint:
            return Experts(tuple(pool.get(d) for d in data["layers"]), data["tokens"])
    budget = int(tier.tokens[track] * tier.expert_share)
    made = train_experts(base, BuiltinSource(), budget=budget, rank=tier.rank, seed=seed)
    digests = [pool.add(layer) for layer in made.layers]
    pool.save(digests)
    write_json(path, {"base": base.fingerprint, "layers": digests, "tokens": made.tokens})
    return made


def best_by_skill(scores: np.ndarray, item_skill: np.ndarray, n_skills: int) -> Sequence[int]:
    """For each skill the row with the best mean score, (n_skills,)."""
    member = np.eye(n_skills)[item_skill]
    return [int(i) for i in (scores @ member).argmax(0)]
