"""An evolution run in a home: run or resume it, then put its cast on the shelf.

    HOME/run/...            the run (`academy.evolution.run`)
    HOME/library, personas  the cast, one persona a member, with a receipt for each niche
The test split is opened here, once, for the receipts; evolution itself never sees it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from academy.diversity.species import noun
from academy.errors import RunMismatchError
from academy.evaluator import Evaluator, LocalEvaluator
from academy.evolution.candidate import Genes
from academy.evolution.config import RunConfig
from academy.evolution.config_file import parse_config
from academy.evolution.events import Observer
from academy.evolution.pool import LayerPool
from academy.evolution.run import RunResult, evolve
from academy.run_folder import RunFolder
from academy.sources.source import ChallengeSource, open_source
from genome.base_model import BaseModel
from genome.genome import Genome
from genome.library import Library, Manifest, Receipt
from persona.persona import Persona, PersonaStore
from seeds.load import embedded_base_path
from tui.jobs.proposals import proposed_layers

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
    base = BaseModel.load(config.run.base or embedded_base_path())
    source = open_source(config.run.source)
    evaluator = make_evaluator(base) if make_evaluator else LocalEvaluator(base)
    result = evolve(
        config, base=base, evaluator=evaluator, source=source, folder=RunFolder(home),
        observer=observer, found=proposed_layers(config, base, source, home),
    )  # fmt: skip
    exams = _examine(base, source, result)
    _store(base, source, home, result, exams)
    return {
        "cast": [
            {"persona": _name(member.niches[0]), "niches": list(member.niches),
             "accuracy": hits / n, "base_accuracy": base_hits / n, "questions": n}
            for member, (n, hits, base_hits) in zip(result.cast, exams, strict=True)
        ],
        "tokens": result.tokens.equivalents,
        "generations": result.run.generation,
        "failures": result.run.failures,
        "seconds": result.seconds,
    }  # fmt: skip


def saved_config(home: Path) -> RunConfig:
    """The settings of the run in a home.

    Raises:
        RunError: There is none, or it is not one of this kind.
    """
    folder = RunFolder(home)
    path = folder.path / "config.json"
    if not path.exists():
        raise RunMismatchError(f"there is no run in {home}: start one with `continuum academy run`")
    data = folder.read(path)
    sections = {key: value for key, value in data.items() if isinstance(value, dict)}
    return parse_config(sections, str(path))


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


def _examine(
    base: BaseModel, source: ChallengeSource, result: RunResult
) -> list[tuple[int, int, int]]:
    """Questions, right answers, the base's right answers: each member on its first niche."""
    evaluator = LocalEvaluator(base)
    counted = []
    for number, (member, genome) in enumerate(zip(result.cast, result.genomes, strict=True)):
        rng = np.random.default_rng([result.config.run.seed, 77, number])
        sheet = source.draw(member.niches[0], "test", EXAM, rng)
        own, bare = evaluator.scores([genome, Genome(base.fingerprint)], sheet)
        counted.append((len(sheet), int(own.sum()), int(bare.sum())))
    return counted


def _name(niche: str) -> str:
    """A persona's name: what a species of that niche is called, as a file name allows it."""
    return re.sub(r"[^a-z0-9._-]+", "-", noun(niche).lower()).strip("-._") or "persona"


def _store(
    base: BaseModel,
    source: ChallengeSource,
    home: Path,
    result: RunResult,
    exams: list[tuple[int, int, int]],
) -> None:
    """Library and personas; doing it twice changes nothing."""
    library = Library.open(home)
    store = PersonaStore(home)
    ancestor = result.run.ancestor
    for member, genome, (n, hits, base_hits) in zip(
        result.cast, result.genomes, exams, strict=True
    ):
        niche = member.niches[0]
        digests = []
        for layer in genome.layers:
            common = layer.digest == ancestor and len(genome.layers) > 1
            manifest = Manifest(
                name="ancestor" if common else _name(niche),
                base_model=base.fingerprint,
                description="what all species share" if common else source.describe(niche),
                receipts=() if common or n == 0 else (
                    Receipt(niche, n, n_correct=hits, n_base_correct=base_hits),
                ),
            )  # fmt: skip
            if layer.digest not in library:  # shared layers come once
                library.add(layer, manifest, base_model_path=base.path)
            digests.append(layer.digest)
        persona = Persona(_name(niche), base.fingerprint, tuple(digests), source.describe(niche))
        if any(weight != 1.0 for weight in genome.weights):
            persona = replace(persona, weights=genome.weights)
        store.save(persona)
