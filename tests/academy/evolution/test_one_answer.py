"""A set of one answer is said before a run begins, and stands in its log."""

from __future__ import annotations

from typing import Any

from academy.challenge import Challenge
from academy.evolution.fitting import FittingSource
from academy.sources.jsonl import JsonlSource
from tests.support.genome import tiny_base


def test_it_is_a_note_of_the_source(tokenizer: Any) -> None:
    asked = [Challenge(f"is {i} a number?", "yes", "yes", "d") for i in range(90)]
    source = FittingSource(JsonlSource("set", asked), tiny_base(tokenizer))
    assert source.notes() == ["always the same answer is right for 100% of 'yes'"]
