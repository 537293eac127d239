"""Typed access to the JSON files of a run, so that every mistake names its file and its key.

Files are written with an atomic rename: one is either absent or whole. Keys that this version
does not know are ignored, so that a newer run still opens.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tui.printing import clean


class RecordError(Exception):
    """A file of the run cannot be used.

    Attributes:
        file: Name of the file, as short as it is recognisable.
    """

    def __init__(self, file: str, detail: str) -> None:
        super().__init__(clean(f"{file}: {detail}"))
        self.file = file


class Fields:
    """Typed access to one JSON object, so that every mistake names its file and key."""

    def __init__(self, file: str, data: object) -> None:
        if not isinstance(data, Mapping):
            raise RecordError(file, "must hold a JSON object: delete it or run again")
        self.file = file
        self._data: Mapping[str, Any] = data

    def _wrong(self, key: str, wanted: str) -> RecordError:
        found = repr(self._data[key])[:40] if key in self._data else "nothing"
        return RecordError(self.file, f"{key!r} must be {wanted}, found {found}")

    def has(self, key: str) -> bool:
        """Whether there is anything under the key but null."""
        return self._data.get(key) is not None

    def integer(self, key: str) -> int:
        """A whole number."""
        value = self._data.get(key)
        if isinstance(value, bool) or not isinstance(value, int):
            raise self._wrong(key, "a whole number")
        return value

    def maybe_integer(self, key: str) -> int | None:
        """A whole number, or None where the key is absent or null."""
        return None if self._data.get(key) is None else self.integer(key)

    def number(self, key: str) -> float:
        """A number."""
        value = self._data.get(key)
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or not math.isfinite(value)
        ):
            raise self._wrong(key, "a finite number")
        return float(value)

    def text(self, key: str) -> str:
        """A string."""
        value = self._data.get(key)
        if not isinstance(value, str):
            raise self._wrong(key, "text")
        return clean(value)

    def maybe_text(self, key: str) -> str | None:
        """A string, or None where the key is absent or null."""
        return None if self._data.get(key) is None else self.text(key)

    def _list(self, key: str, kinds: type | tuple[type, ...], wanted: str) -> Sequence[Any]:
        value = self._data.get(key)
        value = [] if value is None else value
        if not isinstance(value, list) or not all(isinstance(item, kinds) for item in value):
            raise self._wrong(key, f"a list of {wanted}")
        return value

    def numbers(self, key: str) -> tuple[float, ...]:
        """A list of numbers; empty where the key is absent."""
        values = tuple(float(item) for item in self._list(key, (int, float), "numbers"))
        if not all(math.isfinite(value) for value in values):
            raise self._wrong(key, "a list of finite numbers")
        return values

    def pair(self, key: str) -> tuple[float, float]:
        """Exactly two numbers, such as an interval."""
        values = self.numbers(key)
        if len(values) != 2:
            raise self._wrong(key, "two numbers")
        return values[0], values[1]

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of strings; empty where the key is absent."""
        return tuple(clean(text) for text in self._list(key, str, "texts"))

    def objects(self, key: str) -> tuple[Fields, ...]:
        """A list of objects; empty where the key is absent."""
        return tuple(Fields(self.file, item) for item in self._list(key, dict, "objects"))

    def object(self, key: str) -> Fields:
        """A nested object."""
        value = self._data.get(key)
        if not isinstance(value, dict):
            raise self._wrong(key, "an object")
        return Fields(self.file, value)

    def flat_numbers(self, key: str) -> tuple[tuple[str, float], ...]:
        """All numbers below a key, with their joined names; empty where the key is absent."""
        return tuple(_flatten("", self._data.get(key)))


def _flatten(name: str, value: object) -> list[tuple[str, float]]:
    if isinstance(value, Mapping):
        joined = ((f"{name} {key}".strip(), item) for key, item in value.items())
        return [pair for key, item in joined for pair in _flatten(key, item)]
    if isinstance(value, int | float) and not isinstance(value, bool):
        return [(clean(name.replace("_", " ")), float(value))]
    return []


def read_fields(path: Path, file: str) -> Fields:
    """Read one JSON file.

    Raises:
        FileNotFoundError: There is no such file.
        RecordError: The file cannot be read or is not a JSON object.
    """
    try:
        return Fields(file, json.loads(path.read_bytes()))
    except FileNotFoundError:
        raise
    except OSError as error:
        raise RecordError(file, f"cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise RecordError(file, "is not valid JSON: delete it or run again") from error
