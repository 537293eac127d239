"""The market's views as JSON and back: what the service sends, the client reads by type.

Money travels as exact decimal credits in a string, because a JSON number is a double in most
readers and rounds from 2^53 on. The unit goes with it from the field's name:

    price_nanos=1_500_000_000   <->   "price": "1.5"

Unknown fields are ignored, so that a newer service can say more; a missing or misshapen one is an
`AnswerError`.

Refusals across the wire: each error class has one stable problem type (RFC 9457).

    InsufficientCreditsError  <->  urn:continuum:market:insufficient-credits

The detail is the error's one line, so the client raises the very error that the market raised
and a command prints the same words, local or remote.
"""

import re
import types
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from functools import cache
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from marketplace.errors import AnswerError, MarketError, ServiceError
from marketplace.money import NANOS_PER_CREDIT

T = TypeVar("T")
_PLAIN = frozenset({str, int, float, bool, types.NoneType})
WHOLE_IN_JSON = 2**53
"""Every JSON reader keeps whole numbers up to here."""
AMOUNT_SUFFIX = "_nanos"
_CREDITS = re.compile(r"(-?)(0|[1-9][0-9]{0,9})(?:\.([0-9]{1,9}))?")


def to_wire(value: Any) -> Any:
    """A view, or a container of views, as plain JSON values; amounts become decimal credits."""
    kind = type(value)
    if kind in _PLAIN:
        return value
    if is_dataclass(kind):
        return dict(_named(name, getattr(value, name)) for name in _names(kind))
    if isinstance(value, Mapping):
        return dict(_named(str(key), item) for key, item in value.items())
    if isinstance(value, list | tuple | set | frozenset):
        return [to_wire(item) for item in value]
    return value


def from_wire(kind: type[T], data: Any, what: str = "answer") -> T:
    """The view of this class that JSON values describe.

    Args:
        kind: A frozen dataclass, a plain type, or a container of these.
        what: Where the data came from, for the message.

    Raises:
        AnswerError: A field is missing or of another type.
    """
    return _read(kind, data, what)  # type: ignore[no-any-return]


def credits_to_wire(nanos: int) -> str:
    """Exact decimal credits without trailing zeros: 1500000000 is '1.5'."""
    whole, fraction = divmod(abs(nanos), NANOS_PER_CREDIT)
    digits = f"{whole}.{fraction:09d}".rstrip("0").rstrip(".")
    return f"-{digits}" if nanos < 0 else digits


def credits_from_wire(text: object, what: str) -> int:
    """Nano-credits of exact decimal credits.

    Raises:
        AnswerError: It is no such text.
    """
    parts = _CREDITS.fullmatch(text) if isinstance(text, str) else None
    if parts is None:
        return int(_refuse("an amount of credits such as '1.5'", text, what))
    sign, whole, fraction = parts.groups()
    nanos = int(whole) * NANOS_PER_CREDIT + int((fraction or "").ljust(9, "0"))
    return -nanos if sign else nanos


@cache
def wire_name(name: str) -> str:
    """A field's name on the wire: an amount drops its unit, which is credits there."""
    return name.removesuffix(AMOUNT_SUFFIX)


def _named(name: str, value: Any) -> tuple[str, Any]:
    if type(value) is int and name.endswith(AMOUNT_SUFFIX):
        return wire_name(name), credits_to_wire(value)
    return wire_name(name), to_wire(value)


def _read(kind: Any, data: Any, what: str) -> Any:
    origin = get_origin(kind)
    if kind is Any or kind is object:
        return data
    if origin in (Union, types.UnionType):
        return _read_union(get_args(kind), data, what)
    if origin is Literal:
        return data if data in get_args(kind) else _refuse(kind, data, what)
    if isinstance(kind, type) and is_dataclass(kind):
        return _read_view(kind, data, what)
    if origin in (list, tuple):
        return _read_items(origin, get_args(kind), data, what)
    if origin is not None and issubclass(origin, Mapping):
        return _read_mapping(get_args(kind), data, what)
    return _read_plain(kind, data, what)


def _read_view(kind: type, data: Any, what: str) -> Any:
    if not isinstance(data, Mapping):
        _refuse(f"a {kind.__name__}", data, what)
    hints = _hints(kind)
    values = {
        f.name: _read_field(f.name, hints[f.name], data[wire_name(f.name)], what)
        for f in fields(kind)
        if f.init and (wire_name(f.name) in data or _is_needed(f, what))
    }
    return kind(**values)


def _read_field(name: str, kind: Any, data: Any, what: str) -> Any:
    where = f"{what}.{wire_name(name)}"
    if name.endswith(AMOUNT_SUFFIX) and data is not None:
        return credits_from_wire(data, where)
    return _read(kind, data, where)


def _read_items(origin: type, kinds: tuple[Any, ...], data: Any, what: str) -> Any:
    if not isinstance(data, list):
        _refuse(origin, data, what)
    if origin is tuple and not (len(kinds) == 2 and kinds[1] is Ellipsis):
        if len(kinds) != len(data):
            _refuse(origin, data, what)
        pairs = zip(kinds, data, strict=True)
        return tuple(_read(kind, item, f"{what}[]") for kind, item in pairs)
    return origin(_read(kinds[0], item, f"{what}[]") for item in data)


def _read_mapping(kinds: tuple[Any, ...], data: Any, what: str) -> Any:
    if not isinstance(data, Mapping):
        _refuse(dict, data, what)
    return {str(key): _read(kinds[1], item, f"{what}.{key}") for key, item in data.items()}


def _read_union(kinds: tuple[Any, ...], data: Any, what: str) -> Any:
    if data is None and types.NoneType in kinds:
        return None
    for kind in kinds:
        if kind is not types.NoneType:
            try:
                return _read(kind, data, what)
            except AnswerError:
                continue
    return _refuse(Union[kinds], data, what)  # noqa: UP007  built at run time


def _read_plain(kind: Any, data: Any, what: str) -> Any:
    if kind is float and type(data) is int:
        return float(data)
    if kind is types.NoneType and data is None:
        return None
    if isinstance(kind, type) and type(data) is kind:
        return data
    if isinstance(kind, type) and isinstance(data, str) and issubclass(kind, str):
        try:
            return kind(data)  # an enumeration of names
        except ValueError:
            pass
    return _refuse(kind, data, what)


def _is_needed(field: Field[Any], what: str) -> bool:
    """False for a missing field that has a default.

    Raises:
        AnswerError: It has none.
    """
    if field.default is MISSING and field.default_factory is MISSING:
        raise AnswerError(
            f"the service's {what} lacks {wire_name(field.name)!r}: update the service or this"
            " program"
        )
    return False


def _refuse(wanted: object, data: Any, what: str) -> Any:
    name = wanted if isinstance(wanted, str) else getattr(wanted, "__name__", str(wanted))
    shown = repr(data) if len(repr(data)) <= 60 else repr(data)[:57] + "..."
    raise AnswerError(
        f"the service's {what} must be {name}, got {shown}: update the service or this program"
    )


@cache
def _names(kind: type) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


PREFIX = "urn:continuum:market:"
SERVICE_PREFIX = "urn:continuum:service:"
"""Problems of the service itself, such as a bad signature: one class, told apart by their text."""
MAX_DETAIL_CHARS = 2000


def problem_type(kind: type[MarketError]) -> str:
    """The stable name of an error class."""
    words = re.findall(r"[A-Z][a-z0-9]*", kind.__name__.removesuffix("Error"))
    return PREFIX + "-".join(words).lower()


def error_of(kind: object, detail: object) -> MarketError:
    """The error a problem document describes; an unknown type becomes a plain `MarketError`.

    The detail is a stranger's text: control characters, which could move a cursor, become spaces.
    """
    name = kind if isinstance(kind, str) else ""
    found = _by_type().get(name, ServiceError if name.startswith(SERVICE_PREFIX) else MarketError)
    text = detail if isinstance(detail, str) else ""
    line = "".join(c if c.isprintable() else " " for c in text[:MAX_DETAIL_CHARS])
    return found(" ".join(line.split()) or "the service refused and gave no reason: ask its owner")


@cache
def _by_type() -> dict[str, type[MarketError]]:
    kinds = [MarketError]
    for kind in kinds:  # grows while it runs: the whole tree below MarketError
        kinds.extend(kind.__subclasses__())
    return {problem_type(kind): kind for kind in kinds}
