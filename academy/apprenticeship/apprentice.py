"""One member of the population: a layer on the base, what it was asked, and where it came from."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from deap import base

from academy.challenge import Challenge
from academy.skills import SKILLS
from genome.genome import Genome
from genome.layer import Layer

PRIOR_QUESTIONS = 8.0
"""How many questions' worth the inherited expectation counts against own results."""


class Score(base.Fitness):  # type: ignore[misc]
    """DEAP fitness with one maximised objective per skill: the candidate's estimated accuracy."""

    weights = (1.0,) * len(SKILLS)


@dataclass(eq=False)
class Apprentice:
    """A persona in the making. An ordinary class, so that it is typed and can be copied."""

    id: int
    line: int
    """Id of the founder this candidate descends from (first parent's line)."""
    parents: tuple[int, ...]
    born: int
    """Generation of birth; founders are of generation 0."""
    operator: str
    """What made it: founder, mutation or crossover."""
    layer: Layer
    prior: np.ndarray
    """Expected accuracy per skill before any question of its own, (n_skills,)."""
    notebook: tuple[Challenge, ...] = ()
    """Train questions that it and its ancestors attempted, oldest first."""
    hits: np.ndarray = field(default_factory=lambda: np.zeros(len(SKILLS)))
    asked: np.ndarray = field(default_factory=lambda: np.zeros(len(SKILLS)))
    species: int = -1
    customer: int = -1
    """Index of the skill it grew up with; -1 for founders, who were asked everything alike."""
    fitness: Score = field(default_factory=Score)

    @property
    def genome(self) -> Genome:
        return Genome.of(self.layer)

    @property
    def profile(self) -> np.ndarray:
        """Estimated accuracy per skill: own results shrunk to what was inherited, (n_skills,)."""
        shrunk = self.prior * PRIOR_QUESTIONS + self.hits
        return np.asarray(shrunk / (PRIOR_QUESTIONS + self.asked))

    def expect(self, skills: np.ndarray, hits: np.ndarray) -> None:
        """Move the prior by questions answered before study, (n_questions,) both.

        They were unseen when answered, so they say what the child brought from its parents.
        """
        asked = np.bincount(skills, minlength=len(SKILLS))
        right = np.bincount(skills, weights=hits, minlength=len(SKILLS))
        self.prior = (self.prior * PRIOR_QUESTIONS + right) / (PRIOR_QUESTIONS + asked)

    def forget(self, base_accuracy: np.ndarray) -> None:
        """Expect other skills than the customer's to fall half-way back to the base.

        Study of one kind of question overwrites the others (measured: a specialist's other
        skills fall below the base's), and exams ask too little about them to show it soon.
        """
        kept = self.prior[self.customer]
        self.prior = np.minimum(self.prior, (self.prior + base_accuracy) / 2)
        self.prior[self.customer] = kept

    def record(self, skills: np.ndarray, hits: np.ndarray) -> None:
        """Add exam results: skill index and 0/1 score of each question, both (n_questions,)."""
        np.add.at(self.asked, skills, 1.0)
        np.add.at(self.hits, skills, hits)
        self.fitness.values = tuple(self.profile.tolist())
