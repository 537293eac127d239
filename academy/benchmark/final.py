"""The only code that asks test questions: every finished cell's answer, once, at the end.

    OUT/results/A-academy-1.json    scores of one answer on the track's test sheet
Selecting and testing are different commands of different modules; a cell's record has no test
score that a method could have seen.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from academy.benchmark.methods.search import by_skill as means_by_skill
from academy.benchmark.tracks import TRACKS, Tier, Track, sheet, source_of
from academy.challenge import Challenge
from academy.errors import RunCorruptError
from academy.evaluator import LocalEvaluator
from academy.evolution.cast import Router, fit_router
from academy.evolution.state import LayerPool
from academy.sources.builtin import BuiltinSource
from academy.training import TokenMeter
from genome.base_model import BaseModel
from genome.files import write_json
from genome.genome import Genome

COVERED = 0.9
ROUTER_SEED = 31_001


def open_test(
    base: BaseModel, tier: Tier, out: Path, note: Callable[[str], None] = lambda _: None
) -> list[dict[str, Any]]:
    """Test every cell that has not been tested; the results of all.

    Raises:
        RunCorruptError: A record cannot be read.
    """
    pool = LayerPool(base.fingerprint, out / "layers")
    routers: dict[Track, Router] = {}
    for path in sorted((out / "cells").glob("*.json")):
        target = out / "results" / path.name
        if target.exists():
            continue
        cell = _read(path)
        if cell["tier"] != tier.name or cell["base"] != base.fingerprint:
            raise RunCorruptError(
                f"{path} is of tier {cell['tier']} and base {cell['base']}, not {tier.name} and "
                f"{base.fingerprint}: give another --out"
            )
        track: Track = cell["track"]
        if track not in routers:
            routers[track] = shared_router(base, track)
        note(path.stem)
        write_json(target, _tested(base, tier, cell, pool, routers[track]))
    return [_read(path) for path in sorted((out / "results").glob("*.json"))]


def shared_router(base: BaseModel, track: Track) -> Router:
    """The same encoder and centres for every method's answer; only the tables differ."""
    source = source_of(track)
    rng = np.random.default_rng([ROUTER_SEED, TRACKS.index(track)])
    return fit_router(base, source, [0] * len(source.skills), rng, TokenMeter())


def _tested(
    base: BaseModel, tier: Tier, cell: dict[str, Any], pool: LayerPool, router: Router
) -> dict[str, Any]:
    track: Track = cell["track"]
    items, item_skill = sheet(track, "test", tier.test_items)
    n = len(source_of(track).skills)
    genomes = [
        Genome(base.fingerprint, tuple(pool.get(d) for d in a["layers"]), tuple(a["weights"]))
        for a in cell["answer"]
    ]
    evaluator = LocalEvaluator(base)
    table = np.array(cell["table"] if len(cell["table"]) == n else [0] * n)
    sent = table[router.skills([c.prompt for c in items])]
    routed = _answered(evaluator, genomes, items, sent)
    told = _answered(evaluator, genomes, items, table[item_skill])
    by_niche = means_by_skill(told[None], item_skill, n)[0]
    selected, select_skill = sheet(track, "select", tier.select_items)
    chosen = _answered(evaluator, genomes, selected, table[select_skill])
    result = {
        key: cell[key] for key in ("track", "method", "seed", "tier", "tokens", "budget", "seconds")
    }
    result |= {key: cell.get(key, "") for key in ("code", "at")}  # older cells do not say
    by_skill = means_by_skill(routed[None], item_skill, n)[0]
    return {
        **result,
        "by_skill": by_skill.tolist(),
        "mean": float(by_skill.mean()),
        "worst": float(by_skill.min()),
        "told_mean": float(by_niche.mean()),
        "covered": float((by_niche >= COVERED).mean()),
        "covered_skills": [
            s for s, x in zip(source_of(track).skills, by_niche, strict=True) if x >= COVERED
        ],
        "select_mean": float(means_by_skill(chosen[None], select_skill, n).mean()),
        "members": len(genomes),
        "layer_bytes": int(sum(layer.n_bytes for layer in _distinct(genomes))),
        "retention": _retention(base, evaluator, genomes) if track == "B" else None,
        "curve": cell["curve"],
    }


def _answered(
    evaluator: LocalEvaluator,
    genomes: Sequence[Genome],
    items: Sequence[Challenge],
    members: np.ndarray,
) -> np.ndarray:
    """Each question by one member only, (n_items,)."""
    scores = np.zeros(len(items))
    for i in np.unique(members):
        mine = np.flatnonzero(members == i)
        scores[mine] = evaluator.scores([genomes[int(i)]], [items[int(j)] for j in mine])[0]
    return scores


def _retention(base: BaseModel, evaluator: LocalEvaluator, genomes: Sequence[Genome]) -> float:
    """Track B: mean accuracy left on the built-in skills, over the members of the answer."""
    rng = np.random.default_rng(ROUTER_SEED)
    source = BuiltinSource()
    items = [c for skill in source.skills for c in source.draw(skill, "test", 10, rng)]
    return float(evaluator.scores(genomes, items).mean())


def _distinct(genomes: Sequence[Genome]) -> list[Any]:
    return list({layer.digest: layer for g in genomes for layer in g.layers}.values())


def _read(path: Path) -> dict[str, Any]:
    try:
        data: dict[str, Any] = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise RunCorruptError(f"{path} cannot be read ({error}): delete it, run again") from None
    return data
