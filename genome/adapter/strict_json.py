"""JSON from strangers: no duplicate keys, no NaN, bounded size, bounded nesting.

Python's own parser keeps the last of two equal keys, reads `NaN`, and spends hundreds of bytes
on an empty object of two; whoever checks one reading and uses another is lost.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any, NoReturn

from genome.errors import LayerRejected
from genome.refusals import shown

MAX_BYTES = 1 << 20
MAX_BRACKETS = 512
"""Opening brackets and braces, those inside strings included: bounds nesting and memory."""


def strict_json(
    data: bytes,
    *,
    code: str,
    what: str,
    max_bytes: int = MAX_BYTES,
    max_brackets: int = MAX_BRACKETS,
) -> Any:
    """Parse one JSON value.

    Args:
        code: Refusal code of the error.
        what: Name of the file, for people.

    Raises:
        LayerRejected: It is not strict JSON, or beyond a limit.
    """

    def refuse(why: str) -> LayerRejected:
        return LayerRejected(code, f"{what} must be strict JSON, but {why}: write it again")

    if len(data) > max_bytes:
        raise refuse(f"it has {len(data)} bytes, the limit is {max_bytes}")
    n_brackets = data.count(b"{") + data.count(b"[")
    if n_brackets > max_brackets:
        raise refuse(f"it has {n_brackets} opening brackets, the limit is {max_brackets}")
    n_values = data.count(b",") + data.count(b":")
    if n_values > max_bytes // 8:
        raise refuse(f"it has {n_values} commas and colons, the limit is {max_bytes // 8}")

    def no_duplicates(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in pairs:
            if key in found:
                raise refuse(f"key {shown(key)} appears twice")
            found[key] = value
        return found

    def no_constant(text: str) -> NoReturn:
        raise refuse(f"{text} is no number")

    def finite(text: str) -> float:
        value = float(text)
        if not math.isfinite(value):
            raise refuse(f"number {shown(text)} is too large")
        return value

    try:
        text = data.decode("utf-8")
        value = json.loads(
            text, object_pairs_hook=no_duplicates, parse_constant=no_constant, parse_float=finite
        )
    except UnicodeDecodeError as error:
        raise refuse(f"byte {error.start} is no UTF-8") from None
    except RecursionError:
        raise refuse("it is nested too deep") from None
    except json.JSONDecodeError as error:
        raise refuse(f"line {error.lineno} column {error.colno} is wrong ({error.msg})") from None
    except ValueError:  # Python refuses to read a whole number of more than 4300 digits
        raise refuse("a number is too long") from None
    if "\\u" in text and _holds_surrogate(value):
        raise refuse("a string holds half a character (a lone surrogate)")
    return value


def _holds_surrogate(value: Any) -> bool:
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, str):
            if any("\ud800" <= char <= "\udfff" for char in item):
                return True
        elif isinstance(item, dict):
            waiting.extend(item)
            waiting.extend(item.values())
        elif isinstance(item, list):
            waiting.extend(item)
    return False
