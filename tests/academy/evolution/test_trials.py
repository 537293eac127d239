"""The audition's comparisons are heard as events, in the log as well, and change nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from academy.evolution.cast import announce_trials
from academy.evolution.events import Event, TrialHeld
from academy.evolution.run import evolve
from academy.evolution.state import Candidate, Genes
from academy.run_folder import RunFolder
from tests.support.academy import bench_of, run_of, small_run
from tests.support.genome import tiny_base


def candidate(number: int) -> Candidate:
    none = np.zeros(3)
    return Candidate(number, Genes(), (), 0, "founder", -1, number, none, none, none)


def test_each_finalist_is_compared_with_the_favourite_under_holm(tokenizer: Any) -> None:
    """0 to 8 has p 1 in 256; Holm doubles it for two trials."""
    bench = bench_of(tiny_base(tokenizer))
    heard: list[Event] = []
    bench.observe = heard.append
    scores = np.zeros((3, 20))
    scores[1, :8] = 1
    announce_trials(run_of(bench), bench, {1: [candidate(n) for n in (4, 7, 9)]}, {1: scores})
    one, two = heard
    assert isinstance(one, TrialHeld) and isinstance(two, TrialHeld)
    assert (one.a, one.b, one.skill) == ("c4", "c7", bench.skills[1])
    assert one.verdict == "B better" and one.high < 0 and one.effect == -0.4
    assert one.p_value == 2 * 2**-8 and one.n_items == 20
    assert (two.b, two.verdict) == ("c9", "no difference shown")
    assert "c4 against c7" in one.text and "-40.0 points" in one.text


def test_a_run_tells_its_trials_and_logs_them(tokenizer: Any, tmp_path: Path) -> None:
    heard: list[Event] = []
    config = small_run(population={"audition": 0.3}, ancestor={"share": 0.1})
    result = evolve(
        config, base=tiny_base(tokenizer), folder=RunFolder(tmp_path), observer=heard.append
    )
    trials = [event for event in heard if isinstance(event, TrialHeld)]
    assert trials and {trial.skill for trial in trials} <= set(result.run.skills)
    assert all(trial.n_items > 0 and trial.a != trial.b for trial in trials)
    lines = map(json.loads, (tmp_path / "run" / "events.jsonl").read_text().splitlines())
    logged = [line for line in lines if line["event"] == "TrialHeld"]
    assert logged == [json.loads(json.dumps(trial.plain())) for trial in trials]
