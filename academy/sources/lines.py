"""One line of a challenge file, checked: every rule says what was found and what to write."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, NoReturn

from academy.challenge import Challenge
from academy.errors import did_you_mean
from academy.scoring.errors import UnreadableAnswerError
from academy.scoring.numeric import right_number
from academy.sources.errors import ChallengeSetError
from academy.sources.names import name_fault

KEYS = (
    "prompt", "answer", "choices", "tests", "tolerance", "skill", "domain", "licence", "argument",
)  # fmt: skip
OTHER_NAMES = {
    "question": "prompt", "input": "prompt", "instruction": "prompt", "problem": "prompt",
    "query": "prompt", "output": "answer", "response": "answer", "solution": "answer",
    "target": "answer", "label": "answer", "completion": "answer", "options": "choices",
    "subject": "skill", "category": "skill", "license": "licence",
}  # fmt: skip
"""What other formats call our keys, for the hint."""
MAX_TEXT = 20_000
"""Characters of one prompt, answer, option or test."""
MAX_NAME = 64
MAX_CHOICES = 26
MAX_TESTS = 200


def read_line(path: Path, number: int, text: str, default_skill: str) -> Challenge:
    """The challenge that one line holds.

    Args:
        default_skill: Where the line names no skill; the skill is where it names no domain.

    Raises:
        ChallengeSetError: The line breaks a rule.
    """
    return _Line(path, number).challenge(text, default_skill)


class _Line:
    """A line's place, so that every refusal can name it."""

    def __init__(self, path: Path, number: int) -> None:
        self.path = path
        self.number = number

    def fail(self, cause: str) -> NoReturn:
        raise ChallengeSetError(self.path, self.number, cause)

    def challenge(self, text: str, default_skill: str) -> Challenge:
        data = self._columns(self._object(text))
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
        )
        self._check_kind(challenge)
        return challenge

    def _columns(self, data: dict[str, Any]) -> dict[str, Any]:
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

    def _object(self, text: str) -> dict[str, Any]:
        try:
            data = json.loads(text, object_pairs_hook=self._once, parse_constant=self._no_constant)
        except (json.JSONDecodeError, RecursionError) as error:
            cause = getattr(error, "msg", "nested too deeply")
            self.fail(f"not JSON ({cause}): write one object per line")
        except ValueError as error:  # a number of more digits than Python converts
            self.fail(f"not JSON ({error}): write one object per line")
        if not isinstance(data, dict):
            self.fail(f'a {type(data).__name__}, not an object: write {{"prompt": ...}}')
        return data

    def _once(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        data: dict[str, Any] = {}
        for key, value in pairs:
            if key in data:
                self.fail(f"key {key!r} stands twice: keep one")
            data[key] = value
        return data

    def _no_constant(self, name: str) -> NoReturn:
        self.fail(f"{name} is no JSON number: write a finite one, or null for none")

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

    def _check_kind(self, challenge: Challenge) -> None:
        """One way of scoring per question, and an answer that it can be scored by."""
        ways = {
            "choices": bool(challenge.choices),
            "tests": bool(challenge.tests),
            "tolerance": challenge.tolerance is not None,
        }
        given = [name for name, there in ways.items() if there]
        if len(given) > 1:
            self.fail(f"{given[0]} and {given[1]} exclude each other: keep one")
        if challenge.choices and challenge.answer not in challenge.choices:
            self.fail(
                f"the answer {challenge.answer[:40]!r} is none of the choices: write the right one "
                "itself"
            )
        if challenge.tolerance is not None:
            try:
                right_number(challenge.answer)
            except UnreadableAnswerError as error:
                self.fail(str(error))
        if challenge.tests:
            self._check_tests(challenge.tests)

    def _check_tests(self, tests: tuple[str, ...]) -> None:
        from academy.scoring.unit_tests import BadUnitTestError, parse_unit_tests

        try:
            parse_unit_tests(tests)
        except BadUnitTestError as error:
            self.fail(str(error))


def _hint(key: str) -> str:
    other = OTHER_NAMES.get(key.lower())
    return f"did you mean {other!r}?" if other else did_you_mean(key, sorted(KEYS))
