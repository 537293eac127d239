"""What FastAPI's OpenAPI document lacks: the problem's shape, the signature, links.

The shapes of requests and answers, for validation and for the OpenAPI document.

Answers are described from the market's own view classes, so that a view which grows a field grows
it in the document too. Amounts are exact decimal credits in strings (`marketplace.wire`).
"""

import dataclasses
from functools import cache
from typing import Any, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, create_model

from marketplace.routes import READS
from marketplace.wire import ON_WIRE, wire_name

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


class Body(BaseModel):
    """A request's body: unknown fields are refused, numbers are not read from strings."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Problem(BaseModel):
    """A refusal (RFC 9457)."""

    type: str = Field(examples=["urn:continuum:market:insufficient-credits"])
    title: str
    status: int
    detail: str


SIGNATURE = {
    "type": "apiKey",
    "in": "header",
    "name": "Signature",
    "description": "RFC 9421 HTTP message signature, Ed25519, with Signature-Input beside it.",
}
CHANGING = frozenset({"post", "put", "patch", "delete"})
IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": True,
    "description": "One per intention: repeating a request with its key has one effect.",
    "schema": {"type": "string", "pattern": "^[!-~]{1,128}$"},
    "example": "ada-buys-sql-v2",
}
PUBLIC = frozenset(
    {
        "health",
        "ready",
        "metrics",
        "read_epoch",
        "list_listings",
        "list_bounties",
        "read_revocations",
        *(r.id for r in READS.values() if not r.whose and r.party is None),
    }
)
"""Operations that answer without a signature."""

LINKS: tuple[tuple[str, str, str, dict[str, str]], ...] = (
    ("register", "200", "read_account", {"name": "$request.path.name"}),
    ("register", "200", "list_postings", {"name": "$request.path.name"}),
    ("publish", "201", "read_listing", {"name": "$response.body#/name"}),
    ("publish", "201", "read_quote", {"name": "$response.body#/name"}),
    ("publish", "201", "buy", {"name": "$response.body#/name"}),
    ("list_listings", "200", "read_listing", {"name": "$response.body#/items/0/name"}),
    ("list_listings", "200", "read_prices", {"name": "$response.body#/items/0/name"}),
    ("list_listings", "200", "list_listings", {"cursor": "$response.body#/next"}),
    ("read_listing", "200", "buy", {"name": "$response.body#/name"}),
    ("read_listing", "200", "set_status", {"name": "$response.body#/name"}),
    ("read_listing", "200", "list_files", {"digest": "$response.body#/digest"}),
    ("buy", "200", "list_purchases", {"name": "$response.body#/buyer"}),
    ("read_listing", "200", "rent", {"name": "$response.body#/name"}),
    ("read_listing", "200", "open_meter", {"name": "$response.body#/name"}),
    ("read_listing", "200", "open_trial", {"name": "$response.body#/name"}),
    ("read_listing", "200", "list_receipts", {"name": "$response.body#/name"}),
    ("list_receipts", "200", "recheck", {"number": "$response.body#/items/0/id"}),
    ("open_meter", "200", "read_off_meter", {"number": "$response.body#/meter"}),
    ("read_off_meter", "200", "close_meter", {"number": "$response.body#/meter"}),
    ("open_trial", "200", "settle_trial", {"number": "$response.body#/trial"}),
    ("post_bounty", "200", "claim_bounty", {"number": "$response.body#/bounty"}),
    ("create_bundle", "200", "buy_bundle", {"name": "$response.body#/name"}),
    ("offer_compute", "200", "use_compute", {"name": "$response.body#/name"}),
)
"""(operation, status, next operation, its parameters); one that does not exist is left out."""


def complete(document: dict[str, Any]) -> dict[str, Any]:
    """The document with what is missing, changed in place."""
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    schemas["Problem"] = Problem.model_json_schema()
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    components["securitySchemes"] = {"signature": SIGNATURE}
    operations = _operations(document)
    for name, operation in operations.items():
        operation["responses"].pop("422", None)  # FastAPI's own shape, which we do not send
        operation["security"] = [] if name in PUBLIC else [{"signature": []}]
    for path in document["paths"].values():
        for method in path.keys() & CHANGING:
            path[method].setdefault("parameters", []).append(IDEMPOTENCY_KEY)
    for source, status, target, parameters in LINKS:
        if source in operations and target in operations:
            response = operations[source]["responses"][status]
            response.setdefault("links", {})[f"{target}"] = {
                "operationId": target,
                "parameters": parameters,
            }
    return document


def _operations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        operation["operationId"]: operation
        for path in document["paths"].values()
        for operation in path.values()
    }


def _is_view(hint: Any) -> bool:
    return isinstance(hint, type) and dataclasses.is_dataclass(hint)


@cache
def model_of(view: type) -> type[BaseModel]:
    """The model of a view class as it looks on the wire."""
    assert _is_view(view), f"{view} is no view"
    fields: dict[str, Any] = {
        wire_name(name): (model_of(hint) if _is_view(hint) else hint, ...)
        for name, hint in get_type_hints(view, include_extras=True).items()
    }
    made: type[BaseModel] = create_model(
        view.__name__, __doc__=view.__doc__, __config__=ON_WIRE, **fields
    )
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
