"""Which columns of a file are our keys: named by the user, or recognised in the first row.

    jsonl:my.jsonl?prompt=question&answer=answer          named; `a+b` joins two columns
    csv:mmlu.csv                                          recognised, and shown before use

Recognised are question/answer, problem/solution, prompt/completion, input/output,
instruction/input/output, messages, choices with the right one's index, letter or text, columns
A to D as in MMLU's CSV (also without a first line of names), ARC's labelled choices, and GSM8K's
answers, which end in `#### 42` and are scored as numbers.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from academy.errors import SourceUnavailableError, did_you_mean
from academy.sources.checks import name_from

KEYS = (
    "prompt",
    "answer",
    "choices",
    "tests",
    "tolerance",
    "skill",
    "domain",
    "licence",
    "argument",
    "rule",
)
OTHER_NAMES = {
    "question": "prompt",
    "input": "prompt",
    "instruction": "prompt",
    "problem": "prompt",
    "query": "prompt",
    "output": "answer",
    "response": "answer",
    "solution": "answer",
    "target": "answer",
    "label": "answer",
    "completion": "answer",
    "options": "choices",
    "subject": "skill",
    "category": "skill",
    "license": "licence",
}
"""What other formats call our keys, for the hint."""
_FIRST_OF: Mapping[str, tuple[str, ...]] = {
    "prompt": ("question", "problem", "instruction", "query", "input", "prompt"),
    "answer": (
        *("answer", "answerKey", "output", "completion", "response", "solution"),
        *("answer_index", "target", "label"),
    ),
    "choices": ("choices", "options"),
    "skill": ("skill", "subject", "category"),
    "licence": ("licence", "license"),
}
"""Columns that are taken for a key, the first that a row has."""
LETTERS = tuple("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
CONSTANTS = ("rule", "tolerance", "skill", "domain", "licence")
"""Keys that may be given a value for all rows in place of a column."""
MESSAGES = "messages"
NUMBER_MARK = "####"
"""What GSM8K writes before the number that its reasoning comes to."""


@dataclass(frozen=True, slots=True)
class Columns:
    """How the rows of one file are read."""

    by_key: Mapping[str, tuple[str, ...]]
    """Columns of each key, joined by line breaks; options, one each."""
    constants: Mapping[str, str]
    """Values of keys that are the same in every row."""

    @classmethod
    def named(cls, text: str, row: Mapping[str, Any]) -> Columns:
        """As a user wrote it, `prompt=question&answer=answer&rule=numeric`.

        Args:
            row: The file's first.

        Raises:
            SourceUnavailableError: It names no key of ours, or no column of the row.
        """
        by_key: dict[str, tuple[str, ...]] = {}
        constants: dict[str, str] = {}
        for part in text.split("&"):
            key, _, value = part.partition("=")
            if key not in (*KEYS, MESSAGES):
                raise _bad(key, value, f"there is no key {key!r}", did_you_mean(key, KEYS))
            names = tuple(map(unquote, value.split("+")))
            missing = next((name for name in names if name not in row), None)
            if missing is None:
                by_key[key] = names
            elif key in CONSTANTS and value:
                constants[key] = unquote(value)
            else:
                remedy = did_you_mean(missing, [str(name) for name in row])
                raise _bad(key, value, f"the first row has no column {missing!r}", remedy)
        if "prompt" not in by_key and MESSAGES not in by_key:
            known = cls.recognised(row) or cls.ours({key: row[key] for key in KEYS if key in row})
            by_key, constants = {**known.by_key, **by_key}, {**known.constants, **constants}
        if "prompt" not in by_key and MESSAGES not in by_key:
            raise _bad("prompt", "", "nothing says what is asked", "write prompt=COLUMN")
        return cls(by_key, constants)

    @classmethod
    def ours(cls, row: Mapping[str, Any]) -> Columns:
        """Of a table whose columns are our keys, and whose cells are all text."""
        return cls({str(name): (str(name),) for name in row}, {})

    @classmethod
    def recognised(cls, row: Mapping[str, Any]) -> Columns | None:
        """From the columns of a file's first row; None where they are ours, or nobody's."""
        if ("prompt" in row and "answer" in row) or "tests" in row:
            return None
        if isinstance(row.get(MESSAGES), list):
            return cls({MESSAGES: (MESSAGES,)}, {})
        found: dict[str, tuple[str, ...]] = {
            key: (name,)
            for key, names in _FIRST_OF.items()
            if (name := next((name for name in names if name in row), None)) is not None
        }
        if not found.keys() >= {"prompt", "answer"}:
            return None
        if found["prompt"] == ("instruction",) and "input" in row:
            found["prompt"] = ("instruction", "input")
        lettered = tuple(letter for letter in LETTERS if letter in row)
        if "choices" not in found and len(lettered) > 1:
            found["choices"] = lettered
        answer = row[found["answer"][0]]
        marked = "choices" not in found and isinstance(answer, str) and NUMBER_MARK in answer
        return cls(found, {"rule": "numeric"} if marked else {})

    def read(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """A row under our keys.

        Raises:
            ValueError: It lacks a column, or its answer is none of its choices; the text says so.
        """
        for name in (name for names in self.by_key.values() for name in names):
            if name not in row:
                raise ValueError(f"it has no column {name!r}, as the first row: give it one")
        data: dict[str, Any] = {}
        for key, names in self.by_key.items():
            if key == MESSAGES:
                data |= _turns(row[names[0]])
            elif key == "choices":
                data |= _choices([row[name] for name in names])
            elif key == "tests":
                data[key] = _listed(row[names[0]])
            elif len(names) > 1:
                data[key] = "\n".join(str(row[name]) for name in names if row[name])
            elif key == "skill" and row[names[0]]:
                data[key] = name_from(str(row[names[0]]))
            else:
                data[key] = row[names[0]]
        labels = data.pop("labels", LETTERS)
        if isinstance(choices := data.get("choices"), list) and "answer" in data:
            data["answer"] = _chosen(data["answer"], choices, labels)
        elif isinstance(data.get("answer"), int | float):
            data["answer"] = json.dumps(data["answer"])
        if "tolerance" in {**data, **self.constants}:
            data["tolerance"] = _number(data.get("tolerance", self.constants.get("tolerance")))
        return {**self.constants, **{key: value for key, value in data.items() if _there(value)}}

    def shown(self, row: Mapping[str, Any]) -> str:
        """Which columns are read as what, on one line."""
        said = [f"{' + '.join(names)} as {key}" for key, names in self.by_key.items()]
        said += [f"{key} {value!r}" for key, value in self.constants.items()]
        used = {name for names in self.by_key.values() for name in names}
        unread = [str(name) for name in row if name not in used]
        return ", ".join(said) + (f"; not read: {', '.join(unread)}" if unread else "")


def _bad(key: str, value: str, cause: str, remedy: str) -> SourceUnavailableError:
    shown = f"{key}={value}" if value else "the map of columns"
    return SourceUnavailableError(f"{shown}: {cause}: {remedy}")


def _there(value: Any) -> bool:
    return value is not None and value not in ("", [])


def _number(value: Any) -> Any:
    try:
        return float(value) if isinstance(value, str) and value else value
    except ValueError:
        raise ValueError(f"tolerance is {value!r}: write a number") from None


def _listed(value: Any) -> Any:
    """A list, which a CSV holds as JSON."""
    if not isinstance(value, str) or not value.lstrip().startswith("["):
        return value
    try:
        return json.loads(value)
    except ValueError:
        raise ValueError(f'{value[:40]!r} is no JSON list: write ["a", "b"]') from None


def _choices(values: list[Any]) -> dict[str, Any]:
    """Options, and the labels that answers name them by; one column each, or a list."""
    if len(values) > 1:
        return {"choices": [value for value in values if _there(value)]}
    value = _listed(values[0])
    if isinstance(value, Mapping) and isinstance(value.get("text"), list):
        return {"choices": value["text"], "labels": value.get("label", LETTERS)}
    return {"choices": value}


def _chosen(answer: Any, choices: list[Any], labels: Iterable[Any]) -> Any:
    """The right option itself: given by its place from 0, its label, or as it is."""
    if answer in choices:
        return answer
    named = dict(zip(map(str, labels), choices, strict=False))
    if isinstance(answer, str) and answer.strip() in named:
        return named[answer.strip()]
    digits = str(answer).strip() if not isinstance(answer, bool) else ""
    if digits.isdecimal() and int(digits) < len(choices):
        return choices[int(digits)]
    raise ValueError(
        f"the answer {answer!r} is neither one of its {len(choices)} choices, nor the label or "
        "the place, from 0, of one: correct it"
    )


def _turns(messages: Any) -> dict[str, Any]:
    """One question and its answer; what a system message says stands before the question."""
    if not isinstance(messages, list) or not all(isinstance(turn, Mapping) for turn in messages):
        raise ValueError('messages is no list of {"role": ..., "content": ...}: write it so')
    roles = [turn.get("role") for turn in messages]
    if roles[-2:] != ["user", "assistant"] or roles[:-2] not in ([], ["system"]):
        raise ValueError(
            f"its messages are {', '.join(map(str, roles))}: give one question (user) and its "
            "answer (assistant) a line"
        )
    texts = [turn.get("content") for turn in messages]
    if not all(isinstance(text, str) for text in texts):
        raise ValueError("a message's content is no text: write it as one")
    return {"prompt": "\n\n".join(texts[:-1]), "answer": texts[-1]}
