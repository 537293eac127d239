"""The main job ends in a valid home, and a killed one ends in the same place."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from academy.errors import RunMismatchError
from genome.layer import Layer
from genome.library import Library
from marketplace.market import Market
from persona.persona import PersonaStore
from tests.support.cli import continuum
from tests.support.jobs import Silent, killed_until_done
from tui.data.source import HomeSource
from tui.jobs import market
from tui.jobs.demo import run_demo
from tui.jobs.market import BUYER, market_url
from tui.jobs.settings import DemoSettings

SMALL = {"personas": 8, "interactions": 500, "tiny": True}
TIMES = ("wall_s", "throughput")


def without_times(summary: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in summary.items() if key not in TIMES}


def test_the_summary_has_what_is_promised(finished: tuple[Path, dict[str, Any]]) -> None:
    home, summary = finished
    assert json.loads((home / "summary.json").read_text()) == summary
    assert summary["interactions"] == SMALL["interactions"]
    assert set(summary["controls"]) == {"base", "joint_lora", "random_search", "evolved"}
    assert set(summary["tokens"]) >= {"forward", "backward"}
    assert set(summary["throughput"]) >= {"evaluations_per_s", "peft_loop_evaluations_per_s"}
    assert summary["market"]["ledger_ok"]
    assert summary["market"]["listings"] == len(summary["species"])
    for species in summary["species"]:
        assert {
            "name",
            "niche",
            "population",
            "born",
            "test_accuracy",
            "base_accuracy",
            "price_nanos",
            "sales",
        } <= set(species)


def test_controls_spend_the_same_tokens(finished: tuple[Path, dict[str, Any]]) -> None:
    """Joint training stays within the evolved budget and uses at least 90 % of it."""
    _, summary = finished
    budget = summary["tokens"]["equivalents"]
    joint = summary["controls"]["joint_lora"]
    for facts in (value for key, value in joint.items() if key.startswith("rank_")):
        assert 0.9 * budget <= facts["token_equivalents"] <= budget


def test_the_home_holds_layers_personas_and_a_balanced_market(
    finished: tuple[Path, dict[str, Any]],
) -> None:
    home, summary = finished
    library = Library.open(home)
    names = {species["name"] for species in summary["species"]}
    assert {m.name for m in library.manifests.values()} == names
    for species in summary["species"]:
        assert Layer.from_peft(home / "layers" / species["name"]).digest == species["layer"]
    assert set(PersonaStore(home).names()) == names | {"helper", f"{BUYER}-helper"}
    with Market.open(market_url(home), create=False) as market:
        assert market.verify() == []
        assert market.owns(BUYER, market.listing(summary["purchase"]["found"]).digest)


def test_the_report_needs_nothing_else(finished: tuple[Path, dict[str, Any]]) -> None:
    home, summary = finished
    report = (home / "report.html").read_text()
    assert report.count("<svg") == 5
    assert "<script" not in report
    assert 'src="http' not in report
    assert all(species["name"] in report for species in summary["species"])


def test_the_academys_report_of_a_demo_is_the_demos(home: Path) -> None:
    """It counts interactions, is finished and has controls: nothing of it is called otherwise."""
    (home / "report.html").unlink()
    done = continuum("academy", "report", "--home", home)
    assert done.out.split() == [str(home / "report.html")]
    text = (home / "report.html").read_text()
    assert "scored interactions" in text and "Controls" in text
    assert "in progress" not in text and not (home / "run-report.html").exists()
    status = continuum("academy", "status", "--home", home).out
    assert "finished" in status and "500 of 500 interactions" in status


def test_an_unfinished_demo_has_no_report_and_says_how_to_go_on(home: Path) -> None:
    """The command it names resumes this very run."""
    (home / "summary.json").unlink()
    refused = continuum("academy", "report", "--home", home).refusal
    command = refused.split("`")[1].split()
    assert command[:2] == ["continuum", "demo"]
    assert {"--seed", "5", "--personas", "8", "--interactions", "500", "--tiny"} <= set(command)
    resumed = continuum(*command[1:])
    assert resumed.code == 0 and (home / "summary.json").exists()
    for phase in ("evolving", "library", "exams", "joint LoRA", "controls", "market"):
        assert f"\n{phase}: done in " in resumed.out, phase  # without a terminal, too
    assert "library: 50%, about " in resumed.out


def test_the_screens_of_a_demo_know_the_base(home: Path) -> None:
    """What the founders were measured against, skill by skill."""
    run = HomeSource(home).run()
    assert len(run.base_by_skill) == len(run.skills) == 12
    assert run.config is not None and run.config.unit == "interactions"


def test_running_a_finished_demo_again_changes_nothing(
    finished: tuple[Path, dict[str, Any]],
) -> None:
    home, summary = finished
    assert run_demo(DemoSettings(home, seed=5, **SMALL), Silent()) == summary
    with pytest.raises(RunMismatchError, match="seed=5, not seed=6"):
        run_demo(DemoSettings(home, seed=6, **SMALL), Silent())


@pytest.mark.slow
def test_killed_at_any_moment_the_same_command_ends_with_the_same_summary(
    finished: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    """kill -9 again and again, a little later each time, until it gets through."""
    command = [
        sys.executable,
        "-m",
        "tui.cli.main",
        "demo",
        "--tiny",
        "--no-tui",
        "--seed",
        "5",
        "--personas",
        "8",
        "--interactions",
        "500",
        "--home",
        str(tmp_path),
    ]
    waits = (4.0, 5.0, 6.0, 7.0, 8.5, 10.0, 12.0, 15.0, 1200.0)
    assert killed_until_done(command, waits) >= 2
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert without_times(summary) == without_times(finished[1])
    leftovers = [p for p in tmp_path.rglob("*.tmp") if p.name.startswith(".")]
    assert not any(p.suffix == ".json" for p in leftovers)


def test_what_the_buyer_asked_in_vain_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The niche of the greatest lift first; none that is known to be good at it is no silence."""
    monkeypatch.setattr(market, "_first_found", lambda *_: None)
    species = [
        SimpleNamespace(name=n, niche=n, lift=lift) for n, lift in (("sort", 0.1), ("max", 0.5))
    ]
    sizes = SimpleNamespace(niche_exam=3, buyer_exam=2)
    asked: Any = (
        None,
        None,
        SimpleNamespace(species=species),
        SimpleNamespace(sizes=sizes, out=tmp_path),
    )
    assert market._purchase(*asked) == {"in_vain": ["max", "sort"]}
