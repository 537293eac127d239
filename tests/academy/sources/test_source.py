"""Every way of naming a source opens it, or says in one line what to write instead."""

from __future__ import annotations

import json
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from academy.errors import AcademyError
from academy.exam import exam_sheet
from academy.skills.curriculum import skill_named
from academy.skills.letters import SKILL_NAMES
from academy.skills.skill import unique_questions
from academy.sources import opening
from academy.sources.builtin import BuiltinSource
from academy.sources.checks import MAJORITY_FLAG
from academy.sources.opening import open_source
from academy.sources.source import ChallengeSource, levels_of
from tests.support.sources import check_source


def test_the_builtin_source_gives_what_the_exams_give_from_the_same_generator() -> None:
    rng, again = np.random.default_rng(4), np.random.default_rng(4)
    drawn = open_source("builtin").draw("sort", "test", 20, rng)
    assert drawn == unique_questions(skill_named("sort"), "test", 20, again)


def test_builtin_splits_are_disjoint_and_complete() -> None:
    """10 questions of each skill and split, no skill flagged as answered by one word."""
    report = check_source(open_source("builtin"), 10, np.random.default_rng(0))
    assert set(report.counts.values()) == {10} and len(report.counts) == 4 * len(SKILL_NAMES)
    assert max(report.majority.values()) < MAJORITY_FLAG


def test_named_skills_only_in_the_order_given() -> None:
    source = open_source("builtin:sort, reverse")
    assert source.skills == ("sort", "reverse")
    assert isinstance(source, ChallengeSource) and levels_of(source) == (1, 2, 3, 4, 5)
    with pytest.raises(AcademyError, match="no skill 'add'"):
        source.draw("add", "train", 1, np.random.default_rng(0))


def test_excluded_ids_do_not_come_again_and_levels_change_the_questions() -> None:
    source, rng = BuiltinSource(("reverse",)), np.random.default_rng(0)
    known = {c.id for c in source.draw("reverse", "train", 30, rng, level=1)}
    more = source.draw("reverse", "train", 30, np.random.default_rng(0), level=1, exclude=known)
    assert len(more) == 30 and not known & {c.id for c in more}
    hard = source.draw("reverse", "train", 30, rng, level=5)
    assert np.mean([len(c.argument) for c in hard]) > 2 + np.mean([len(c.argument) for c in more])


def test_a_small_level_that_runs_dry_gives_fewer_and_returns() -> None:
    """Adding below ten has 100 arguments in 3 phrasings, about 15 of the 300 in audit."""
    drawn = BuiltinSource().draw("add", "audit", 500, np.random.default_rng(0), level=1)
    assert 0 < len(drawn) < 100
    assert len({c.id for c in drawn}) == len(drawn)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("builtins", "did you mean 'builtin'"),
        ("builtin:revers", "did you mean 'reverse'"),
        ("jsonl", "jsonl:PATH"),
        ("jsonl:/nowhere/set.jsonl", "cannot be read"),
        ("reasoning-gym", "reasoning-gym:chain_sum,gcd"),
        ("", "choose one of builtin"),
    ],
)
def test_a_wrong_name_is_refused_in_one_line_with_the_remedy(spec: str, message: str) -> None:
    with pytest.raises(AcademyError, match=message) as refusal:
        open_source(spec)
    assert "\n" not in str(refusal.value)


def test_a_level_that_does_not_exist_is_refused() -> None:
    with pytest.raises(AcademyError, match="no level '9'"):
        BuiltinSource().draw("add", "train", 1, np.random.default_rng(0), level=9)


def _plugins(monkeypatch: Any, **values: str) -> None:
    points = [EntryPoint(name, value, opening.GROUP) for name, value in values.items()]
    monkeypatch.setattr(opening, "entry_points", lambda group: points)


def test_a_package_brings_its_own_source_through_an_entry_point(monkeypatch: Any) -> None:
    _plugins(monkeypatch, mine="academy.sources.builtin:BuiltinSource")
    assert open_source("mine").skills == SKILL_NAMES
    with pytest.raises(AcademyError, match="did you mean 'mine'"):
        open_source("mina")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("nowhere.at:all", "ModuleNotFoundError"),
        ("builtins:dict", "gave no challenge source"),
        ("os:abort_not_there", "AttributeError"),
    ],
)
def test_a_broken_plugin_is_one_line_not_a_crash(
    monkeypatch: Any, value: str, message: str
) -> None:
    _plugins(monkeypatch, mine=value)
    with pytest.raises(AcademyError, match=message):
        open_source("mine")


def test_a_file_is_opened_by_its_path(tmp_path: Path) -> None:
    path = tmp_path / "sums.jsonl"
    path.write_text(json.dumps({"prompt": "1+1", "answer": "2"}))
    assert open_source(f"jsonl:{path}").skills == ("sums",)


def test_the_exam_sheet_still_draws_the_same_questions() -> None:
    """Ids of existing challenges are in checkpoints: they may not change."""
    assert [c.id for c in exam_sheet("sort", 2)] == [
        "f784ac91904125c7c22e274ea7cfe9d2",
        "d3ff6202d3c1ca23b89df6863a36af4a",
    ]
