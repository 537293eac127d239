"""The protocol: equal budgets, test questions asked by separate code, resumable pieces."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from academy.benchmark import cells as cells_module
from academy.benchmark.cells import Cell, ablations, cells, gradient_free, main_methods, run_cell
from academy.benchmark.final import open_test
from academy.benchmark.ours import FULL, VARIANTS, Ancestors
from academy.benchmark.tracks import (
    COMPOSITIONS,
    GIVEN,
    TIERS,
    TRAINABLE,
    CompositionSource,
    sheet,
    tier_named,
)
from academy.benchmark.verdict import claims, compare, plot_anytime, plot_coverage, table
from academy.errors import ConfigError, RunCorruptError
from genome.base_model import BaseModel
from tests.support.genome import tiny_base

TIER = replace(TIERS["smoke"], tokens={"A": 70_000, "B": 40_000}, select_items=2, test_items=3)


@pytest.fixture
def base(tokenizer: Any) -> BaseModel:
    return tiny_base(tokenizer)


# -- questions -----------------------------------------------------------------------------


def test_compositions_come_with_two_hundred_questions_and_disjoint_parts() -> None:
    source = CompositionSource()
    rng = np.random.default_rng(0)
    for skill in source.skills:
        train = {c.id for c in source.draw(skill, "train", 999, rng)}
        select = {c.id for c in source.draw(skill, "select", 999, rng)}
        test = {c.id for c in source.draw(skill, "test", 300, rng)}
        assert (len(train), len(select)) == (TRAINABLE, GIVEN - TRAINABLE)
        assert not train & select and not (train | select) & test


@pytest.mark.parametrize(
    ("name", "fields", "answer"),
    [
        ("reverse-case", {"x": "abc"}, "CBA"),
        ("sort-case", {"x": "cab"}, "ABC"),
        ("count-repeat", {"x": "abcd", "n": "3"}, "12"),
        ("xor-reverse", {"a": "110000", "b": "010000"}, "000001"),
    ],
)
def test_a_composition_has_the_answer_of_both_skills_in_turn(
    name: str, fields: dict[str, str], answer: str
) -> None:
    assert next(c for c in COMPOSITIONS if c.name == name).solve(fields) == answer


def test_every_method_gets_the_same_sheets() -> None:
    for track in ("A", "B"):
        first, again = (sheet(track, "select", 5) for _ in range(2))  # type: ignore[arg-type]
        assert [c.id for c in first[0]] == [c.id for c in again[0]]
        tested = {c.id for c in sheet(track, "test", 50)[0]}  # type: ignore[arg-type]
        assert not tested & {c.id for c in first[0]}


# -- cells ---------------------------------------------------------------------------------


def test_the_lists_of_methods_have_what_the_protocol_names() -> None:
    named = set(main_methods())
    for wanted in (
        "base",
        "best-expert",
        "exact-mean",
        "knots-ties",
        "joint-lora",
        "joint-lora-matched",
        "routed-experts",
        "lorahub-cma-factors",
        "lorahub-cobyla-factors",
        "model-swarms-factors",
        "cycleqd",
        "genome",
        "eggroll",
        "random-search",
        "academy",
    ):
        assert wanted in named
    assert not named & set(ablations()) and set(gradient_free()) < named


def test_every_ablation_differs_from_the_full_engine_in_one_section() -> None:
    """Two where the count of islands takes their size with it."""
    for name in ablations():
        changes = VARIANTS[name].changes
        changed = {s for s, keys in changes.items() if {**FULL.get(s, {}), **keys} != FULL.get(s)}
        assert len(changed) == (2 if name == "two-islands" else 0 if name == "no-router" else 1)


def test_an_unknown_method_or_tier_is_refused() -> None:
    with pytest.raises(ConfigError, match="no method 'lorahop'"):
        cells(["lorahop"], [1])
    with pytest.raises(ConfigError, match="no tier"):
        tier_named("huge")


@pytest.mark.parametrize(
    "method",
    [
        "academy",
        "academy-gradient-free",
        "joint-lora",
        "specialists",
        "routed-experts",
        "lorahub-cma-exact",
        "no-router",
    ],
)
@pytest.mark.parametrize("track", ["A", "B"])
def test_a_cell_stays_within_its_budget_and_is_not_run_twice(
    base: BaseModel, tmp_path: Path, method: str, track: Any
) -> None:
    cell = Cell(track, method, 1)
    record = run_cell(base, TIER, cell, tmp_path)
    assert 0 < record["tokens"] <= TIER.tokens[track]
    assert record["answer"] and all(0 <= i < len(record["answer"]) for i in record["table"])
    assert run_cell(base, TIER, cell, tmp_path) == {}


def test_the_same_cell_gives_the_same_answer(base: BaseModel, tmp_path: Path) -> None:
    one, two = (
        run_cell(base, TIER, Cell("A", "academy", 1), tmp_path / name) for name in ("x", "y")
    )
    assert one["answer"] == two["answer"] and one["tokens"] == two["tokens"]


@pytest.mark.parametrize("track", ["A", "B"])
def test_a_shared_ancestor_changes_nothing_but_time(
    base: BaseModel, tmp_path: Path, track: str
) -> None:
    """An ablation that goes on from another variant's ancestor ends as with its own."""
    shared = Ancestors()
    cell = Cell(track, "no-lexicase", 1)  # type: ignore[arg-type]
    run_cell(base, TIER, replace(cell, method="academy"), tmp_path / "shared", shared)
    with_it = run_cell(base, TIER, cell, tmp_path / "shared", shared)
    alone = run_cell(base, TIER, cell, tmp_path / "alone")
    for key in ("answer", "table", "tokens", "curve"):
        assert with_it[key] == alone[key], key


def test_no_cell_draws_a_test_question(
    base: BaseModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both sources refuse the test split while cells run; the final code is let through."""
    from academy.sources.builtin import BuiltinSource

    for source in (BuiltinSource, CompositionSource):
        draw = source.draw

        def guarded(
            self: Any, skill: str, split: str, *rest: Any, _draw: Any = draw, **more: Any
        ) -> Any:
            assert split != "test", "a method asked for test questions"
            return _draw(self, skill, split, *rest, **more)

        monkeypatch.setattr(source, "draw", guarded)
    for method in ("academy", "joint-lora", "lorahub-cma-exact", "specialists"):
        for track in ("A", "B"):
            run_cell(base, TIER, Cell(track, method, 1), tmp_path)  # type: ignore[arg-type]
    with pytest.raises(AssertionError, match="asked for test questions"):
        open_test(base, TIER, tmp_path)


# -- results -------------------------------------------------------------------------------


def test_results_are_made_once_and_figures_show_them(base: BaseModel, tmp_path: Path) -> None:
    for method in ("academy", "joint-lora", "base"):
        run_cell(base, TIER, Cell("A", method, 1), tmp_path)
    results = open_test(base, TIER, tmp_path)
    assert [r["method"] for r in results] == ["academy", "base", "joint-lora"]
    assert all(len(r["by_skill"]) == 12 and 0 <= r["mean"] <= 1 for r in results)
    written = (tmp_path / "results" / "A-base-1.json").stat().st_mtime_ns
    assert open_test(base, TIER, tmp_path) == results
    assert (tmp_path / "results" / "A-base-1.json").stat().st_mtime_ns == written
    rows = table(results, np.random.default_rng(0))
    for figure in (plot_anytime(results), plot_coverage(rows, results)):
        assert "<svg" in figure and "academy" in figure


def test_results_of_another_tier_are_not_mixed_in(base: BaseModel, tmp_path: Path) -> None:
    run_cell(base, TIER, Cell("A", "base", 1), tmp_path)
    with pytest.raises(RunCorruptError, match="another --out"):
        open_test(base, TIERS["full"], tmp_path)


def invented(method: str, means: list[float], track: str = "A") -> list[dict[str, Any]]:
    """Results of one method with these means, one a seed, alike on all skills."""
    return [
        {
            "track": track,
            "method": method,
            "seed": seed,
            "by_skill": [m] * 12,
            "mean": m,
            "worst": m,
            "covered": float(m >= 0.9),
            "select_mean": m,
            "tokens": 1,
            "seconds": 1.0,
            "budget": 1,
            "members": 1,
            "curve": [],
        }
        for seed, m in enumerate(means)
    ]


def test_a_claim_holds_only_when_every_comparison_is_won_after_holm() -> None:
    rng = np.random.default_rng(0)
    better = [0.8 + 0.01 * i for i in range(8)]
    worse = [m - 0.1 for m in better]
    results = []
    for track in ("A", "B"):
        results += invented("academy", better, track)
        for control in ("academy-random", "specialists"):
            results += invented(control, worse, track)
    third = claims(results, rng, [])[2]
    assert third.holds is True  # p = 1/256 each, times four
    lost = [r for r in results if r["method"] != "specialists"]
    lost += invented("specialists", [m + 0.2 for m in better])
    assert claims(lost, rng, [])[2].holds is False
    assert "specialists" in claims(lost, rng, [])[2].reason


def test_a_claim_of_which_a_part_was_not_run_does_not_hold() -> None:
    """Won everywhere it was run, but not run everywhere it was registered for."""
    rng = np.random.default_rng(0)
    ours = [0.8 + 0.01 * i for i in range(10)]
    results = [*invented("academy", ours), *invented("academy-gradient-free", ours)]
    for other in ("base", "academy-random"):
        results += invented(other, [m - 0.1 for m in ours])
    first, _, third, _ = claims(results, rng, ["base"])
    assert first.holds is None and "B base" in first.reason
    assert third.holds is None and "A specialists" in third.reason


def test_the_joint_claim_is_decided_on_common_seeds() -> None:
    """Joint training's weaker seeds, which ours never ran, win nothing."""
    results = []
    for track in ("A", "B"):
        results += invented("academy", [0.7], track)
        for joint in ("joint-lora", "joint-lora-matched"):
            results += invented(joint, [0.71, 0.3, 0.3], track)
    assert claims(results, np.random.default_rng(0), [])[1].holds is False


def test_five_seeds_cannot_show_a_claim_of_many_comparisons() -> None:
    rng = np.random.default_rng(0)
    ours = invented("academy", [0.8] * 5)
    theirs = [r for i in range(9) for r in invented(f"peer{i}", [0.5] * 5)]
    pairs: Any = [("A", "academy", f"peer{i}") for i in range(9)]
    found = compare([*ours, *theirs], pairs, rng)
    assert all(one.p == pytest.approx(1 / 32) for one in found)
    assert min(one.adjusted for one in found) > 0.05


def test_the_joint_claim_wants_a_higher_worst_skill_and_a_mean_within_two_points() -> None:
    def facts(mean: float, worst: float, method: str) -> list[dict[str, Any]]:
        lost = 0.1 if method == "academy" else 0.5  # compositions are never what decides here
        made = [*invented(method, [mean], "A"), *invented(method, [lost], "B")]
        return [{**r, "worst": worst} for r in made]

    rng = np.random.default_rng(0)
    for ours, verdict in (((0.79, 0.5), True), ((0.77, 0.5), False), ((0.85, 0.3), False)):
        results = facts(*ours, "academy")
        for joint in ("joint-lora", "joint-lora-matched"):
            results += facts(0.8, 0.4, joint)
        assert claims(results, rng, [])[1].holds is verdict


def test_coverage_counts_skills_of_the_living_and_missing_runs_say_so() -> None:
    rng = np.random.default_rng(0)
    assert claims(invented("academy", [0.95, 0.95]), rng, [])[3].holds is True
    assert claims(invented("academy", [0.95, 0.5]), rng, [])[3].holds is False
    assert [c.holds for c in claims([], rng, ["base"])] == [None] * 4


def test_a_record_that_cannot_be_read_is_named(base: BaseModel, tmp_path: Path) -> None:
    (tmp_path / "cells").mkdir()
    (tmp_path / "cells" / "A-base-1.json").write_text("{")
    with pytest.raises(RunCorruptError, match=r"A-base-1\.json"):
        open_test(base, TIER, tmp_path)


def test_a_summary_is_plain_json(base: BaseModel) -> None:
    rows = table(invented("academy", [0.5, 0.6]), np.random.default_rng(0))
    json.dumps([row.__class__.__name__ for row in rows])
    assert rows[0].seeds == 2 and cells_module.JOINT["joint-lora"] == 0.01
