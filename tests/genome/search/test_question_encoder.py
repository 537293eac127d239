"""Questions are told apart by what they ask, descriptions are found by their words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from academy.exam import exam_sheet
from academy.skills.letters import SKILL_NAMES, SKILLS
from genome.base_model import BaseModel
from genome.embedding import searchable_text, unit
from genome.errors import LibraryError
from genome.search.question_encoder import QuestionEncoder


def test_unseen_questions_are_nearest_to_the_mean_of_their_own_skill(embedded: BaseModel) -> None:
    """At least 90 % of 240; chance is 8 %."""
    known = [exam_sheet(name, 30, "select") for name in SKILL_NAMES]
    encoder = QuestionEncoder.fit(embedded, [c.prompt for sheet in known for c in sheet])
    means = unit(np.stack([encoder.evidence([c.prompt for c in s]).mean(0) for s in known]))
    unseen = [c for name in SKILL_NAMES for c in exam_sheet(name, 20)]
    nearest = (encoder.encode([c.prompt for c in unseen]) @ means.T).argmax(1)
    right = np.mean([SKILL_NAMES[i] == c.skill for i, c in zip(nearest, unseen, strict=True)])
    assert right >= 0.9


def test_plain_words_find_the_description_that_has_them(embedded: BaseModel) -> None:
    encoder = QuestionEncoder.fit(embedded, [c.prompt for c in exam_sheet("sort", 30)])
    described = encoder.describe([searchable_text("", s.name, s.description) for s in SKILLS])
    for query, skill in (
        ("sort these numbers", "sort"),
        ("write it in capitals please", "case"),
        ("the largest of several numbers", "max"),
        ("repeat a word", "repeat"),
    ):
        nearest = int((encoder.encode([query]) @ described.T).argmax())
        assert SKILL_NAMES[nearest] == skill


def test_an_encoder_is_the_same_after_saving_and_a_missing_one_is_named(
    embedded: BaseModel, tmp_path: Path
) -> None:
    encoder = QuestionEncoder.fit(embedded, [c.prompt for c in exam_sheet("sort", 30)])
    encoder.save(tmp_path / "encoder.safetensors")
    again = QuestionEncoder.load(embedded, tmp_path / "encoder.safetensors")
    np.testing.assert_array_equal(encoder.encode(["sort: cba"]), again.encode(["sort: cba"]))
    assert encoder.identity == again.identity
    other = QuestionEncoder.fit(embedded, [c.prompt for c in exam_sheet("max", 30)])
    assert other.identity != encoder.identity
    with pytest.raises(LibraryError, match=r"nowhere\.safetensors"):
        QuestionEncoder.load(embedded, tmp_path / "nowhere.safetensors")


@pytest.mark.parametrize("dtype", ["bfloat16", "int8"])
def test_a_base_that_answers_in_less_finds_the_same(embedded: BaseModel, dtype: str) -> None:
    """Vectors made in float32 are searched by questions in another precision."""
    questions = [c.prompt for name in SKILL_NAMES for c in exam_sheet(name, 2)]
    encoder = QuestionEncoder.fit(embedded, questions)
    other = BaseModel.load(embedded.path, dtype=dtype)
    same = QuestionEncoder(other, encoder.centre, encoder.whitening)
    near = (encoder.encode(questions) * same.encode(questions)).sum(1)
    assert near.min() > 0.95
