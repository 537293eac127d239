"""What FastAPI's OpenAPI document lacks: the problem's shape, the signature, links."""

from typing import Any

from marketplace.routes import READS
from marketplace.service.wire_models import Problem

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
