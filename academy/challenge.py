"""A question with one exact answer, and the split its hash puts it in.

Splits are decided by the question itself, never by a seed: procedural tasks drawn from
different seeds overlap up to 100 %, so "another seed" is no held-out set.
An id is two hashes side by side: `question` (skill and argument, shared by every phrasing; else
the prompt, with its options in any order) and `wording` (the prompt, and what else decides the
score). The split reads the first half, so that `sort: cbda` and `put cbda in order` can never
stand on two sides of a split.
"""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

Split = Literal["train", "select", "audit", "test"]
SPLITS: tuple[Split, ...] = ("train", "select", "audit", "test")
SPLIT_PERCENT: dict[Split, int] = {"train": 60, "select": 20, "audit": 5, "test": 15}
"""Shares from the benchmark protocol: learn on train, choose on select, report on test."""

_HALF = 16  # hex digits per half id: 64 bits, collisions below 1e-7 for a million questions


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:_HALF]


def split_of(challenge_id: str) -> Split:
    """The split a challenge id belongs to; the same on every machine, for ever."""
    bucket = int(challenge_id[:_HALF], 16) % 100
    for split in SPLITS:
        bucket -= SPLIT_PERCENT[split]
        if bucket < 0:
            return split
    raise AssertionError("SPLIT_PERCENT must sum to 100")


@dataclass(frozen=True, slots=True)
class Challenge:
    """One question: what is asked, what is right, and what it is a test of.

    How an answer is scored follows from what is given, unless a rule says it
    (`academy.scoring.rule`).
    """

    prompt: str
    answer: str
    """The right answer; where there are `tests`, one right answer or empty."""
    skill: str
    domain: str
    argument: str = ""
    """What the question is about, without its phrasing; empty = the prompt, with its options."""
    choices: tuple[str, ...] = ()
    """Options of a multiple-choice question, `answer` among them."""
    tests: tuple[str, ...] = ()
    """Hidden unit tests that an answer written in Python has to pass."""
    tolerance: float | None = None
    """How far a number may be from `answer`: absolute below 1 in size, relative above."""
    licence: str = ""
    rule: str = ""
    """How an answer is scored, such as `json:total > numeric`; empty = by what is given."""
    id: str = field(init=False)
    """Hash of the question (split, 16 hex digits), then hash of the wording (16)."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "id", _hash(self._question()) + _hash(self._wording()))

    def _question(self) -> str:
        """ "Which of these is true?" asks something else where other options follow it."""
        if self.argument:
            return f"{self.skill}\n{self.argument}"
        return json.dumps([self.prompt, sorted(self.choices)]) if self.choices else self.prompt

    def _wording(self) -> str:
        """The prompt alone where the answer is exact: those ids are in checkpoints."""
        if not self.choices and not self.tests and self.tolerance is None and not self.rule:
            return self.prompt
        stated = [self.rule] if self.rule else []
        return json.dumps([self.prompt, self.choices, self.tests, self.tolerance, *stated])

    @property
    def question(self) -> str:
        """Hash of the question alone, 16 hex digits: the same for all its phrasings."""
        return self.id[:_HALF]

    @property
    def split(self) -> Split:
        return split_of(self.id)


def plain(text: str) -> str:
    """Text without what people vary by accident: case, spacing, width, final punctuation."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(folded.split()).rstrip(" .?!:;")


def prompts_and_answers(challenges: Sequence[Challenge]) -> tuple[list[str], list[str]]:
    """What is asked and what is right, as two lists in the same order."""
    return [c.prompt for c in challenges], [c.answer for c in challenges]
