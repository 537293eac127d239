"""One member of a population: digests, weights, and what it has shown so far.

The tensors live in the run's `LayerPool`; a candidate can be copied, written and compared
without touching them.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from academy.evolution.pool import LayerPool
from genome.genome import Genome

PRIOR_QUESTIONS = 24.0
"""How many questions' worth the inherited expectation counts against own results."""


@dataclass(frozen=True, slots=True)
class Genes:
    """What is inherited."""

    layers: tuple[str, ...] = ()
    """Digests, first applied first; the last is the one operators work on."""
    weights: tuple[float, ...] = ()

    def genome(self, pool: LayerPool) -> Genome:
        """The genome they stand for."""
        return Genome(pool.base_model, tuple(pool.get(d) for d in self.layers), self.weights)

    def topped(self, digest: str) -> Genes:
        """With another top layer at full weight."""
        return replace(self, layers=(*self.layers[:-1], digest), weights=(*self.weights[:-1], 1.0))

    def stacked(self, digest: str) -> Genes:
        """With one more layer on top, at full weight."""
        return replace(self, layers=(*self.layers, digest), weights=(*self.weights, 1.0))

    def same_update(self, other: Genes) -> bool:
        """Whether they run alike."""
        return self == other


@dataclass(eq=False)
class Candidate:
    """A persona in the making."""

    id: int
    genes: Genes
    parents: tuple[int, ...]
    born: int
    """Generation of birth; founders are of generation 0."""
    operator: str
    """What made it."""
    niche: int
    """Index of the skill it was made for; -1 for founders and wanderers."""
    line: int
    """Id of the founder it descends from (first parent's line)."""
    prior: np.ndarray
    """Accuracy per skill expected before any question of its own, (n_skills,)."""
    hits: np.ndarray
    """Right answers per skill, (n_skills,)."""
    asked: np.ndarray
    """Questions per skill, (n_skills,)."""
    species: int = -1
    results: np.ndarray = field(default_factory=lambda: np.zeros(0))
    """Scores on this generation's common items, (n_items,)."""

    @property
    def digest(self) -> str:
        """Of what runs: layers and weights; clones share it."""
        text = json.dumps([self.genes.layers, self.genes.weights])
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def profile(self) -> np.ndarray:
        """Estimated accuracy per skill: own results shrunk to what was inherited, (n_skills,)."""
        shrunk = self.prior * PRIOR_QUESTIONS + self.hits
        return np.asarray(shrunk / (PRIOR_QUESTIONS + self.asked))

    def record(self, item_skills: np.ndarray, results: np.ndarray) -> None:
        """Add results: skill index and score of each question, (n,) both."""
        np.add.at(self.asked, item_skills, 1.0)
        np.add.at(self.hits, item_skills, results)

    def clone(self, number: int) -> Candidate:
        """The same genes and results under another id: a migrant."""
        return replace(
            self, id=number, parents=(self.id,), operator="migration", hits=self.hits.copy(),
            asked=self.asked.copy(), prior=self.prior.copy(), results=self.results.copy(),
        )  # fmt: skip

    def plain(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "id": self.id, "layers": self.genes.layers, "weights": self.genes.weights,
            "parents": self.parents, "born": self.born,
            "operator": self.operator, "niche": self.niche, "line": self.line,
            "prior": self.prior.tolist(), "hits": self.hits.tolist(),
            "asked": self.asked.tolist(), "species": self.species,
            "results": self.results.tolist(),
        }  # fmt: skip

    @classmethod
    def restore(cls, data: dict[str, Any]) -> Candidate:
        """What `plain` wrote."""
        genes = Genes(tuple(data["layers"]), tuple(data["weights"]))
        return cls(
            data["id"], genes, tuple(data["parents"]), data["born"], data["operator"],
            data["niche"], data["line"], np.array(data["prior"], dtype=float),
            np.array(data["hits"], dtype=float), np.array(data["asked"], dtype=float),
            data["species"], np.array(data["results"], dtype=float),
        )  # fmt: skip
