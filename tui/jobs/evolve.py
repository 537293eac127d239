"""An evolution run in a home: run or resume it, then put its cast on the shelf.

    HOME/run/...            the run (`academy.evolution.run`)
    HOME/library, personas  the cast, one persona a member, with a receipt for each niche
The test split is opened here, once, for the receipts; evolution itself never sees it.

Layers of the home's library that a run may stack: found by ability, once, when it begins.

The choice is written beside the run, so that a resumed run proposes the same layers whatever
has been added to the library since.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from academy.challenge import Challenge
from academy.errors import RunMismatchError, TooFewQuestionsError
from academy.evaluator import Evaluator, LocalEvaluator
from academy.evolution.checkpoint import Checkpoints
from academy.evolution.config import RunConfig, listed, parse_config
from academy.evolution.events import Observer
from academy.evolution.fitting import FittingSource
from academy.evolution.run import RunResult, asking, check_settings, evolve
from academy.evolution.state import Genes, LayerPool
from academy.run_folder import RunFolder
from academy.sources.checked import checked
from academy.sources.checks import name_from
from academy.sources.opening import open_source
from academy.sources.source import ChallengeSource
from academy.species.species import noun
from economy.demand import wanted
from economy.examined import Examined, examine
from genome.base_model import BaseModel
from genome.bases import Bases
from genome.files import write_json
from genome.genome import Genome
from genome.layer import Layer
from genome.library import Library, Manifest, Receipt
from persona.persona import Persona, PersonaStore, numbered
from seeds.bases import EMBEDDED, load_base, remember_base
from tui.jobs.run_report import SECTIONS, demo_command, is_evolution

NEEDED_BY = ("add", "swap")
EACH = 8
"""Layers proposed for a skill."""
QUESTION_SEED = 41_000

EXAM = 100
"""Test questions per niche of a persona's receipt."""
EvaluatorMaker = Callable[[BaseModel], Evaluator]


def run_evolution(
    config: RunConfig,
    home: Path,
    observer: Observer,
    *,
    make_evaluator: EvaluatorMaker | None = None,
) -> dict[str, Any]:
    """Run or resume; returns the facts that are printed.

    Raises:
        AcademyError, GenomeError, OSError: With one line to show.
    """
    torch.set_num_threads(config.run.threads)
    base = load_base(home, config.run.base or EMBEDDED)
    config = asking(config, base)
    source = checked(open_source(config.run.source))
    check_settings(config, base, source)
    evaluator = make_evaluator(base) if make_evaluator else LocalEvaluator(base)
    result = evolve(
        config,
        base=base,
        evaluator=evaluator,
        source=source,
        folder=RunFolder(home),
        observer=observer,
        found=proposed_layers(config, base, source, home),
        wanted=wanted(config, source, home),
    )
    exams = _examine(base, FittingSource(source, base), result)
    names = _store(base, source, home, result, exams)
    return {
        "cast": [
            {"persona": name, "niches": list(member.niches), **_told(exam)}
            for name, member, exam in zip(names, result.cast, exams, strict=True)
        ],
        "tokens": result.tokens.equivalents,
        "generations": result.run.generation,
        "failures": result.run.failures,
        "seconds": result.seconds,
    }


def saved_config(home: Path) -> RunConfig:
    """The settings of the run in a home; from its checkpoint if their file was deleted.

    Raises:
        RunError: There is none, or it is not one of this kind.
    """
    folder = RunFolder(home)
    path, states = folder.path / "config.json", Checkpoints(folder.path)
    if not path.exists() and states.exists():
        return states.config()
    if not path.exists():
        raise RunMismatchError(
            f"there is no run in {home}: start one with `continuum academy run standard`"
        )
    data = folder.read(path)
    if not is_evolution(data):
        raise RunMismatchError(
            f"the run in {home} is a demo's, which the Academy's commands do not know: "
            f"{demo_command(folder)} goes on with it, or use another --home"
        )
    return parse_config({key: data[key] for key in data if key in SECTIONS}, str(path))


def saved_genomes(home: Path, base: BaseModel) -> list[Genome]:
    """The cast of a finished run.

    Raises:
        RunError: It is not finished, or a layer is gone.
    """
    folder = RunFolder(home)
    path = folder.path / "result.json"
    if not path.exists():
        raise RunMismatchError(
            f"the run in {home} is not finished: `continuum academy resume --home {home}`"
        )
    pool = LayerPool(base.fingerprint, folder.path / "layers")
    genes = [member["genes"] for member in folder.read(path)["cast"]]
    return [Genes(tuple(g["layers"]), tuple(g["weights"])).genome(pool) for g in genes]


def _examine(base: BaseModel, source: ChallengeSource, result: RunResult) -> list[list[Examined]]:
    """Each member on its first niche, and its top layer alone where it is a stack.

    A stack's result is none of its top layer: what is kept, exported and sold is the layer.
    """
    evaluator = LocalEvaluator(base)
    exams = []
    for number, (member, genome) in enumerate(zip(result.cast, result.genomes, strict=True)):
        rng = np.random.default_rng([result.config.run.seed, 77, number])
        sheet: list[Challenge] = []
        with suppress(TooFewQuestionsError):  # a small file may have none to test with
            sheet = source.draw(member.niches[0], "test", EXAM, rng)
        alone = [Genome.of(layer) for layer in genome.layers[-1:]]
        examined = [genome, *(one for one in alone if one.digest != genome.digest)]
        exams.append([examine(evaluator, g, member.niches[0], sheet) for g in examined if sheet])
    return exams


def _told(exams: list[Examined]) -> dict[str, Any]:
    """What is printed of a member's exam; zeros where there was none."""
    if not exams:
        return {"accuracy": 0.0, "base_accuracy": 0.0, "ancestor_accuracy": None, "questions": 0}
    whole = exams[0]
    return {
        "accuracy": whole.result.accuracy,
        "base_accuracy": whole.base.accuracy,
        "ancestor_accuracy": whole.ancestor.accuracy if whole.ancestor else None,
        "questions": whole.result.n_questions,
    }


def _name(niche: str) -> str:
    """A persona's name: what a species of that niche is called, as a file name allows it."""
    return name_from(noun(niche), "persona")


def _store(
    base: BaseModel,
    source: ChallengeSource,
    home: Path,
    result: RunResult,
    exams: list[list[Examined]],
) -> list[str]:
    """Library and personas, whose names are returned; doing it twice changes nothing.

    A name that something else has already is left to it: the next free one is taken. A layer has
    the receipts of the first member that it is the top of, whoever came with it first.
    """
    library = Library.open(home)
    store = PersonaStore(home)
    remember_base(Bases(home), base)
    names = []
    beneath = {layer.digest for genome in result.genomes for layer in genome.layers[:-1]}
    receipts: dict[str, tuple[Receipt, ...]] = {}
    for genome, examined in zip(result.genomes, exams, strict=True):
        for layer in genome.layers[-1:]:
            receipts.setdefault(layer.digest, tuple(exam.receipt for exam in examined))
    for member, genome in zip(result.cast, result.genomes, strict=True):
        niche = member.niches[0]
        digests = []
        for layer in genome.layers:
            digests.append(layer.digest)
            if layer.digest in library:  # shared layers come once
                continue
            common = layer.digest == result.run.ancestor and layer.digest in beneath
            manifest = Manifest(
                name=free_name(library, "ancestor" if common else _name(niche)),
                base_model=base.fingerprint,
                description="what all species share" if common else source.describe(niche),
                receipts=receipts.get(layer.digest, ()),
            )
            library.add(layer, manifest, base_model_path=base.path)
        persona = Persona(_name(niche), base.fingerprint, tuple(digests), source.describe(niche))
        if any(weight != 1.0 for weight in genome.weights):
            persona = replace(persona, weights=genome.weights)
        names.append(store.keep(persona))
    return names


def free_name(library: Library, name: str) -> str:
    """The name, or the next like it that no layer of the library has."""
    return next(one for one in numbered(name) if not library.versions(one))


def proposed_layers(
    config: RunConfig, base: BaseModel, source: ChallengeSource, home: Path
) -> Mapping[str, Sequence[Layer]]:
    """For each skill the layers that search ranks first for one of its train questions.

    Empty where no operator wants any, or the library has nothing to be found by ability.

    Raises:
        LibraryError, LayerRejectedError: A layer that was proposed is gone or damaged.
    """
    wanted = {*config.operators.names, *config.operators.rates}
    wanted |= {name for one in config.islands.operators for name in listed(one)}
    if not wanted & set(NEEDED_BY) or not (home / "library").is_dir():
        return {}
    library = Library.open(home)
    path = RunFolder(home).path / "found.json"
    digests = RunFolder(home).read(path) if path.exists() else _searched(library, base, source)
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, digests)
    return {skill: [library.get(digest) for digest in some] for skill, some in digests.items()}


def _searched(library: Library, base: BaseModel, source: ChallengeSource) -> dict[str, list[str]]:
    if not library.encoder_id(base.fingerprint):
        return {}
    encoder = library.encoder(base)
    found: dict[str, list[str]] = {}
    for number, skill in enumerate(source.skills):
        rng = np.random.default_rng([QUESTION_SEED, number])
        asked = source.draw(skill, "train", 1, rng)
        hits = [
            hit
            for question in asked
            for hit in library.search(
                question.prompt, encoder=encoder, base_model=base.fingerprint, k=EACH
            )
        ]
        found[skill] = [hit.digest for hit in hits]
    return found
