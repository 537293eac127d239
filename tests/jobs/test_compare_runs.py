"""A run is compared as it answers: by its own router, and by the genes it evolved."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from academy.evolution.run import RunResult, evolve
from academy.operators.routing import RoutingGenes
from academy.run_folder import RunFolder
from academy.sources.opening import open_source
from genome.base_model import BaseModel
from tests.support.academy import small_run
from tests.support.genome import tiny_base
from tui.jobs.compare_runs import answerers

PROMPTS = ["sort: cba", "count: banana", "reverse: abc", "sort: zyx", "count: add"]


@pytest.fixture(scope="module")
def base(tokenizer: Any) -> BaseModel:
    return tiny_base(tokenizer)


def finished(base: BaseModel, home: Path, **routing: Any) -> RunResult:
    config = small_run(routing=routing, run={"tokens": 90_000, "seed": 3})
    return evolve(config, base=base, folder=RunFolder(home))


def digests(base: BaseModel, home: Path) -> list[str]:
    source = open_source("builtin:reverse,sort,count")
    return [genome.digest for genome in answerers(base, source, home, PROMPTS)]


@pytest.mark.parametrize("routing", [{"genes": 0.1}, {}, {"enabled": False}])
def test_a_run_is_compared_as_it_answers_itself(
    base: BaseModel, tmp_path: Path, routing: dict[str, Any]
) -> None:
    result = finished(base, tmp_path, **routing)
    assert digests(base, tmp_path) == [genome.digest for genome in result.answers(PROMPTS)]


def test_evolved_genes_decide_who_answers(base: BaseModel, tmp_path: Path) -> None:
    """Genes that mix everybody are obeyed, whatever the table says."""
    result = finished(base, tmp_path, genes=0.1)
    assert len(result.genomes) > 1
    path = tmp_path / "run" / "result.json"
    saved = json.loads(path.read_text())
    before = digests(base, tmp_path)
    saved["routing"] = asdict(RoutingGenes(temperature=20.0, top_k=3, prototype=0.0))
    path.write_text(json.dumps(saved))
    mixed = digests(base, tmp_path)
    assert mixed != before and not set(mixed) & {genome.digest for genome in result.genomes}
