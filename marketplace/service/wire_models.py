"""The shapes of requests and answers, for validation and for the OpenAPI document.

Answers are described from the market's own view classes, so that a view which grows a field grows
it in the document too. Amounts are exact decimal credits in strings (`marketplace.wire`).
"""

import dataclasses
import enum
import types
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema, create_model

from marketplace.wire import AMOUNT_SUFFIX, wire_name

_AMOUNT_OUT = {"type": "string", "pattern": r"^-?(0|[1-9][0-9]{0,9})(\.[0-9]{1,9})?$"}


class Body(BaseModel):
    """A request's body: unknown fields are refused, numbers are not read from strings."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Problem(BaseModel):
    """A refusal (RFC 9457)."""

    type: str = Field(examples=["urn:continuum:market:insufficient-credits"])
    title: str
    status: int
    detail: str


PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {
        "description": "Refused; the problem's type says why.",
        "content": {
            "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}
        },
    }
    for status in ("4XX", "5XX")
}
"""What every route may answer besides its success."""


@cache
def model_of(view: type) -> type[BaseModel]:
    """The model of a view class as it looks on the wire."""
    assert dataclasses.is_dataclass(view), f"{view} is no view"
    hints = get_type_hints(view)
    fields: dict[str, Any] = {
        wire_name(f.name): (_wire_type(hints[f.name], f.name), ...)
        for f in dataclasses.fields(view)
    }
    made: type[BaseModel] = create_model(view.__name__, __doc__=view.__doc__, **fields)
    return made


@cache
def page_of(view: type) -> type[BaseModel]:
    """The model of one page of a list."""
    item = model_of(view)
    made: type[BaseModel] = create_model(
        f"{view.__name__}Page",
        items=(list[item], ...),  # type: ignore[valid-type]
        next=(str | None, Field(description="Cursor of the next page; null on the last.")),
    )
    return made


@cache
def listing_page(view: type) -> type[BaseModel]:
    """The model of one page of a search, which also says how much was found in all."""
    made: type[BaseModel] = create_model(
        f"{view.__name__}SearchPage", __base__=page_of(view), total=(int, ...)
    )
    return made


def _wire_type(kind: Any, name: str) -> Any:
    origin, args = get_origin(kind), get_args(kind)
    if name.endswith(AMOUNT_SUFFIX) and kind is int:
        return Annotated[str, WithJsonSchema(_AMOUNT_OUT)]
    if origin in (Union, types.UnionType):
        return Union[tuple(_wire_type(arg, name) for arg in args)]  # noqa: UP007
    if origin is Literal or kind is types.NoneType:
        return kind
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        return model_of(kind)
    if origin is not None and issubclass(origin, Mapping):
        return dict[str, _wire_type(args[1], name)]  # type: ignore[misc]
    if origin is not None and issubclass(origin, Sequence):
        return list[Union[tuple(_wire_type(a, name) for a in args if a is not Ellipsis)]]  # type: ignore[misc]  # noqa: UP007
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return kind
    return kind
