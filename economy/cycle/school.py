"""The Academy's side of an epoch: a short evolution, led by demand, from what is on the market.

Founders are the lines' layers and a blank one; niches are drawn by demand and learnability, and
selection asks where demand is. What beats its line on fresh audit questions is examined on the
test split and handed over for publication, with the layer it was bred from as its parent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from academy.evaluator import LocalEvaluator
from academy.evolution.config import RunConfig
from academy.evolution.run import RunResult, evolve
from academy.exam import exam_sheet
from academy.operators.noise import random_layer
from academy.selection.demand import Demand
from academy.skills.letters import SKILL_NAMES
from academy.sources.builtin import BuiltinSource
from economy.examined import examine
from genome.base_model import BaseModel
from genome.genome import Genome
from genome.layer import Layer
from marketplace.market import ReceiptFacts

RANK = 8
TRY_OUT = 60
"""Audit questions that a new layer and its line both answer before anything is published."""
MARGIN = 0.02
"""By how much it has to be better there."""


@dataclass(frozen=True)
class Graduate:
    """A layer worth publishing."""

    skill: str
    layer: Layer
    parent: Layer | None
    """What it was bred from, if that is on the market."""
    receipt: ReceiptFacts


def school_epoch(
    base: BaseModel,
    lines: Mapping[str, Layer],
    demand: Mapping[str, float],
    tokens: int,
    exam: int,
    seed: int,
) -> tuple[list[Graduate], dict[str, int], int]:
    """Evolve for one epoch.

    Args:
        lines: The layer on the market for each skill that has one.
        demand: Weight of each skill; those left out are not asked for.
        tokens: Budget in token-equivalents.

    Returns:
        What is worth publishing, the living population by best skill, and tokens spent.
    """
    config = RunConfig().with_(
        run={"tokens": tokens, "seed": seed, "threads": 1},
        ancestor={"share": 0.0},
        population={"size": max(6, len(lines) + 3), "births": 6, "items": 4, "audition": 0.08},
        operators={
            "names": ("memetic-64", "memetic-16"),
            "rank": RANK,
            "rows": 12,
            "max_layers": 1,
            "learning_rate": 0.005,
        },
        routing={"enabled": False},
    )
    rng = np.random.default_rng([seed, 1])
    blank = random_layer(base.fingerprint, base.linear_shapes, RANK, 0.0, rng)
    founders = [*dict.fromkeys(lines.values()), blank]
    weights = tuple(demand.get(skill, 0.0) for skill in SKILL_NAMES)
    result = evolve(
        config,
        base=base,
        evaluator=LocalEvaluator(base),
        source=BuiltinSource(),
        founders=founders,
        wanted=Demand(SKILL_NAMES, weights),
    )
    counts: dict[str, int] = {}
    for candidate in result.run.population:
        best = SKILL_NAMES[int((candidate.profile - result.run.base_accuracy).argmax())]
        counts[best] = counts.get(best, 0) + 1
    found = _graduates(base, result, lines, exam, seed, {s for s in demand if demand[s] > 0})
    return found, counts, result.tokens.equivalents


def _graduates(
    base: BaseModel,
    result: RunResult,
    lines: Mapping[str, Layer],
    exam: int,
    seed: int,
    wanted: set[str],
) -> list[Graduate]:
    evaluator = LocalEvaluator(base)
    source = BuiltinSource()
    known = {layer.digest: layer for layer in lines.values()}
    found: list[Graduate] = []
    for member, genome in zip(result.cast, result.genomes, strict=True):
        layer = genome.layers[-1]
        for number, skill in enumerate(member.niches):
            if skill not in wanted or layer.digest in known:
                continue
            rng = np.random.default_rng([seed, 2, number])
            asked = source.draw(skill, "audit", TRY_OUT, rng)
            rival = Genome.of(lines[skill]) if skill in lines else Genome(base.fingerprint)
            new, old = evaluator.scores([Genome.of(layer), rival], asked).mean(1)
            if new < old + MARGIN or any(g.layer.digest == layer.digest for g in found):
                continue
            parent = _bred_from(result, member.candidate, known)
            found.append(Graduate(skill, layer, parent, _receipt(evaluator, layer, skill, exam)))
    return found


def _bred_from(result: RunResult, number: int, known: Mapping[str, Layer]) -> Layer | None:
    """The nearest forebear that is on the market."""
    by_id = {c.id: c for c in (*result.run.population, *result.run.founders)}
    founder = by_id[number].line
    line = next((c for c in result.run.founders if c.id == founder), None)
    return None if line is None else known.get(line.genes.layers[-1])


def _receipt(evaluator: LocalEvaluator, layer: Layer, skill: str, n: int) -> ReceiptFacts:
    return examine(evaluator, Genome.of(layer), skill, exam_sheet(skill, n)).facts
