"""Refusals as RFC 9457 problem documents, each with a type that never changes its meaning.

The market's own errors keep their class's type (`marketplace.wire`); what only the service can
refuse is a `ProblemError` from the table `PROBLEMS`. A detail never holds what a stranger must
not learn: no file names, no names of accounts that were not asked for, no input values.

Answers of 402 in the style of x402 version 2: what to pay, in which unit, to whom.

The network is this market's own ledger and the only scheme is `exact`: a payer tops the account
up and repeats the request with its Idempotency-Key. Amounts are whole nano-credits, the smallest
unit, as x402 counts; the problem document beside the header says the same in credits.
"""

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse

from marketplace import errors
from marketplace.errors import MarketError
from marketplace.ledger.operation import Due
from marketplace.names import PLATFORM
from marketplace.wire import problem_type

MEDIA_TYPE = "application/problem+json"
PREFIX = "urn:continuum:service:"

PROBLEMS: Mapping[str, tuple[int, str]] = {
    "signature-missing": (401, "The request must be signed"),
    "signature-invalid": (401, "The signature does not hold"),
    "signature-replayed": (401, "The signature was used before"),
    "key-unknown": (401, "The key speaks for no account"),
    "forbidden": (403, "Another account's business"),
    "operator-only": (403, "Only an operator may do this"),
    "not-found": (404, "There is nothing here"),
    "method-not-allowed": (405, "The method is not for this address"),
    "idempotency-key-missing": (400, "The request needs an Idempotency-Key"),
    "request-in-progress": (409, "The same request is being worked on"),
    "request-invalid": (422, "The request is not understood"),
    "cursor-invalid": (400, "The cursor is not one of ours for this list"),
    "precondition-required": (428, "The update needs If-Match"),
    "precondition-failed": (412, "The resource has changed"),
    "length-required": (411, "The length must be known beforehand"),
    "too-large": (413, "The body is too large"),
    "head-too-large": (431, "The headers are too large"),
    "range-invalid": (416, "The range is outside the file"),
    "wrong-host": (421, "The request is for another service"),
    "digest-mismatch": (400, "The body is not what was signed"),
    "layer-rejected": (422, "The layer is not acceptable"),
    "layer-missing": (409, "The layer's files were not uploaded"),
    "uploaded-before": (409, "Another account uploaded the layer and has not listed it yet"),
    "upload-ended": (409, "The upload was finished or abandoned meanwhile"),
    "too-many-uploads": (409, "Too many unfinished uploads"),
    "too-much-unlisted": (409, "Too much was uploaded and not listed"),
    "rate-limited": (429, "Too many requests"),
    "storage-full": (503, "There is no room"),
    "stopping": (503, "The service is stopping"),
    "internal": (500, "The service failed"),
}
"""Slug -> status and title."""

_STATUS: Mapping[type[MarketError], int] = {
    MarketError: 400,
    errors.MarketFileError: 503,
    errors.MarketNotFoundError: 503,
    errors.MarketBusyError: 503,
    errors.InvalidInputError: 422,
    errors.AccountNotFoundError: 404,
    errors.ListingNotFoundError: 404,
    errors.IdempotencyKeyReusedError: 422,
    errors.RefusedError: 409,
    errors.HouseAccountError: 403,
    errors.NotOwnerError: 403,
    errors.KeyInProgressError: 409,
    errors.InsufficientCreditsError: 402,
}
"""Status of an error class and of all below it that have none of their own."""
RETRY_AFTER_S = 1


@dataclass(eq=False)
class ProblemError(Exception):
    """A refusal of the service itself; `slug` is a key of `PROBLEMS`."""

    slug: str
    detail: str
    headers: Mapping[str, str] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        assert self.slug in PROBLEMS, f"unknown problem {self.slug!r}"
        super().__init__(self.detail)

    @property
    def status(self) -> int:
        """The HTTP status."""
        return PROBLEMS[self.slug][0]


def status_of(kind: type[MarketError]) -> int:
    """The HTTP status of a market error: its own, or that of the nearest class above."""
    for ancestor in kind.__mro__:
        if ancestor in _STATUS:
            return _STATUS[ancestor]
        if ancestor.__name__.endswith("NotFoundError"):
            return 404
    return 400


def service_document(problem: ProblemError) -> dict[str, Any]:
    """The problem document of a service refusal."""
    status, title = PROBLEMS[problem.slug]
    known = {"type": PREFIX + problem.slug, "title": title, "status": status}
    return known | {"detail": problem.detail} | dict(problem.extra)


def market_document(error: MarketError) -> dict[str, Any]:
    """The problem document of a market error."""
    return {
        "type": problem_type(type(error)),
        "title": (type(error).__doc__ or "Refused").strip().splitlines()[0].rstrip("."),
        "status": status_of(type(error)),
        "detail": _public_detail(error),
    }


def problem_response(
    document: Mapping[str, Any], headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """The document as an answer."""
    return JSONResponse(
        dict(document), int(document["status"]), dict(headers or {}), media_type=MEDIA_TYPE
    )


def _public_detail(error: MarketError) -> str:
    if isinstance(error, errors.MarketFileError):
        return "the market's storage cannot be used, nothing was changed: tell the operator"
    if isinstance(error, errors.AccountNotFoundError):  # its advice names other accounts
        return str(error).partition(":")[0] + ": check the name, or register it first"
    return str(error)


HEADER = "PAYMENT-REQUIRED"
NETWORK = "continuum:ledger"
ASSET = "nano-credit"


def costs(request: Request, due: Callable[[], Due | None]) -> None:
    """Say what a route costs, in case it cannot be paid; asked only then."""
    request.state.price = due


def payment_required(
    *, url: str, reason: str, amount_nanos: int | None, pay_to: str | None = None
) -> dict[str, Any]:
    """The payment request of a refused purchase; no offer when the amount is not known."""
    offer = {
        "scheme": "exact",
        "network": NETWORK,
        "amount": str(amount_nanos),
        "asset": ASSET,
        "payTo": pay_to or PLATFORM,
        "maxTimeoutSeconds": 60,
        "extra": {"decimals": 9},
    }
    return {
        "x402Version": 2,
        "error": reason,
        "resource": {"url": url, "mimeType": "application/json"},
        "accepts": [] if amount_nanos is None else [offer],
    }


def payment_header(document: dict[str, Any]) -> dict[str, str]:
    """The header that carries it: base64 of its JSON."""
    data = json.dumps(document, separators=(",", ":"), sort_keys=True).encode()
    return {HEADER: base64.b64encode(data).decode()}
