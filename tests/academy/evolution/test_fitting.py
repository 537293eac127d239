"""Questions that are too long for the base are said once and never asked."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from academy.challenge import Challenge
from academy.errors import RunSettingsError
from academy.evaluator import LocalEvaluator
from academy.evolution.events import Event
from academy.evolution.fitting import FittingSource, check_fit, refusal
from academy.evolution.run import evolve
from academy.sources.builtin import BuiltinSource
from academy.sources.jsonl import JsonlSource
from genome.base_model import BaseModel
from genome.errors import TooLongError
from genome.genome import Genome
from tests.support.academy import small_run
from tests.support.genome import tiny_base


@pytest.fixture
def base(tokenizer: Any) -> BaseModel:
    return tiny_base(tokenizer)


def numbers(long: int) -> JsonlSource:
    """400 number questions, every `long`-th of them of 500 characters; 0 = all of them."""
    return JsonlSource(
        "numbers",
        [
            Challenge(
                f"{i}{'?' * (500 if not long or i % long == 0 else 1)}",
                str(i),
                "num",
                "d",
                tolerance=0.5,
            )
            for i in range(400)
        ],
    )


def test_others_are_drawn_in_place_of_what_is_too_long(base: BaseModel) -> None:
    fitting = FittingSource(numbers(2), base)
    drawn = fitting.draw("num", "select", 20, np.random.default_rng(0))
    assert len(drawn) == 20 == len({c.id for c in drawn})
    assert all(len(c.prompt) < 100 for c in drawn)


def test_what_fits_is_drawn_as_ever(base: BaseModel) -> None:
    source = BuiltinSource()
    one = FittingSource(source, base).draw("sort", "select", 9, np.random.default_rng(0))
    assert one == source.draw("sort", "select", 9, np.random.default_rng(0))
    assert FittingSource(source, base).notes() == []


def test_a_run_says_it_once_and_no_answer_fails(base: BaseModel) -> None:
    heard: list[Event] = []
    evaluator = LocalEvaluator(base, max_new_tokens={"numeric": 4})
    config = small_run(
        run={"tokens": 9_000},
        ancestor={"share": 0.0},
        operators={"names": ("noise",)},
        population={"items": 8, "size": 2, "births": 2},
    )
    result = evolve(
        config, base=base, source=numbers(2), evaluator=evaluator, observer=heard.append
    )
    notices = [e.plain()["text"] for e in heard if type(e).__name__ == "Notice"]
    said = [text for text in notices if "positions of the base" in text]
    assert len(said) == 1 and "questions of 'num'" in said[0]
    assert result.run.failures == 0


def test_a_skill_of_nothing_else_is_refused_before_anything_is_spent(base: BaseModel) -> None:
    evaluator = LocalEvaluator(base)
    with pytest.raises(RunSettingsError, match="choose another base, or shorter"):
        evolve(small_run(), base=base, source=numbers(0), evaluator=evaluator)
    assert evaluator.tokens.equivalents == 0


@pytest.mark.parametrize("split", ["train", "select", "audit"])
def test_one_long_question_of_a_set_is_named_before_the_run(base: BaseModel, split: str) -> None:
    """Wherever it stands; the test split stays closed, its exam names its own."""
    long = [Challenge("x" * 300 + f" {i}", "1", "num", "d") for i in range(200)]
    one = next(c for c in long if c.split == split)
    short = [Challenge(f"{i}?", str(i), "num", "d") for i in range(200)]
    (said,) = FittingSource(JsonlSource("numbers", [*short, one]), base).notes()
    assert "1 of" in said and "questions of 'num' (as 'xxxx" in said
    assert "longer than the 128 positions of the base: such questions are left out" in said
    hidden = next(c for c in long if c.split == "test")
    assert FittingSource(JsonlSource("numbers", [*short, hidden]), base).notes() == []


@pytest.mark.parametrize("kind", [{}, {"choices": ("1", "2")}, {"tolerance": 0.0}])
def test_every_kind_of_question_has_to_fit_with_its_answer(
    base: BaseModel, kind: dict[str, Any]
) -> None:
    """To the token: the longest that is asked can be scored, one more is left out."""
    frame = len(base.prompt_ids([""])[0])
    room = base.positions - frame - 1
    last = Challenge("x" * room, "1", "s", "d", **kind)
    assert refusal(base, last) is None
    assert refusal(base, Challenge("x" * (room + 1), "1", "s", "d", **kind)) is not None
    evaluator = LocalEvaluator(base)
    evaluator.scores([Genome(base.fingerprint)], [last])
    assert evaluator.failures == 0
    check_fit(base, [last])
    with pytest.raises(TooLongError, match="longer than the 128 positions"):
        check_fit(base, [last, Challenge("x" * 200, "1", "s", "d", **kind)])
