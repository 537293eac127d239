"""A base that knows nothing and runs small enough for tests; no network, no files."""

from __future__ import annotations

from typing import Any

import numpy as np

from academy.evaluator import LocalEvaluator
from academy.evolution.config import RunConfig
from academy.evolution.state import Evolution, LayerPool
from academy.evolution.workbench import Budget, Workbench
from academy.selection import demand
from academy.sources.opening import open_source
from genome.base_model import BaseModel


def small_run(**sections: dict[str, Any]) -> RunConfig:
    """An evolution of a second or two: every phase and operator happens, little is learned."""
    settings: dict[str, dict[str, Any]] = {
        "run": {"tokens": 30_000, "threads": 1, "source": "builtin:reverse,sort,count"},
        "population": {"size": 4, "births": 4, "items": 2, "audition": 0.05},
        "ancestor": {"share": 0.3, "rank": 4, "rows": 8},
        "operators": {
            "names": (
                "memetic-4",
                "merge",
                "extrapolate",
                "split",
                "ties",
                "dare",
                "knots",
                "spectral",
                "noise",
                "rank-up",
                "rank-down",
                "weights",
                "drop",
            ),
            "rank": 2,
            "rows": 4,
        },
        "species": {"target": 3},
    }
    for name, keys in sections.items():
        settings[name] = {**settings.get(name, {}), **keys}
    return RunConfig().with_(**settings)


def bench_of(base: BaseModel, source: str = "builtin:reverse,sort,count") -> Workbench:
    """What a run works with, without a run and without a limit."""
    opened = open_source(source)
    evaluator = LocalEvaluator(base)
    return Workbench(
        base,
        evaluator,
        opened,
        LayerPool(base.fingerprint),
        Budget(10**9, evaluator.tokens),
        demand.even(opened.skills),
    )


def run_of(bench: Workbench, config: RunConfig | None = None) -> Evolution:
    """A run that has not begun."""
    n = len(bench.skills)
    run = Evolution(config or small_run(), bench.skills, np.zeros(n))
    run.skill_hits, run.skill_asked = np.zeros(n), np.zeros(n)
    return run
