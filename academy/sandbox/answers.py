"""From the sandbox's one line back to Python values; every byte of it is suspect."""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

_MAX_DEPTH = 50
"""Levels of nesting in a returned value."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A call that gave no value, and why (the exception's name, a signal, a limit)."""

    reason: str


_REBUILT: Mapping[str, Callable[[Any], object]] = {
    "tuple": tuple,
    "set": set,
    "frozenset": frozenset,
    "dict": dict,
    "bytes": bytes.fromhex,
}


def _rebuilt(tagged: dict[str, Any]) -> object:
    [(kind, content)] = tagged.items()
    return _REBUILT[kind](content)


def _shallow(value: object, levels: int) -> bool:
    """Whether nesting ends within so many levels, so that no later walk can overflow the stack."""
    if isinstance(value, dict):
        inner: Iterable[object] = [*value.keys(), *value.values()]
    elif isinstance(value, list | tuple | set | frozenset):
        inner = value
    else:
        return True
    return levels > 0 and all(_shallow(item, levels - 1) for item in inner)


def decoded(said: bytes) -> object:
    """One call's value, or a Failure; builtin types only, whatever the bytes are."""
    mark, content = said[:1], said[1:]
    if mark == b"!":
        return Failure(content[:100].decode("ascii", "replace"))
    if mark != b"=":
        return Failure("ended without a value")
    try:
        value: object = json.loads(content.decode("ascii"), object_hook=_rebuilt)
    except (ValueError, TypeError, KeyError, RecursionError, MemoryError):
        return Failure("returned nonsense")
    return value if _shallow(value, _MAX_DEPTH) else Failure("returned too deep a value")


def outcomes(line: bytes, nonce: str, n_calls: int) -> list[object] | None:
    """One value or Failure per call; None if this is not our supervisor's line.

    A line is accepted only with the nonce that this run alone was given.
    """
    try:
        message = json.loads(line)
        listed = [bytes.fromhex(said) for said in message["outcomes"]]
        genuine = hmac.compare_digest(message["nonce"].encode(), nonce.encode())
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    if not genuine or len(listed) != n_calls:
        return None
    return [decoded(said) for said in listed]


def canonical(value: object) -> object:
    """A form that is equal exactly if type and content are: 1, 1.0 and True all differ."""
    kind = type(value).__name__
    if isinstance(value, list | tuple):
        return kind, tuple(canonical(item) for item in value)
    if isinstance(value, set | frozenset):
        return kind, frozenset(canonical(item) for item in value)
    if isinstance(value, dict):
        return kind, frozenset((canonical(key), canonical(item)) for key, item in value.items())
    return kind, value


def same(a: object, b: object) -> bool:
    """Equal in value and in every type inside."""
    return canonical(a) == canonical(b)
