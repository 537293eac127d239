"""A resumed run reads the files it began with, from whatever folder it is resumed in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from academy.errors import RunMismatchError
from academy.evolution.run import check_inputs, evolve, inputs_of, located
from academy.run_folder import RunFolder
from genome.base_model import BaseModel
from tests.support.academy import small_run
from tests.support.genome import tiny_base


@pytest.fixture
def base(tokenizer: Any) -> BaseModel:
    return tiny_base(tokenizer)


def questions(path: Path, answer: str = "") -> None:
    lines = [
        {"prompt": f"sort: {a}{b}", "answer": answer or "".join(sorted(a + b)), "skill": "pairs"}
        for a in "abcdefghijkl"
        for b in "mnopqrstuvwxyz"
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def test_paths_become_absolute_and_other_names_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "base").mkdir()
    config = small_run(
        run={"source": "jsonl:q.jsonl", "base": "base"},
        selection={"demand": "trace:t.jsonl?half-life=7d"},
    )
    found = located(config)
    assert found.run.source == f"jsonl:{tmp_path}/q.jsonl"
    assert found.run.base == f"{tmp_path}/base"
    assert found.selection.demand == f"trace:{tmp_path}/t.jsonl?half-life=7d"
    assert located(found) == found
    assert located(small_run(run={"base": "org/hub"})) == small_run(run={"base": "org/hub"})


def test_a_changed_file_and_another_base_are_named(base: BaseModel, tmp_path: Path) -> None:
    path = tmp_path / "q.jsonl"
    questions(path)
    config = small_run(run={"source": f"jsonl:{path}"})
    before = inputs_of(config, base)
    check_inputs(before, inputs_of(config, base))
    check_inputs({}, before)  # a run from before anything was remembered
    questions(path, "x")
    with pytest.raises(RunMismatchError, match=r"q\.jsonl has changed since this run began"):
        check_inputs(before, inputs_of(config, base))
    with pytest.raises(RunMismatchError, match="begun on base model 0000"):
        check_inputs({**before, "base_fingerprint": "0000"}, before)


def test_a_run_is_not_resumed_with_other_questions(base: BaseModel, tmp_path: Path) -> None:
    path, home = tmp_path / "q.jsonl", tmp_path / "home"
    questions(path)
    config = small_run(
        run={"source": f"jsonl:{path}", "tokens": 6_000},
        ancestor={"share": 0.0},
        operators={"names": ("noise",)},
        population={"items": 16},
    )
    evolve(config, base=base, folder=RunFolder(home))
    kept = json.loads((home / "run" / "config.json").read_text())
    assert list(kept["files"]) == [str(path)]
    questions(path, "x")
    with pytest.raises(RunMismatchError, match="has changed since this run began"):
        evolve(config, base=base, folder=RunFolder(home))
