"""Challenge sets in a file, one question a row, read strictly or not at all.

    {"prompt": "6 x 7 = ?", "answer": "42", "skill": "times", "domain": "arithmetic"}
    {"prompt": "Which is a fruit?", "choices": ["plum", "brick"], "answer": "plum"}
    {"prompt": "Write double(x).", "tests": ["double(2) == 4"], "licence": "CC0-1.0"}
    {"prompt": "Pi?", "answer": "3.14159", "tolerance": 0.01, "argument": "pi"}
    {"prompt": "As JSON: 2 pens.", "answer": "2", "rule": "json:pens > numeric"}

Lines that ask the same thing in other words need the same `argument`: it decides the split.
A column that holds null, "" or [] has no value, as in tables turned into lines.
Other people's columns are read by `academy.sources.columns`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from academy.challenge import SPLITS, Challenge, Split
from academy.errors import (
    AcademyError,
    ChallengeSetError,
    TooFewQuestionsError,
    UnknownSourceError,
    did_you_mean,
)
from academy.scoring.rule import check_rule, rule_of
from academy.sources.checks import find_overlap, name_fault, name_from
from academy.sources.columns import KEYS, LETTERS, OTHER_NAMES, Columns
from academy.sources.files import is_table, rows_of, rows_on_hub

MOST_NAMED = 50
"""Lines that a refusal names, after the first."""
Placed = list[tuple[int, Challenge]]
"""Challenges with the numbers of their lines, from 1."""


class JsonlSource:
    """A finite set of questions; `level` is ignored, for a file has no difficulty knob."""

    def __init__(
        self, name: str, challenges: Sequence[Challenge], shown: Sequence[str] = ()
    ) -> None:
        self.name = name
        self.shown = tuple(shown)
        """Which columns were taken for what, and the first question so read; empty = our own."""
        self.skills: tuple[str, ...] = tuple(dict.fromkeys(c.skill for c in challenges))
        self._parts: dict[tuple[str, Split], list[Challenge]] = {
            (skill, split): [] for skill in self.skills for split in SPLITS
        }
        for challenge in challenges:
            self._parts[challenge.skill, challenge.split].append(challenge)

    @classmethod
    def read(cls, path: str | Path, columns: str = "") -> JsonlSource:
        """Read and check a whole file: JSON Lines, or by its name CSV or Parquet.

        Args:
            columns: `prompt=question&answer=answer`; empty = as they are recognised.

        Raises:
            ChallengeSetError: It cannot be read, is empty, breaks the format, asks a question
                twice or on two sides of a split; file and line numbers are in the message.
            SourceUnavailableError: There are no such columns.
        """
        path = Path(path)
        return cls._of(path, f"jsonl:{path.name}", list(rows_of(path)), columns)

    @classmethod
    def read_hub(cls, spec: str) -> JsonlSource:
        """Read and check a data set of the hub.

        Args:
            spec: `ORG/NAME`, `ORG/NAME@REVISION`, with `?config=C&split=S` and columns behind.

        Raises:
            ChallengeSetError, SourceUnavailableError: As `read`; it cannot be had.
        """
        name, _, options = spec.partition("?")
        name, _, revision = name.partition("@")
        given = [part for part in options.split("&") if part]
        which = dict(part.split("=", 1) for part in given if part.startswith(("config=", "split=")))
        columns = "&".join(part for part in given if not part.startswith(("config=", "split=")))
        rows = list(rows_on_hub(name, revision=revision, **which))
        return cls._of(Path(name), f"hub:{name}", rows, columns)

    @classmethod
    def _of(
        cls, path: Path, name: str, rows: Sequence[tuple[int, dict[str, Any]]], columns: str
    ) -> JsonlSource:
        if not rows:
            raise ChallengeSetError(path, None, "no question in it: a set needs at least one line")
        first = rows[0][1]
        known = Columns.named(columns, first) if columns else Columns.recognised(first)
        reader = known or (Columns.ours(first) if is_table(path) else None)
        unnamed = name_from(path.stem, "questions")
        placed = [(n, _Line(path, n).challenge(row, reader, unnamed)) for n, row in rows]
        shown = [] if known is None else _shown(path, known.shown(first), placed[0][1])
        _refuse_repeats(path, placed)
        _refuse_overlap(path, placed)
        return cls(name, [challenge for _, challenge in placed], shown)

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


def _shown(path: Path, columns: str, first: Challenge) -> list[str]:
    options = f", of {' | '.join(first.choices)}" if first.choices else ""
    return [
        f"{path.name}: {columns}",
        f"first question: {first.prompt[:300]!r}; right, by the rule {rule_of(first).text}: "
        f"{first.answer[:100]!r}{options[:200]}",
    ]


def _needed(split: Split) -> int:
    """Questions a skill needs for its first of a split to be expected twice over."""
    from academy.challenge import SPLIT_PERCENT

    return round(200 / SPLIT_PERCENT[split])


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
    _refuse(
        path,
        contradictions,
        "contradicts line {}, which gives the same question another answer",
        "keep one",
    )
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
        pairs.append(
            (
                second,
                first,
                f" in other words, but falls into split {other.split!r} and "
                f"that into {one.split!r}",
            )
        )
    _refuse(path, pairs, "asks the same question as line {}", "give both the same `argument`")


MAX_TEXT = 20_000
"""Characters of one prompt, answer, option or test."""
MAX_NAME = 64
MAX_CHOICES = 26
MAX_TESTS = 200


class _Line:
    """A line's place, so that every refusal can name it."""

    def __init__(self, path: Path, number: int) -> None:
        self.path = path
        self.number = number

    def fail(self, cause: str) -> NoReturn:
        raise ChallengeSetError(self.path, self.number, cause)

    def challenge(
        self, row: Mapping[str, Any], known: Columns | None, default_skill: str
    ) -> Challenge:
        """The question of a row.

        Args:
            known: How the file's columns are read; None = they are our keys.
            default_skill: Where the row names no skill; the skill is where it names no domain.

        Raises:
            ChallengeSetError: It breaks a rule.
        """
        try:
            data = self._columns(row if known is None else known.read(row))
        except ValueError as error:
            self.fail(str(error))
        if "prompt" not in data:
            self.fail("key 'prompt' is missing")
        skill = self._name(data, "skill", default_skill)
        if fault := name_fault(skill):
            self.fail(fault)
        challenge = Challenge(
            prompt=self._text(data["prompt"], "prompt"),
            answer=self._answer(data),
            skill=skill,
            domain=self._name(data, "domain", skill),
            argument=self._text(data["argument"], "argument") if "argument" in data else "",
            choices=self._texts(data, "choices", 2, MAX_CHOICES),
            tests=self._texts(data, "tests", 1, MAX_TESTS),
            tolerance=self._tolerance(data),
            licence=self._name(data, "licence", ""),
            rule=self._text(data["rule"], "rule").strip() if "rule" in data else "",
        )
        try:
            challenge = _lettered(challenge)
            check_rule(challenge)
        except AcademyError as error:
            self.fail(str(error))
        return challenge

    def _columns(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """What has a value: tables fill the columns that a row lacks with null, "" or []."""
        unknown = [key for key in data if key not in KEYS]
        if unknown:
            hints = [f"unknown key {key[:MAX_NAME]!r}: {_hint(key)}" for key in unknown[:5]]
            self.fail("; ".join(hints))
        return {
            key: value
            for key, value in data.items()
            if value is not None and (value not in ("", []) or key in ("prompt", "answer"))
        }

    def _text(self, value: Any, key: str) -> str:
        if not isinstance(value, str):
            self.fail(f"{key} is a {type(value).__name__}, not text: put it in quotes")
        if not value.strip():
            self.fail(f"{key} is empty")
        if len(value) > MAX_TEXT:
            self.fail(f"{key} has {len(value)} characters: at most {MAX_TEXT}")
        if "\0" in value:
            self.fail(f"{key} holds a NUL character: remove it")
        if any("\ud800" <= c <= "\udfff" for c in value):
            self.fail(f"{key} holds half a character (a lone surrogate): remove it")
        return value

    def _name(self, data: dict[str, Any], key: str, default: str) -> str:
        if key not in data:
            return default
        value = self._text(data[key], key)
        if len(value) > MAX_NAME or not value.isprintable() or value != value.strip():
            self.fail(f"{key} must be one printable line of at most {MAX_NAME} characters")
        return value

    def _answer(self, data: dict[str, Any]) -> str:
        if "answer" in data:
            if "choices" in data and isinstance(data["answer"], int | float):
                self.fail(
                    f"the answer is the number {data['answer']}: write the right one of `choices` "
                    "itself, as text"
                )
            return self._text(data["answer"], "answer")
        if "tests" not in data:
            self.fail("no answer: give 'answer', with 'choices' or alone, or 'tests'")
        return ""

    def _texts(self, data: dict[str, Any], key: str, low: int, high: int) -> tuple[str, ...]:
        if key not in data:
            return ()
        values = data[key]
        if not isinstance(values, list):
            self.fail(f"{key} is a {type(values).__name__}, not a list of texts")
        if not low <= len(values) <= high:
            self.fail(f"{key} has {len(values)} entries: {low} to {high} are allowed")
        texts = tuple(self._text(value, f"each of {key}") for value in values)
        if len(set(texts)) < len(texts):
            self.fail(f"{key} holds an entry twice: keep one")
        return texts

    def _tolerance(self, data: dict[str, Any]) -> float | None:
        if "tolerance" not in data:
            return None
        value = data["tolerance"]
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.fail(f"tolerance is a {type(value).__name__}, not a number")
        try:
            tolerance = float(value)
        except OverflowError:
            tolerance = math.inf
        if not (math.isfinite(tolerance) and tolerance >= 0):
            self.fail(f"tolerance is {value}: it must be 0 or more, and finite")
        return tolerance


def _lettered(challenge: Challenge) -> Challenge:
    """Where an option's letter is looked for, the options are shown and the letter is right."""
    if not challenge.choices or rule_of(challenge).look != "letter":
        return challenge
    options = dict(zip(LETTERS, challenge.choices, strict=False))
    if challenge.answer not in options.values():
        return challenge  # which `check_rule` refuses
    lines = [challenge.prompt, *(f"{letter}. {text}" for letter, text in options.items())]
    return replace(
        challenge,
        prompt="\n".join(lines),
        answer=next(letter for letter, text in options.items() if text == challenge.answer),
        argument=challenge.argument or json.dumps([challenge.prompt, sorted(challenge.choices)]),
        choices=(),
    )


def _hint(key: str) -> str:
    other = OTHER_NAMES.get(key.lower())
    return f"did you mean {other!r}?" if other else did_you_mean(key, sorted(KEYS))
