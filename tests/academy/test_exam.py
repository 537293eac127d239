"""Exams are the same for everyone, from the split they name, with honest intervals."""

from __future__ import annotations

import numpy as np
import pytest

from academy.exam import ExamResult, SkillAccuracies, exam_sheet, general_sheet
from academy.skills import SKILL_NAMES, SKILLS
from academy.statistics.intervals import wilson_interval


def test_a_longer_exam_begins_with_the_shorter_one() -> None:
    """So that a buyer can be asked what the receipt did not use."""
    assert exam_sheet("sort", 30)[:10] == exam_sheet("sort", 10)


def test_splits_share_no_question() -> None:
    sheets = {s: exam_sheet("add", 200, s) for s in ("train", "select", "test")}  # type: ignore[arg-type]
    questions = {split: {c.id[:16] for c in sheet} for split, sheet in sheets.items()}
    assert not questions["train"] & questions["test"]
    assert not questions["select"] & questions["test"]


def test_a_general_exam_asks_every_skill_alike() -> None:
    sheet = general_sheet(3)
    assert [c.skill for c in sheet] == [name for name in SKILL_NAMES for _ in range(3)]


def test_mean_and_worst_are_over_skills() -> None:
    hits = np.zeros((len(SKILLS), 4))
    hits[:, 0] = 1
    hits[2] = 1
    result = SkillAccuracies.of(hits.ravel())
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
