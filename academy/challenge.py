"""A question with one exact answer, and the split its hash puts it in.

Splits are decided by the question itself, never by a seed: procedural tasks drawn from
different seeds overlap up to 100 %, so "another seed" is no held-out set.
An id is two hashes side by side: `question` (skill and argument, shared by every phrasing)
and `wording` (the prompt). The split reads the first half, so that `sort: cbda` and
`put cbda in order` can never stand on two sides of a split.
"""

from __future__ import annotations

import hashlib
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
    """One question: what is asked, the only right answer, and what it is a test of."""

    prompt: str
    answer: str
    skill: str
    domain: str
    argument: str = ""
    """What the question is about, without its phrasing; empty = the prompt itself."""
    id: str = field(init=False)
    """Hash of the question (split, 16 hex digits), then hash of the wording (16)."""

    def __post_init__(self) -> None:
        question = f"{self.skill}\n{self.argument}" if self.argument else self.prompt
        object.__setattr__(self, "id", _hash(question) + _hash(self.prompt))

    @property
    def split(self) -> Split:
        return split_of(self.id)


def prompts_and_answers(challenges: Sequence[Challenge]) -> tuple[list[str], list[str]]:
    """What is asked and what is right, as two lists in the same order."""
    return [c.prompt for c in challenges], [c.answer for c in challenges]
