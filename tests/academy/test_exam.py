"""Exams are the same for everyone, from the split they name, with honest intervals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from academy.challenge import Challenge
from academy.evaluator import LocalEvaluator
from academy.exam import (
    ExamResult,
    SkillAccuracies,
    exam_sheet,
    general_sheet,
    partial_credit,
    source_sheet,
)
from academy.skills.letters import SKILL_NAMES, SKILLS
from academy.sources.builtin import BuiltinSource
from academy.sources.jsonl import JsonlSource
from academy.statistics.intervals import wilson_interval
from genome.genome import Genome
from tests.support.genome import tiny_base


def test_a_longer_exam_begins_with_the_shorter_one() -> None:
    """So that a buyer can be asked what the receipt did not use."""
    assert exam_sheet("sort", 30)[:10] == exam_sheet("sort", 10)


def test_splits_share_no_question() -> None:
    sheets = {s: exam_sheet("add", 200, s) for s in ("train", "select", "test")}  # type: ignore[arg-type]
    questions = {split: {c.id[:16] for c in sheet} for split, sheet in sheets.items()}
    assert not questions["train"] & questions["test"]
    assert not questions["select"] & questions["test"]


def test_a_general_exam_asks_every_skill_alike() -> None:
    sheet = general_sheet(SKILL_NAMES, 3)
    assert [c.skill for c in sheet] == [name for name in SKILL_NAMES for _ in range(3)]


def test_mean_and_worst_are_over_skills() -> None:
    hits = np.zeros((len(SKILLS), 4))
    hits[:, 0] = 1
    hits[2] = 1
    result = SkillAccuracies.of(hits.ravel(), len(hits))
    assert result.worst == 0.25
    assert result.mean == pytest.approx((0.25 * (len(SKILLS) - 1) + 1) / len(SKILLS))


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"), [(0, 10, 0.0, 0.278), (50, 100, 0.404, 0.596), (0, 0, 0, 1)]
)
def test_wilson_intervals_agree_with_published_values(
    hits: int, n: int, low: float, high: float
) -> None:
    assert wilson_interval(hits, n) == pytest.approx((low, high), abs=1e-3)
    assert ExamResult(100, 90).accuracy == 0.9


def test_any_source_has_an_exam_of_its_own_that_stays_the_same() -> None:
    """The test split alone; built-in skills keep their standard exam."""
    asked = [Challenge(f"{i}?", str(i), "num" if i % 2 else "odd", "d") for i in range(200)]
    sheet = source_sheet(JsonlSource("set", asked), "num", 50)
    other_order = JsonlSource("set", sorted(asked, key=lambda c: c.skill))
    assert {c.split for c in sheet} == {"test"} and {c.skill for c in sheet} == {"num"}
    assert len(sheet) == sum(c.split == "test" and c.skill == "num" for c in asked)
    assert {c.id for c in source_sheet(other_order, "num", 50)} == {c.id for c in sheet}
    assert source_sheet(BuiltinSource(("sort", "add")), "sort", 9) == exam_sheet("sort", 9)


def test_partial_credit_is_the_sources_own_and_none_where_it_gives_none(tokenizer: Any) -> None:
    class Generous(BuiltinSource):
        def partial_credit(self, challenge: Challenge, response: str) -> float:
            return 0.25

    base = tiny_base(tokenizer)
    sheet = exam_sheet("sort", 3)
    genomes = [Genome(base.fingerprint)]
    evaluator = LocalEvaluator(base)
    assert partial_credit(evaluator, genomes, Generous(), sheet) == [0.25]
    assert partial_credit(evaluator, genomes, BuiltinSource(), sheet) is None
