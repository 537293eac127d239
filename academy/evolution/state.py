"""Everything of a run that has to be saved to go on with it, and nothing else.

All randomness comes from (seed, purpose, number), so a resumed run draws what the uninterrupted
one would have drawn, and no generator has to be saved.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from academy.diversity.archive import Archive
from academy.diversity.phylogeny import Phylogeny
from academy.diversity.species import Taxonomy
from academy.evolution.candidate import Candidate
from academy.evolution.config import RunConfig
from academy.evolution.config_file import parse_config
from academy.operators.bandit import FixedRates, OperatorBandit, OperatorChoice

Phase = Literal["ancestor", "species", "audition", "finished"]


@dataclass
class Island:
    """One deme: who lives there, what it remembers, how it makes children."""

    candidates: list[Candidate]
    archive: Archive
    operators: OperatorChoice

    def plain(self) -> dict[str, Any]:
        return {
            "candidates": [candidate.plain() for candidate in self.candidates],
            "archive": self.archive.state(),
            "operators": self.operators.state(),
        }

    @classmethod
    def restore(cls, data: dict[str, Any]) -> Island:
        operators = data["operators"]
        return cls(
            [Candidate.restore(one) for one in data["candidates"]],
            Archive.restore(data["archive"]),
            FixedRates.restore(operators)
            if "rates" in operators
            else OperatorBandit.restore(operators),
        )


@dataclass
class Evolution:
    """One run between two generations."""

    config: RunConfig
    skills: tuple[str, ...]
    base_accuracy: np.ndarray
    """The base's accuracy per skill on select questions, (n_skills,)."""
    reference: np.ndarray = field(default_factory=lambda: np.zeros(0))
    """What lift and niches are measured from: the ancestor's accuracy, or the base's."""
    phase: Phase = "ancestor"
    generation: int = -1
    n_born: int = 0
    ancestor: str = ""
    """Digest of the common ancestor; empty = none (yet)."""
    study_from: int = 0
    """Token-equivalents spent before the ancestor's study began."""
    moments: tuple[str, str, int] | None = None
    """While the ancestor studies: its optimiser's memory, two digests and a number of steps."""
    skill_hits: np.ndarray = field(default_factory=lambda: np.zeros(0))
    """Fading count of right answers of the ancestor (then the best) per skill, (n_skills,)."""
    skill_asked: np.ndarray = field(default_factory=lambda: np.zeros(0))
    teacher: dict[str, Any] | None = None
    """State of the teacher, where one chooses the questions."""
    islands: list[Island] = field(default_factory=list)
    founders: list[Candidate] = field(default_factory=list)
    """Those it began with, alive or not: whoever answers in the end has to beat them."""
    taxonomy: Taxonomy = field(default_factory=Taxonomy)
    phylogeny: Phylogeny = field(default_factory=Phylogeny)
    failures: int = 0
    """Items whose scoring raised, so far."""
    cast: list[int] = field(default_factory=list)
    """Ids of those chosen to answer, once the audition is over."""

    @property
    def population(self) -> list[Candidate]:
        """Everybody alive, island by island."""
        return [candidate for island in self.islands for candidate in island.candidates]

    @property
    def digests(self) -> Iterator[str]:
        """Every layer that something living needs."""
        if self.ancestor:
            yield self.ancestor
        if self.moments:
            yield from self.moments[:2]
        for candidate in (*self.population, *self.founders):
            yield from candidate.genes.layers

    def rng(self, purpose: str, number: int = 0) -> np.random.Generator:
        """The generator for one purpose; independent of everything drawn before."""
        tag = int.from_bytes(purpose.encode()[:8].ljust(8, b"\0"), "big")
        return np.random.default_rng([self.config.run.seed, tag, number])

    def plain(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "config": self.config.plain(), "skills": self.skills,
            "base_accuracy": self.base_accuracy.tolist(), "reference": self.reference.tolist(),
            "phase": self.phase,
            "generation": self.generation, "n_born": self.n_born, "ancestor": self.ancestor,
            "study_from": self.study_from, "moments": self.moments,
            "skill_hits": self.skill_hits.tolist(), "skill_asked": self.skill_asked.tolist(),
            "teacher": self.teacher,
            "islands": [island.plain() for island in self.islands],
            "founders": [candidate.plain() for candidate in self.founders],
            "taxonomy": self.taxonomy.state(), "phylogeny": self.phylogeny.state(),
            "failures": self.failures, "cast": self.cast,
        }  # fmt: skip

    @classmethod
    def restore(cls, data: dict[str, Any]) -> Evolution:
        """What `plain` wrote."""
        islands = [Island.restore(one) for one in data["islands"]]
        alive = {c.id: c for island in islands for c in island.candidates}
        founders = [Candidate.restore(one) for one in data["founders"]]
        return cls(
            parse_config(data["config"], "the checkpoint"), tuple(data["skills"]),
            np.array(data["base_accuracy"]), np.array(data["reference"]),
            data["phase"], data["generation"], data["n_born"],
            data["ancestor"], data["study_from"],
            tuple(data["moments"]) if data["moments"] else None,
            np.array(data["skill_hits"]), np.array(data["skill_asked"]), data["teacher"],
            islands, [alive.get(c.id, c) for c in founders],
            Taxonomy.restore(data["taxonomy"]), Phylogeny.restore(data["phylogeny"]),
            data["failures"], list(data["cast"]),
        )  # fmt: skip
