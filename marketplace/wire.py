"""The market's views as JSON and back: what the service sends, the client reads by type.

Money (`marketplace.fields.Nanos`) travels as exact decimal credits in a string, because a JSON
number is a double in most readers and rounds from 2^53 on. Its unit goes from the field's name:

    price_nanos=1_500_000_000   <->   "price": "1.5"

Unknown fields are ignored, so that a newer service can say more; a missing or misshapen one is an
`AnswerError`.

Refusals across the wire: each error class has one stable problem type (RFC 9457).

    InsufficientCreditsError  <->  urn:continuum:market:insufficient-credits

The detail is the error's one line, so the client raises the very error that the market raised
and a command prints the same words, local or remote.
"""

import json
import re
from functools import cache
from typing import Any, TypeVar, cast

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from marketplace.errors import AnswerError, MarketError, ServiceError

T = TypeVar("T")
WHOLE_IN_JSON = 2**53
"""Every JSON reader keeps whole numbers up to here."""


def wire_name(name: str) -> str:
    """A field's name on the wire: an amount drops its unit, which is credits there."""
    return name.removesuffix("_nanos")


ON_WIRE = ConfigDict(alias_generator=wire_name, ser_json_inf_nan="constants")
"""How dataclasses look on the wire; what is nested in one takes it over."""
_WANTED = {
    "string_type": "str",
    "dataclass_type": "a {class_name}",
    "literal_error": "{expected}",
    "value_error": "{error}",
}
"""What a field must be, by pydantic's name of the mistake; the others end in `_type`."""


@cache
def _adapter(kind: Any) -> TypeAdapter[tuple[Any]]:
    """Of a tuple around it: a dataclass by itself would not take the configuration."""
    return TypeAdapter(tuple[kind], config=ON_WIRE)


def to_wire(value: Any, *, leave_out: set[str] | None = None) -> Any:
    """A view or an operation as plain JSON values, without some fields; amounts become credits."""
    kind: Any = type(value)
    (found,) = _adapter(kind).dump_python(
        (value,),
        mode="json",
        by_alias=True,
        warnings=False,
        exclude={0: leave_out} if leave_out else None,
    )
    return found


def from_wire(kind: type[T], data: Any, what: str = "answer") -> T:
    """The view of this class that JSON values describe.

    Args:
        kind: A frozen dataclass, a plain type, or a container of these.
        what: Where the data came from, for the message.

    Raises:
        AnswerError: A field is missing or of another type.
    """
    try:
        (found,) = _adapter(cast("Any", kind)).validate_json(json.dumps([data]), strict=True)
    except ValidationError as error:
        raise AnswerError(
            f"the service's {_fault(error.errors()[0], what)}: update the service or this program"
        ) from None
    return found  # type: ignore[no-any-return]


def _fault(error: ErrorDetails, what: str) -> str:
    """What is wrong with the data, and where."""
    path, kind = error["loc"][1:], error["type"]
    missing = path[-1] if kind == "missing" else None
    for one in path[:-1] if missing is not None else path:
        what += "[]" if isinstance(one, int) else f".{one}"
    if missing is not None:
        return f"{what} lacks {missing!r}"
    wanted = _WANTED.get(kind, kind.removesuffix("_type")).format(**error.get("ctx", {}))
    shown = repr(error["input"])
    return f"{what} must be {wanted}, got {shown if len(shown) <= 60 else shown[:57] + '...'}"


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
