"""A run spends its budget exactly, repeats itself, and resumes bit for bit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from academy.apprenticeship.apprenticeship import Apprenticeship, Workshop
from academy.apprenticeship.checkpoint import load_checkpoint, save_checkpoint
from academy.apprenticeship.record import record_of
from academy.errors import RunCorruptError, RunSettingsError
from tests.support.academy import small_academy, small_config


def play(
    academy: Workshop, seed: int, **changes: Any
) -> tuple[Apprenticeship, list[dict[str, Any]]]:
    run, generation = academy.found(small_config(**changes), seed)
    records = [record_of(run, generation)]
    while not academy.finished(run):
        records.append(record_of(run, academy.advance(run)))
    return run, records


def fingerprint(run: Apprenticeship) -> str:
    facts = [
        [c.id, c.line, c.layer.digest, c.hits.tolist(), c.asked.tolist(), len(c.notebook)]
        for c in run.population
    ]
    return json.dumps([facts, [s.name for s in run.taxonomy.living], run.interactions])


def test_the_budget_is_spent_to_the_last_interaction_and_counts_every_score(tokenizer: Any) -> None:
    run, records = play(small_academy(tokenizer), seed=1)
    assert run.interactions == run.config.interactions
    assert len(run.population) == run.config.personas
    assert records[0]["interactions"] == run.config.personas * len(run.base_accuracy)
    assert records[-1]["births"] == 0, "the last generation auditions"


@pytest.mark.parametrize("selection", ["demand", "random"])
def test_same_seed_same_run_other_seed_another(tokenizer: Any, selection: str) -> None:
    first, second, other = (
        fingerprint(play(small_academy(tokenizer), seed=s, selection=selection)[0])
        for s in (1, 1, 2)
    )
    assert first == second != other


def test_a_resumed_run_is_bit_identical_from_every_generation(
    tokenizer: Any, tmp_path: Path
) -> None:
    """Save, forget everything, load, go on: as if nothing had happened, tokens included."""
    whole, records = play(small_academy(tokenizer), seed=3)
    for stop in range(len(records) - 1):
        academy = small_academy(tokenizer)
        run, _ = academy.found(small_config(), 3)
        for _ in range(stop):
            academy.advance(run)
        save_checkpoint(tmp_path / "run.safetensors", run, academy.evaluator.tokens)
        resumed_academy = small_academy(tokenizer)
        resumed, resumed_academy.evaluator.tokens = load_checkpoint(
            tmp_path / "run.safetensors", academy.base.fingerprint
        )
        again = [record_of(resumed, resumed_academy.advance(resumed)) for _ in records[stop + 1 :]]
        assert fingerprint(resumed) == fingerprint(whole)
        assert again == records[stop + 1 :]
        assert [c.prompt for c in resumed.population[0].notebook] == [
            c.prompt for c in whole.population[0].notebook
        ]


def test_a_damaged_checkpoint_is_named(tokenizer: Any, tmp_path: Path) -> None:
    academy = small_academy(tokenizer)
    run, _ = academy.found(small_config(), 1)
    path = tmp_path / "run.safetensors"
    save_checkpoint(path, run, academy.evaluator.tokens)
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(RunCorruptError, match=r"run\.safetensors"):
        load_checkpoint(path, "tiny")


def test_children_only_ever_learn_from_train_questions(tokenizer: Any) -> None:
    run, _ = play(small_academy(tokenizer), seed=1, selection="random")
    learned = [c for candidate in run.population for c in candidate.notebook]
    assert {c.split for c in learned} <= {"train"}
    assert any(candidate.notebook for candidate in run.population)


@pytest.mark.parametrize(
    ("changes", "remedy"),
    [
        ({"personas": 1}, "use --personas 2 or more"),
        ({"interactions": 0}, "raise --interactions or lower --personas"),
        ({"personas": 100}, "raise --interactions or lower --personas"),
    ],
)
def test_impossible_settings_say_what_to_use_instead(
    tokenizer: Any, changes: dict[str, int], remedy: str
) -> None:
    with pytest.raises(RunSettingsError, match=remedy):
        small_academy(tokenizer).found(small_config(**changes), 1)
