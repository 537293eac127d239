"""Memetic mutation: a child attempts what it is asked for, then studies what it attempted.

A child grows up with the customer whose demand its parent won, so most of what it attempts is
of that customer's kind, and a small random advantage becomes a niche; nobody is assigned one.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from academy.challenge import Challenge
from academy.skills import SKILL_NAMES, SKILLS, questions

EXPLORE = 0.1
"""Share of questions that come from anybody else."""


def asked_shares(customer: int) -> np.ndarray:
    """What a child is asked that grows up with one customer, (n_skills,), summing to 1.

    Args:
        customer: Index of the skill the customer asks for.
    """
    shares = np.full(len(SKILLS), EXPLORE / len(SKILLS))
    shares[customer] += 1 - EXPLORE
    return shares


def draw_attempts(
    shares: np.ndarray, n: int, seen: Sequence[Challenge], rng: np.random.Generator
) -> list[Challenge]:
    """`n` train questions in the given shares, none of them in `seen` or twice."""
    taken = {challenge.id for challenge in seen}
    drawn: list[Challenge] = []
    for index in rng.choice(len(SKILLS), size=n, p=shares):
        for challenge in questions(SKILLS[index], "train", rng):
            if challenge.id not in taken:
                taken.add(challenge.id)
                drawn.append(challenge)
                break
    return drawn


def study_rows(
    notebook: Sequence[Challenge], shares: np.ndarray, n: int, rng: np.random.Generator
) -> np.ndarray:
    """Indexes into the notebook of `n` questions to study, drawn in the shares, (n,) int."""
    index = {name: i for i, name in enumerate(SKILL_NAMES)}
    skills = np.array([index[c.skill] for c in notebook])
    counts = np.bincount(skills, minlength=len(shares))
    weight = shares[skills] / counts[skills]
    return rng.choice(len(notebook), size=n, p=weight / weight.sum())
