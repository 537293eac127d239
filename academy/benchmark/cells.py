"""One (track, method, seed) at a time: run it, keep its answer, never look at test questions.

    OUT/cells/A-academy-1.json     what it answered, spent and reported; its presence = done
    OUT/layers/<digest>            the layers that answers are made of
    OUT/experts-*.json             the shared experts

Cells are independent, so a benchmark can be stopped, resumed, and run in pieces or in several
processes.

Each record says which code made it, and when.
"""

from __future__ import annotations

import hashlib
import subprocess
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from academy.benchmark.experts import best_by_skill, shared_experts, train_experts
from academy.benchmark.methods.cycleqd import CycleQD
from academy.benchmark.methods.eggroll import Eggroll
from academy.benchmark.methods.genome_plus import GenomePlus
from academy.benchmark.methods.gradient import JointLora, RoutedExperts
from academy.benchmark.methods.knots_ties import KnotsTies
from academy.benchmark.methods.lorahub import LoraHub
from academy.benchmark.methods.model_swarms import ModelSwarms
from academy.benchmark.methods.random_search import RandomSearch
from academy.benchmark.methods.search import BaseAlone, BestExpert, ExactMean
from academy.benchmark.ours import FIRST_SHARE, VARIANTS, Ancestors, run_variant
from academy.benchmark.problem import Answer, Method
from academy.benchmark.purse import Purse
from academy.benchmark.tracks import TRACKS, Tier, Track, sheet, source_of
from academy.errors import ConfigError
from academy.evolution.state import LayerPool
from academy.evolution.workbench import scoring_cost
from academy.sources.builtin import BuiltinSource
from genome.base_model import BaseModel
from genome.files import write_json
from genome.genome import Genome

ROUTED_MEMBERS = 24
"""An answer of many genomes is scored once at the end, which is kept back from its budget."""
JOINT = {"joint-lora": 0.01, "joint-lora-matched": 0.002}
"""Learning rates, the best of 0.002, 0.005 and 0.01 for ranks 8 and 96 (docs/experiments)."""
OURS_MAIN = ("academy", "academy-gradient-free", "academy-random")


@dataclass(frozen=True)
class Cell:
    """One run of one method."""

    track: Track
    method: str
    seed: int

    @property
    def name(self) -> str:
        return f"{self.track}-{self.method}-{self.seed}"


def peers() -> dict[str, Method]:
    """Every baseline and peer that takes no gradient step, in the order of the tables."""
    methods: tuple[Method, ...] = (
        BaseAlone(),
        BestExpert(),
        ExactMean(),
        KnotsTies(),
        LoraHub("cma", "factors"),
        LoraHub("cma", "exact"),
        LoraHub("cobyla", "factors"),
        LoraHub("cobyla", "exact"),
        ModelSwarms("factors"),
        ModelSwarms("exact"),
        CycleQD(),
        CycleQD("router"),
        GenomePlus(),
        GenomePlus(succession=False),
        Eggroll(),
        RandomSearch(),
    )
    return {method.name: method for method in methods}


def main_methods() -> list[str]:
    """Every competitor, ours included, ablations left out."""
    return [*OURS_MAIN, *JOINT, "specialists", "routed-experts", *peers()]


def ablations() -> list[str]:
    """Variants of ours that differ in one thing."""
    return [name for name in VARIANTS if name not in OURS_MAIN]


def gradient_free() -> list[str]:
    """The peers and baselines that take no gradient step, after the same identical experts."""
    return ["routed-experts", *peers()]


def cells(
    methods: Sequence[str], seeds: Iterable[int], tracks: Sequence[Track] = TRACKS
) -> list[Cell]:
    """All combinations, seed by seed, so that a part is already a comparison.

    Raises:
        ConfigError: There is no method of that name.
    """
    known = [*main_methods(), *ablations()]
    for method in methods:
        if method not in known:
            raise ConfigError(f"there is no method {method!r}: choose among {', '.join(known)}")
    return [Cell(t, m, s) for s in seeds for t in tracks for m in methods]


def run_cell(
    base: BaseModel, tier: Tier, cell: Cell, out: Path, ancestors: Ancestors | None = None
) -> dict[str, Any]:
    """Run one cell and write its record; does nothing if it is there.

    Args:
        ancestors: Shared between our variants of one seed; its time counts for the first.
    """
    path = out / "cells" / f"{cell.name}.json"
    if path.exists():
        return {}
    began = time.perf_counter()
    record = (
        _ours(base, tier, cell, out, ancestors)
        if cell.method in VARIANTS
        else _specialists(base, tier, cell, out)
        if cell.method == "specialists"
        else _peer(base, tier, cell, out)
    )
    record |= {
        "track": cell.track,
        "method": cell.method,
        "seed": cell.seed,
        "tier": tier.name,
        "budget": tier.tokens[cell.track],
        "seconds": round(time.perf_counter() - began, 1),
        "base": base.fingerprint,
        **provenance(),
    }
    write_json(path, record)
    return record


def _ours(
    base: BaseModel, tier: Tier, cell: Cell, out: Path, ancestors: Ancestors | None
) -> dict[str, Any]:
    variant = VARIANTS[cell.method]
    experts = shared_experts(base, tier, cell.track, cell.seed, out)
    answer = run_variant(variant, base, tier, cell.track, cell.seed, experts, ancestors)
    result = answer.result
    table = [int(i) for i in result.router.table] if result.router else [0]
    genomes = result.genomes
    if not variant.routed:
        best = max(result.run.population, key=lambda c: float(c.profile.mean()))
        genomes, table = [best.genes.genome(_pool_of(result.genomes, base))], [0]
    return {
        **_kept(base, genomes, out),
        "table": table,
        "tokens": answer.tokens,
        "curve": answer.curve,
        "species": len(result.run.taxonomy.species),
        "phases": {k: round(v, 1) for k, v in result.seconds.items()},
    }


def _pool_of(genomes: Sequence[Genome], base: BaseModel) -> LayerPool:
    pool = LayerPool(base.fingerprint)
    for genome in genomes:
        for layer in genome.layers:
            pool.add(layer)
    return pool


def _specialists(base: BaseModel, tier: Tier, cell: Cell, out: Path) -> dict[str, Any]:
    """Routed experts with the whole budget: isolated training, no evolution."""
    items, item_skill = sheet(cell.track, "select", tier.select_items)
    source = source_of(cell.track)
    n = len(source.skills)
    first = BuiltinSource() if cell.track == "B" else source
    asking = scoring_cost(base, n + len(first.skills) * (cell.track == "B"), items)
    budget = tier.tokens[cell.track] - asking
    if cell.track == "B":
        made = train_experts(
            base, first, budget=int(FIRST_SHARE * budget), rank=tier.rank, seed=cell.seed
        )
        more = train_experts(
            base, source, budget=budget - made.tokens, rank=tier.rank, seed=cell.seed
        )
        layers, spent = (*made.layers, *more.layers), made.tokens + more.tokens
    else:
        made = train_experts(base, source, budget=budget, rank=tier.rank, seed=cell.seed)
        layers, spent = made.layers, made.tokens
    purse = Purse(base, source, layers, items, item_skill, tier.tokens[cell.track] * 2, spent)
    genomes = [Genome.of(layer) for layer in layers]
    table = best_by_skill(purse.scores(genomes), item_skill, n)
    return {**_kept(base, genomes, out), "table": list(table), "tokens": purse.spent, "curve": []}


def _peer(base: BaseModel, tier: Tier, cell: Cell, out: Path) -> dict[str, Any]:
    """A method that sees a `Problem`; on track B single answers are sought skill by skill."""
    experts = shared_experts(base, tier, cell.track, cell.seed, out)
    items, item_skill = sheet(cell.track, "select", tier.select_items)
    source = source_of(cell.track)
    method = _method(cell.method, base, tier, len(experts.layers))
    purse = Purse(
        base,
        source,
        experts.layers,
        items,
        item_skill,
        tier.tokens[cell.track],
        0 if cell.method in JOINT else experts.tokens,
        first=BuiltinSource() if cell.track == "B" else None,
        first_share=FIRST_SHARE,
    )
    rng = np.random.default_rng([cell.seed, _number(cell.method)])
    if cell.track == "B" and cell.method not in JOINT:
        return _skill_by_skill(base, method, purse, rng, out)
    reserve = _reserve(purse) if _may_route(cell.method) else 0
    purse.budget -= reserve
    answer = method.run(purse, rng)
    purse.budget += reserve
    return _recorded(base, answer, purse, out)


def _skill_by_skill(
    base: BaseModel, method: Method, purse: Purse, rng: np.random.Generator, out: Path
) -> dict[str, Any]:
    """LoraHub's setting: one search for every unseen task, each with its part of what is left."""
    genomes: list[Genome] = []
    share = purse.left // len(purse.skills)
    spent = purse.spent
    curves = []
    for k in range(len(purse.skills)):
        part = purse.of_skill(k, share)
        reserve = _reserve(part) if _may_route(method.name) else 0
        part.budget -= reserve
        answer = method.run(part, rng)
        part.budget += reserve
        best = int(part.scores(answer.genomes).mean(1).argmax()) if len(answer.genomes) > 1 else 0
        genomes.append(answer.genomes[best])
        curves.append(part.curve)
        spent += part.spent
    return {
        **_kept(base, genomes, out),
        "table": list(range(len(genomes))),
        "tokens": spent,
        "curve": _mean_curve(curves),
    }


def _recorded(base: BaseModel, answer: Answer, purse: Purse, out: Path) -> dict[str, Any]:
    n = len(purse.skills)
    table = [0] * n
    if answer.routing == "router":
        scores = purse.scores(answer.genomes[:ROUTED_MEMBERS])
        table = list(best_by_skill(scores, purse.item_skill, n))
    return {
        **_kept(base, answer.genomes[:ROUTED_MEMBERS], out),
        "table": table,
        "tokens": purse.spent,
        "curve": purse.curve,
    }


def _method(name: str, base: BaseModel, tier: Tier, n_experts: int) -> Method:
    if name in JOINT:
        rank = tier.rank * n_experts if name.endswith("matched") else tier.rank
        return JointLora(rank, base.linear_shapes, rate=JOINT[name], name=name)
    if name == "routed-experts":
        return RoutedExperts()
    return peers()[name]


def _may_route(name: str) -> bool:
    return "router" in name or name == "routed-experts"


def _reserve(purse: Purse) -> int:
    widest = max(len(row) for row in purse.base.prompt_ids([c.prompt for c in purse.items])) + 16
    return ROUTED_MEMBERS * len(purse.items) * widest


def _kept(base: BaseModel, genomes: Sequence[Genome], out: Path) -> dict[str, Any]:
    """Write an answer's layers; its genomes by digest."""
    pool = LayerPool(base.fingerprint, out / "layers")
    digests = [[pool.add(layer) for layer in genome.layers] for genome in genomes]
    pool.save({digest for one in digests for digest in one})
    return {
        "answer": [
            {"layers": one, "weights": list(genome.weights)}
            for one, genome in zip(digests, genomes, strict=True)
        ]
    }


def _mean_curve(curves: Sequence[Sequence[tuple[int, float]]]) -> list[tuple[int, float]]:
    """Mean of the incumbents' merits over skills, at the end of each search only."""
    last = [curve[-1] for curve in curves if curve]
    if not last:
        return []
    return [(sum(at for at, _ in last), float(np.mean([merit for _, merit in last])))]


def _number(text: str) -> int:
    return int(hashlib.sha256(text.encode()).hexdigest()[:8], 16)


def provenance() -> dict[str, str]:
    """`code` and `at` (ISO 8601, UTC), for a raw record."""
    return {"code": code_version(), "at": datetime.now(UTC).isoformat(timespec="seconds")}


@cache
def code_version() -> str:
    """The commit this code is from, `+` when it was changed since; the release if installed."""
    command = ["git", "describe", "--always", "--dirty=+", "--exclude=*"]
    here = Path(__file__).parent
    try:
        tracked = ["git", "ls-files", "--error-unmatch", Path(__file__).name]
        subprocess.run(tracked, cwd=here, capture_output=True, check=True)  # not somebody else's
        run = subprocess.run(command, cwd=here, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return version("continuum-personas")
    return run.stdout.strip()
