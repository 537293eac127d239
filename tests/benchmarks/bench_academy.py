"""Where a run's time goes with 100 personas: the model, or everything around it.

    python -m tests.benchmarks.bench_academy

The bar: time outside forward and backward passes is at most 15 % of a run that is saved after
every generation.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from academy.evolution import engine, generation, run, society
from academy.evolution.config import load_config
from academy.run_folder import RunFolder
from genome.base_model import BaseModel
from seeds.bases import embedded_base_path
from tests.benchmarks.measure import Board

PHASES: dict[str, tuple[Any, str]] = {
    "survival": (society, "survive"),
    "species": (society, "speciate"),
    "archive and bandit": (generation, "remember"),
    "conceiving children": (generation, "_conceive"),
    "checkpoint": (run, "_save"),
    "audition and router": (run, "_finish"),
}


def main() -> None:
    """Run once and print the shares."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokens", type=int, default=3_000_000)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    base = BaseModel.load(embedded_base_path())
    config = load_config("hundred").with_(run={"tokens": arguments.tokens, "seed": 1})
    spent: dict[str, float] = {}
    for name, (module, function) in PHASES.items():
        setattr(module, function, _timed(name, getattr(module, function), spent))
    with tempfile.TemporaryDirectory() as home:
        began = time.perf_counter()
        result = engine_run(config, base, Path(home))
        whole = time.perf_counter() - began
    board = Board("Academy, 100 personas")
    outside = result.seconds["other"] / (result.seconds["model"] + result.seconds["other"])
    board.add("time outside the model", outside, "<= 0.15")
    for name, seconds in sorted(spent.items(), key=lambda one: -one[1]):
        board.add(f"  {name}, share of the run", seconds / whole)
    board.add("generations", result.run.generation)
    board.add("whole run", whole, unit="s")
    board.close(tokens=result.tokens.equivalents, threads=arguments.threads)


def engine_run(config: Any, base: BaseModel, home: Path) -> Any:
    """One saved run."""
    assert engine.advance  # imported for its patched parts
    return run.evolve(config, base=base, folder=RunFolder(home))


def _timed(name: str, call: Callable[..., Any], spent: dict[str, float]) -> Callable[..., Any]:
    def timed(*args: Any, **kwargs: Any) -> Any:
        began = time.perf_counter()
        try:
            return call(*args, **kwargs)
        finally:
            spent[name] = spent.get(name, 0.0) + time.perf_counter() - began

    return timed


if __name__ == "__main__":
    main()
