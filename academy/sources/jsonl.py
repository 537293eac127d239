"""Challenge sets in a file: one JSON object per line, read strictly or not at all.

    {"prompt": "6 x 7 = ?", "answer": "42", "skill": "times", "domain": "arithmetic"}
    {"prompt": "Which is a fruit?", "choices": ["plum", "brick"], "answer": "plum"}
    {"prompt": "Write double(x).", "tests": ["double(2) == 4"], "licence": "CC0-1.0"}
    {"prompt": "Pi?", "answer": "3.14159", "tolerance": 0.01, "argument": "pi"}

Lines that ask the same thing in other words need the same `argument`: it decides the split.
A column that holds null, "" or [] has no value, as in tables turned into lines.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import numpy as np

from academy.challenge import SPLITS, Challenge, Split
from academy.sources.checks import find_overlap
from academy.sources.errors import ChallengeSetError, TooFewQuestionsError, UnknownSourceError
from academy.sources.lines import read_line
from academy.sources.names import name_from

MAX_FILE_BYTES = 256 * 2**20
MOST_NAMED = 50
"""Lines that a refusal names, after the first."""
Placed = list[tuple[int, Challenge]]
"""Challenges with the numbers of their lines, from 1."""


class JsonlSource:
    """A finite set of questions; `level` is ignored, for a file has no difficulty knob."""

    def __init__(self, name: str, challenges: Sequence[Challenge]) -> None:
        self.name = name
        self.skills: tuple[str, ...] = tuple(dict.fromkeys(c.skill for c in challenges))
        self._parts: dict[tuple[str, Split], list[Challenge]] = {
            (skill, split): [] for skill in self.skills for split in SPLITS
        }
        for challenge in challenges:
            self._parts[challenge.skill, challenge.split].append(challenge)

    @classmethod
    def read(cls, path: str | Path) -> JsonlSource:
        """Read and check a whole file.

        Raises:
            ChallengeSetError: It cannot be read, is empty, breaks the format, asks a question
                twice or on two sides of a split; file and line numbers are in the message.
        """
        path = Path(path)
        unnamed = name_from(path.stem, "questions")
        placed = [(number, read_line(path, number, text, unnamed)) for number, text in _lines(path)]
        if not placed:
            raise ChallengeSetError(path, None, "no question in it: a set needs at least one line")
        _refuse_repeats(path, placed)
        _refuse_overlap(path, placed)
        return cls(f"jsonl:{path.name}", [challenge for _, challenge in placed])

    @property
    def counts(self) -> dict[tuple[str, Split], int]:
        """How many questions there are by skill and split."""
        return {key: len(part) for key, part in self._parts.items()}

    def describe(self, skill: str) -> str:
        """The skill with its domain and its numbers of questions."""
        parts = {split: self._part(skill, split) for split in SPLITS}
        domain = next(c.domain for part in parts.values() for c in part)
        numbers = ", ".join(f"{len(part)} {split}" for split, part in parts.items())
        return f"{skill} ({domain}): {numbers}"

    def draw(
        self,
        skill: str,
        split: Split,
        n: int,
        rng: np.random.Generator,
        *,
        level: int | None = None,
        exclude: Collection[str] = (),
    ) -> list[Challenge]:
        """Up to `n` questions in random order, all that are left if there are fewer.

        Raises:
            TooFewQuestionsError: The set has no question of this skill in this split at all.
        """
        part = self._part(skill, split)
        if not part and n:
            total = sum(len(self._parts[skill, s]) for s in SPLITS)
            raise TooFewQuestionsError(
                f"{self.name} has no {split!r} question of {skill!r} ({total} in all splits): "
                f"add questions, about {_needed(split)} give {split!r} its first"
            )
        taken = set(exclude)
        left = [challenge for challenge in part if challenge.id not in taken]
        order = rng.permutation(len(left))[:n]
        return [left[i] for i in order]

    def _part(self, skill: str, split: Split) -> list[Challenge]:
        if skill not in self.skills:
            raise UnknownSourceError("skill", skill, self.skills)
        return self._parts[skill, split]


def _needed(split: Split) -> int:
    """Questions a skill needs for its first of a split to be expected twice over."""
    from academy.challenge import SPLIT_PERCENT

    return round(200 / SPLIT_PERCENT[split])


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """The file's lines that are not blank, numbered from 1."""
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise ChallengeSetError(
                path, None, f"larger than {MAX_FILE_BYTES >> 20} MiB: split it into several sets"
            )
        data = path.read_bytes()
    except OSError as error:
        raise ChallengeSetError(
            path, None, f"cannot be read ({error.strerror or error}): check the path"
        ) from None
    for number, raw in enumerate(data.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        try:
            text = raw.decode().strip()
        except UnicodeDecodeError as error:
            raise ChallengeSetError(
                path, number, f"not UTF-8 at byte {error.start}: save the file as UTF-8"
            ) from None
        if text:
            yield number, text


def _refuse_repeats(path: Path, placed: Placed) -> None:
    """One line per wording, one answer per question; every line that errs is named."""
    first: dict[str, tuple[int, Challenge]] = {}
    wordings: dict[tuple[str, str], tuple[int, Challenge]] = {}
    contradictions: list[Pair] = []
    repeats: list[Pair] = []
    for number, challenge in placed:
        line, other = first.setdefault(challenge.question, (number, challenge))
        wording = (challenge.question, challenge.prompt)
        earlier, same = wordings.setdefault(wording, (number, challenge))
        if _right(other) != _right(challenge):
            contradictions.append((number, line, ""))
        elif earlier != number:
            repeats.append((number, earlier, _skills(same, challenge)))
    _refuse(path, contradictions, "contradicts line {}, which gives the same question another "
            "answer", "keep one")  # fmt: skip
    _refuse(path, repeats, "asks the same question as line {}", "delete one of each")


Pair = tuple[int, int, str]
"""A line's number, that of the line it quarrels with, and what else to say of them."""


def _skills(one: Challenge, other: Challenge) -> str:
    if one.skill == other.skill:
        return ""
    return f", there under skill {one.skill!r}, here under {other.skill!r}"


def _refuse(path: Path, pairs: Sequence[Pair], rule: str, remedy: str) -> None:
    """All lines that break one rule in one message, the first in full."""
    if not pairs:
        return
    (number, earlier, more), *others = pairs
    cause = rule.format(earlier) + more
    if others:
        listed = ", ".join(f"line {a} (as {b})" for a, b, _ in others[:MOST_NAMED])
        rest = ", ..." if len(others) > MOST_NAMED else ""
        cause += f"; {len(pairs)} lines do so, the others are {listed}{rest}"
    raise ChallengeSetError(path, number, f"{cause}: {remedy}")


def _right(challenge: Challenge) -> tuple[object, ...]:
    return challenge.answer, sorted(challenge.choices), challenge.tests, challenge.tolerance


def _refuse_overlap(path: Path, placed: Placed) -> None:
    pairs = []
    for earlier, later in find_overlap(challenge for _, challenge in placed):
        (first, one), (second, other) = placed[earlier], placed[later]
        pairs.append((second, first, f" in other words, but falls into split {other.split!r} and "
                      f"that into {one.split!r}"))  # fmt: skip
    _refuse(path, pairs, "asks the same question as line {}", "give both the same `argument`")
