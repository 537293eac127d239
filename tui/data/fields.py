"""Reading the JSON files of a run, so that every mistake names its file and its key.

Files are written with an atomic rename: one is either absent or whole. Keys that this version
does not know are ignored, so that a newer run still opens.
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, TypeVar, cast

from pydantic import (
    AfterValidator,
    AllowInfNan,
    BeforeValidator,
    Strict,
    TypeAdapter,
    ValidationError,
)

from tui.printing import clean

T = TypeVar("T")


class RecordError(Exception):
    """A file of the run cannot be used.

    Attributes:
        file: Name of the file, as short as it is recognisable.
    """

    def __init__(self, file: str, detail: str) -> None:
        super().__init__(clean(f"{file}: {detail}"))
        self.file = file


def or_empty(value: object) -> object:
    """Nothing for null: a list that is not there is empty."""
    return () if value is None else value


def _flat(value: object, name: str = "") -> tuple[tuple[str, float], ...]:
    if isinstance(value, Mapping):
        parts = (_flat(item, f"{name} {key}".strip()) for key, item in value.items())
        return tuple(pair for part in parts for pair in part)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return ((clean(name.replace("_", " ")), float(value)),)
    return ()


Whole = Annotated[int, Strict()]
Number = Annotated[float, Strict(), AllowInfNan(False)]
Line = Annotated[str, Strict(), AfterValidator(clean)]
"""Text of one line that moves no cursor."""
Numbers = Annotated[tuple[Number, ...], BeforeValidator(or_empty)]
Lines = Annotated[tuple[Line, ...], BeforeValidator(or_empty)]
Named = Annotated[tuple[tuple[str, float], ...], BeforeValidator(_flat)]
"""All numbers below a key, with their joined names."""


_WANTED = {
    "missing": "there",
    "string_type": "text",
    "int_type": "a whole number",
    "float_type": "a finite number",
    "finite_number": "a finite number",
    "tuple_type": "a list",
    "dataclass_type": "an object",
}
"""What a field should have been, by pydantic's kind of error."""


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def record_of(kind: type[T], file: str, data: object) -> T:
    """The record that a JSON object holds.

    Args:
        kind: A frozen dataclass of fields of the types above.
        file: Name of the object's file, for the message.

    Raises:
        RecordError: It is no object, or a field of it is missing or of another type.
    """
    if not isinstance(data, Mapping):
        raise RecordError(file, "must hold a JSON object: delete it or run again")
    try:
        found: T = _adapter(cast("Hashable", kind)).validate_python(data)
    except ValidationError as error:
        wrong = error.errors()[0]
        key = ".".join(str(part) for part in wrong["loc"])
        missing = wrong["type"].startswith("missing")
        wanted = _WANTED.get(wrong["type"], wrong["msg"].removeprefix("Input should be "))
        given = "nothing" if missing else repr(wrong["input"])[:40]
        raise RecordError(file, f"{key!r} must be {wanted}, found {given}") from None
    return found


def read_json(path: Path, file: str) -> Any:
    """What a JSON file holds.

    Raises:
        FileNotFoundError: There is no such file.
        RecordError: The file cannot be read or is no JSON.
    """
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        raise
    except OSError as error:
        raise RecordError(file, f"cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise RecordError(file, "is not valid JSON: delete it or run again") from error
