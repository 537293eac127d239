"""Everything of a run that has to be saved to go on with it, and nothing else.

All randomness comes from (seed, purpose, number), so a resumed run draws what the uninterrupted
one would have drawn, and no generator has to be saved.

One member of a population: digests, weights, and what it has shown so far.

The tensors live in the run's `LayerPool`; a candidate can be copied, written and compared
without touching them.

The layers of a run by digest: in memory while in use, on disk once a checkpoint needs them.

Candidates hold digests only. A file is written once, under its digest, before the checkpoint
that names it, so a kill at any moment leaves every named layer readable.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from academy.errors import RunCorruptError
from academy.evolution.config import RunConfig, parse_config
from academy.operators.bandit import FixedRates, OperatorBandit, OperatorChoice
from academy.species.archive import Archive
from academy.species.phylogeny import Phylogeny
from academy.species.species import Taxonomy
from genome.files import write_atomically
from genome.genome import Genome
from genome.layer import Factors, Layer
from genome.tensors import save_tensors

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
    answers: int | None = None
    """Scored answers of candidates so far, where the budget is counted in them."""

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
            "config": self.config.plain(),
            "skills": self.skills,
            "base_accuracy": self.base_accuracy.tolist(),
            "reference": self.reference.tolist(),
            "phase": self.phase,
            "generation": self.generation,
            "n_born": self.n_born,
            "ancestor": self.ancestor,
            "study_from": self.study_from,
            "moments": self.moments,
            "skill_hits": self.skill_hits.tolist(),
            "skill_asked": self.skill_asked.tolist(),
            "teacher": self.teacher,
            "islands": [island.plain() for island in self.islands],
            "founders": [candidate.plain() for candidate in self.founders],
            "taxonomy": self.taxonomy.state(),
            "phylogeny": self.phylogeny.state(),
            "failures": self.failures,
            "cast": self.cast,
            "answers": self.answers,
        }

    @classmethod
    def restore(cls, data: dict[str, Any]) -> Evolution:
        """What `plain` wrote."""
        islands = [Island.restore(one) for one in data["islands"]]
        alive = {c.id: c for island in islands for c in island.candidates}
        founders = [Candidate.restore(one) for one in data["founders"]]
        return cls(
            parse_config(data["config"], "the checkpoint"),
            tuple(data["skills"]),
            np.array(data["base_accuracy"]),
            np.array(data["reference"]),
            data["phase"],
            data["generation"],
            data["n_born"],
            data["ancestor"],
            data["study_from"],
            tuple(data["moments"]) if data["moments"] else None,
            np.array(data["skill_hits"]),
            np.array(data["skill_asked"]),
            data["teacher"],
            islands,
            [alive.get(c.id, c) for c in founders],
            Taxonomy.restore(data["taxonomy"]),
            Phylogeny.restore(data["phylogeny"]),
            data["failures"],
            list(data["cast"]),
            data["answers"],
        )


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
            self,
            id=number,
            parents=(self.id,),
            operator="migration",
            hits=self.hits.copy(),
            asked=self.asked.copy(),
            prior=self.prior.copy(),
            results=self.results.copy(),
        )

    def plain(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "id": self.id,
            "layers": self.genes.layers,
            "weights": self.genes.weights,
            "parents": self.parents,
            "born": self.born,
            "operator": self.operator,
            "niche": self.niche,
            "line": self.line,
            "prior": self.prior.tolist(),
            "hits": self.hits.tolist(),
            "asked": self.asked.tolist(),
            "species": self.species,
            "results": self.results.tolist(),
        }

    @classmethod
    def restore(cls, data: dict[str, Any]) -> Candidate:
        """What `plain` wrote."""
        genes = Genes(tuple(data["layers"]), tuple(data["weights"]))
        return cls(
            data["id"],
            genes,
            tuple(data["parents"]),
            data["born"],
            data["operator"],
            data["niche"],
            data["line"],
            np.array(data["prior"], dtype=float),
            np.array(data["hits"], dtype=float),
            np.array(data["asked"], dtype=float),
            data["species"],
            np.array(data["results"], dtype=float),
        )


class LayerPool:
    """Content-addressed layers of one base model."""

    def __init__(self, base_model: str, folder: Path | None = None) -> None:
        self.base_model = base_model
        self.folder = folder
        """Where `save` writes; None = memory only."""
        self._layers: dict[str, Layer] = {}

    def __len__(self) -> int:
        return len(self._layers)

    def add(self, layer: Layer) -> str:
        """Keep a layer; returns its digest."""
        self._layers.setdefault(layer.digest, layer)
        return layer.digest

    def get(self, digest: str) -> Layer:
        """A layer by digest, read from disk if need be.

        Raises:
            RunCorruptError: Its file is missing, damaged, or holds another layer.
        """
        if digest not in self._layers:
            self._layers[digest] = self._read(digest)
        return self._layers[digest]

    def save(self, digests: Iterable[str]) -> None:
        """Write the layers that are not on disk yet; raises OSError if the disk will not."""
        if self.folder is None:
            return
        for digest in digests:
            path = self._path(digest)
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                write_atomically(path, partial(save_tensors, _tensors(self._layers[digest])))

    def keep_only(self, digests: Iterable[str]) -> None:
        """Forget all others, on disk too."""
        kept = set(digests)
        self._layers = {d: layer for d, layer in self._layers.items() if d in kept}
        if self.folder is not None and self.folder.exists():
            for path in self.folder.glob("*.safetensors"):
                if path.stem not in kept:
                    path.unlink(missing_ok=True)

    def _path(self, digest: str) -> Path:
        assert self.folder is not None
        return self.folder / f"{digest}.safetensors"

    def _read(self, digest: str) -> Layer:
        if self.folder is None:
            raise RunCorruptError(f"layer {digest[:12]} is not in this run: start it again")
        path = self._path(digest)
        try:
            tensors = load_file(path)
            modules = sorted(key.removesuffix(".A") for key in tensors if key.endswith(".A"))
            layer = Layer(
                self.base_model,
                {m: Factors(tensors[f"{m}.A"], tensors[f"{m}.B"]) for m in modules},
            )
        except (OSError, SafetensorError, KeyError, ValueError) as error:
            raise RunCorruptError(f"the layer {path} cannot be read ({error})") from None
        if layer.digest != digest:
            raise RunCorruptError(f"the layer {path} holds other numbers than its name says")
        return layer


def _tensors(layer: Layer) -> dict[str, torch.Tensor]:
    tensors = {}
    for module, factors in layer.factors.items():
        tensors[f"{module}.A"], tensors[f"{module}.B"] = factors.a, factors.b
    return tensors
