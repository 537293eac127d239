"""The champion of every living species: examined, stored, exported, made a persona."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from academy.challenge import Challenge
from academy.evaluator import LocalEvaluator
from academy.evolution.state import Candidate, Evolution, LayerPool
from academy.exam import (
    ExamResult,
    Terms,
    exam_sheet,
    few_shot_base,
    sit_exam,
)
from academy.routing import ability_vectors, calibrate_advice
from academy.run_folder import RunFolder
from academy.skills.curriculum import curriculum, skill_named
from academy.skills.skill import unique_questions
from academy.sources.opening import open_source
from academy.sources.source import ChallengeSource
from academy.species.species import Species
from economy.examined import Examined, stated
from genome.base_model import BaseModel
from genome.embedding import searchable_text
from genome.files import write_folder_once
from genome.genome import Genome
from genome.layer import Layer
from genome.library import Library, Manifest
from genome.search.question_encoder import QuestionEncoder
from persona.persona import Persona, PersonaStore
from tui.jobs.settings import DemoPlan
from tui.jobs.show import Show


@dataclass(frozen=True)
class Specialist:
    """A living species' champion and how it did on unseen questions of its niche."""

    name: str
    niche: str
    population: int
    born: int
    exam: Examined
    layer: Layer
    vector: np.ndarray
    few_shot: ExamResult | None = None
    """The base on the same questions after examples; None = it was not asked so."""

    @property
    def result(self) -> ExamResult:
        return self.exam.result

    @property
    def base_result(self) -> ExamResult:
        return self.exam.base

    @property
    def lift(self) -> float:
        return self.result.accuracy - self.base_result.accuracy

    def facts(self) -> dict[str, Any]:
        """What the summary says of it."""
        return {
            "name": self.name,
            "niche": self.niche,
            "population": self.population,
            "born": self.born,
            "test_accuracy": round(self.result.accuracy, 4),
            "test_interval": [round(bound, 4) for bound in self.result.interval],
            "base_accuracy": round(self.base_result.accuracy, 4),
            "base_interval": [round(bound, 4) for bound in self.base_result.interval],
            **({"few_shot_accuracy": round(self.few_shot.accuracy, 4)} if self.few_shot else {}),
            "n_questions": self.result.n_questions,
            "layer": self.layer.digest,
        }


@dataclass(frozen=True)
class Specialists:
    """All of them, with what is needed to search among them."""

    species: list[Specialist]
    encoder: QuestionEncoder


def examine_species(
    base: BaseModel, run: Evolution, plan: DemoPlan, folder: RunFolder, show: Show
) -> Specialists:
    """Open the test split for every species with a niche, and put its champion on the shelf."""
    pool = LayerPool(base.fingerprint, folder.path / "layers")
    show.phase("library", 0, 4)
    encoder = fit_encoder(base, plan.seed)
    show.phase("library", 1, 4)
    evaluator = LocalEvaluator(base)
    heads = champions(run)
    genomes = [head.genes.genome(pool) for _, head in heads]
    texts = [
        searchable_text(kind.name, str(kind.niche), skill_named(str(kind.niche)).description)
        for kind, _ in heads
    ]
    vectors: Sequence[np.ndarray] = ()
    if genomes:
        n = plan.sizes.vector_questions
        vectors = list(ability_vectors(evaluator, encoder, genomes, texts, n))
    show.phase("library", 2, 4)
    source = open_source(plan.evolution.run.source)
    species = []
    for i, ((kind, _), genome, vector) in enumerate(zip(heads, genomes, vectors, strict=True)):
        show.phase("exams", i, len(heads))
        assert kind.niche is not None
        sheet = exam_sheet(kind.niche, plan.sizes.niche_exam)
        own = partial(_sat, evaluator, genome, sheet)
        bases = partial(_base_sat, evaluator, sheet, source, plan.sizes.few_shot)
        right = [  # the base's own once for all species of a niche
            *folder.step(f"niche-exam-{kind.name}", own)["right"],
            *folder.step(f"niche-exam-base-{kind.niche}", bases)["right"],
        ]
        results = [ExamResult(len(sheet), n) for n in right]
        exam = stated(evaluator, genome, kind.niche, sheet, results[:2])
        members = sum(c.species == kind.id for c in run.population)
        species.append(
            Specialist(
                kind.name,
                kind.niche,
                members,
                kind.born,
                exam,
                genome.layers[-1],
                vector,
                *results[2:],
            )
        )
    show.phase("exams", len(heads), len(heads))
    species.sort(key=lambda s: (-s.result.accuracy, s.name))
    show.phase("library", 3, 4)
    shelf = Specialists(species, encoder)
    _store(base, shelf, plan)
    show.phase("library", 4, 4)
    return shelf


def _sat(
    evaluator: LocalEvaluator, genome: Genome, sheet: Sequence[Challenge]
) -> dict[str, list[int]]:
    """How many a genome got right."""
    return {"right": [one.n_correct for one in sit_exam(evaluator, [genome], sheet)]}


def _base_sat(
    evaluator: LocalEvaluator, sheet: Sequence[Challenge], source: ChallengeSource, n_shots: int
) -> dict[str, list[int]]:
    """How many the base got right, alone and after examples where any are shown."""
    right = _sat(evaluator, Genome(evaluator.base.fingerprint), sheet)["right"]
    few = few_shot_base(evaluator, Terms(), source, sheet, n_shots)
    return {"right": [*right, *([few[0].n_correct] if few else [])]}


def champions(run: Evolution) -> list[tuple[Species, Candidate]]:
    """Every living species that has a niche, and its best member by select results."""
    found = []
    for species in run.taxonomy.species:
        members = [c for c in run.population if c.species == species.id]
        if species.niche is not None and members:
            niche = run.skills.index(species.niche)
            found.append((species, max(members, key=lambda c: (float(c.profile[niche]), -c.id))))
    return found


def fit_encoder(base: BaseModel, seed: int) -> QuestionEncoder:
    """An encoder whitened over unlabelled train questions."""
    taught = curriculum(base)
    rng = np.random.default_rng([seed, taught.sample_prompts])
    drawn = [unique_questions(s, "train", taught.sample_prompts, rng) for s in taught.skills]
    return QuestionEncoder.fit(base, [c.prompt for some in drawn for c in some])


def _store(base: BaseModel, shelf: Specialists, plan: DemoPlan) -> None:
    """Library, PEFT folders by name, and personas; doing it twice changes nothing."""
    library = Library.open(plan.out)
    library.save_encoder(shelf.encoder)
    store = PersonaStore(plan.out)
    store.keep(Persona("helper", base.fingerprint, (), "the base alone, mediocre at everything"))
    for specialist in shelf.species:
        description = skill_named(specialist.niche).description
        manifest = Manifest(
            name=specialist.name,
            base_model=base.fingerprint,
            description=description,
            receipts=(specialist.exam.receipt,),
        )
        digest = library.add(specialist.layer, manifest, base_model_path=base.path)
        library.set_vector(digest, specialist.vector, n_results=plan.sizes.vector_questions)
        export = plan.out / "layers" / specialist.name
        write_folder_once(export, partial(specialist.layer.to_peft, base_model_path=base.path))
        store.save(Persona(specialist.name, base.fingerprint, (digest,), description))
    if shelf.species:
        advice = calibrate_advice(
            shelf.encoder,
            library.encoder_id(base.fingerprint),
            np.stack([s.vector for s in shelf.species]),
            [s.niche for s in shelf.species],
            curriculum(base).names,
            plan.sizes.vector_questions,
        )
        if advice:
            library.save_calibration(advice)
