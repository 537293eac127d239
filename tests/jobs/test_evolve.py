"""A run in a home: its cast becomes personas that can be asked, and a kill loses nothing."""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path
from typing import Any

import pytest

from academy.errors import RunMismatchError
from academy.evolution.config_file import load_config
from academy.evolution.events import silent
from genome.base_model import BaseModel
from genome.library import Library
from persona.persona import PersonaStore
from tui.jobs.breed import breed
from tui.jobs.compare_runs import compare_runs
from tui.jobs.evolve import run_evolution, saved_config, saved_genomes
from tui.jobs.run_report import write_run_report
from tui.jobs.testing import killed_until_done
from tui.source import HomeSource

SMALL = {"tokens": 150_000}


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, dict[str, Any]]:
    """Two finished small runs, and what was said of the first."""
    folder = tmp_path_factory.mktemp("runs")
    config = load_config("smoke")
    facts = run_evolution(config.with_(run=SMALL), folder / "one", silent)
    run_evolution(config.with_(run={**SMALL, "seed": 2}), folder / "two", silent)
    return folder / "one", folder / "two", facts


def test_the_cast_becomes_personas_with_receipts(
    homes: tuple[Path, Path, dict[str, Any]], embedded: BaseModel
) -> None:
    home, _, facts = homes
    store, library = PersonaStore(home), Library.open(home)
    assert {m["persona"] for m in facts["cast"]} == set(store.names())
    genomes = saved_genomes(home, embedded)
    for member, genome in zip(facts["cast"], genomes, strict=True):
        assert store.load(member["persona"]).genome(library).digest == genome.digest
    receipts = [r for m in library.manifests.values() for r in m.receipts]
    assert receipts and all(r.n_questions == 100 for r in receipts)


def test_running_again_changes_nothing(homes: tuple[Path, Path, dict[str, Any]]) -> None:
    home, _, facts = homes
    again = run_evolution(saved_config(home), home, silent)
    assert again["cast"] == facts["cast"] and again["tokens"] == facts["tokens"]


def test_the_report_needs_nothing_else(homes: tuple[Path, Path, dict[str, Any]]) -> None:
    text = write_run_report(homes[0]).read_text()
    assert text.count("<svg") >= 1 and "<script" not in text and 'src="http' not in text
    assert "memetic" in text and "Cast" in text


def test_the_screens_can_read_a_run(homes: tuple[Path, Path, dict[str, Any]]) -> None:
    run = HomeSource(homes[0]).run()
    assert not run.notices and run.status is not None and run.status.phase == "done"
    assert len(run.generations) == len(list((homes[0] / "run" / "generations").iterdir()))
    assert len(run.skills) == 12


def test_two_runs_are_compared_on_the_same_questions(
    homes: tuple[Path, Path, dict[str, Any]],
) -> None:
    one, two, _ = homes
    there, back = compare_runs(one, two, 10), compare_runs(two, one, 10)
    assert [a for _, a, _ in there.by_skill] == [b for _, _, b in back.by_skill]
    assert "120 questions" in there.verdict


def test_breeding_makes_a_persona_of_chosen_parents(
    homes: tuple[Path, Path, dict[str, Any]], embedded: BaseModel, tmp_path: Path
) -> None:
    import shutil

    from academy.evaluator import LocalEvaluator
    from academy.sources.builtin import BuiltinSource
    from genome.genome import Genome
    from genome.testing import random_layer

    home = Path(shutil.copytree(homes[0], tmp_path / "home"))
    parents = [
        (name, Genome.of(random_layer(embedded.model, embedded.fingerprint, seed=i, scale=1e-3)))
        for i, name in enumerate(("ada", "bob"))
    ]
    bred = breed(
        LocalEvaluator(embedded), BuiltinSource(), parents, "sort from ada, reverse from bob",
        n_questions=10, home=home, name="both", seed=1,
    )  # fmt: skip
    assert {row.skill for row in bred.rows} == {"sort", "reverse"} and len(bred.rows) == 6
    assert PersonaStore(home).load("both").genome(Library.open(home)).layers


def test_an_unfinished_or_missing_run_is_named(tmp_path: Path, embedded: BaseModel) -> None:
    with pytest.raises(RunMismatchError, match="academy run"):
        saved_config(tmp_path)
    with pytest.raises(RunMismatchError, match="not finished"):
        saved_genomes(tmp_path, embedded)
    with pytest.raises(RunMismatchError, match="no run"):
        write_run_report(tmp_path)


@pytest.mark.slow
def test_killed_at_random_instants_a_run_ends_as_if_it_had_not_been(
    homes: tuple[Path, Path, dict[str, Any]], tmp_path: Path
) -> None:
    """kill -9 at instants drawn once and for all; result, layers and event log are the same."""
    command = [
        sys.executable, "-m", "tui.cli.main", "academy", "run", "smoke", "--home", str(tmp_path),
    ]  # fmt: skip
    waits = [4 + random.Random(1).uniform(0, 2) + 0.7 * i for i in range(9)]
    assert killed_until_done(command, [*waits, 300.0]) >= 2
    for name in ("result.json", "events.jsonl", "state.json"):
        ours, theirs = ((h / "run" / name).read_text() for h in (tmp_path, homes[0]))
        assert ours == theirs, name
    layers = [
        sorted(p.name for p in (h / "run" / "layers").iterdir()) for h in (tmp_path, homes[0])
    ]
    assert layers[0] == layers[1]
    assert json.loads((tmp_path / "run" / "result.json").read_text())["cast"]
