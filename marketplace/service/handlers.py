"""From exceptions to problem documents; nothing leaves the service as a bare traceback."""

import errno
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from marketplace.errors import InsufficientCreditsError, MarketBusyError, MarketError
from marketplace.service.logs import places
from marketplace.service.problems import (
    RETRY_AFTER_S,
    ProblemError,
    market_document,
    payment_header,
    payment_required,
    problem_response,
    service_document,
)
from marketplace.service.state import Service, service_of

_BY_STATUS = {404: "not-found", 405: "method-not-allowed"}
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
FULL_RETRY_S = 60
MAX_ERRORS = 10


def add_handlers(app: FastAPI) -> None:
    """Let every failure of a route become a problem document."""
    app.add_exception_handler(ProblemError, _service_problem)
    app.add_exception_handler(MarketError, _market_error)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)


async def _service_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, ProblemError)
    return _sent(request, service_document(error), dict(error.headers))


async def _market_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, MarketError)
    document, headers = market_document(error), {}
    if isinstance(error, InsufficientCreditsError):
        headers = await _payment(request, document)
    if isinstance(error, MarketBusyError) or document["status"] == 503:
        headers["Retry-After"] = str(RETRY_AFTER_S)
    if document["type"].endswith(":key-in-progress"):
        headers["Retry-After"] = str(RETRY_AFTER_S)
    if document["status"] >= 500:
        _log(service_of(request), request.state.request, error)
    return _sent(request, document, headers)


async def _invalid(request: Request, error: Exception) -> Response:
    """Which fields are wrong and why; never the values, which may be secret."""
    assert isinstance(error, RequestValidationError)
    wrong = [
        {"field": ".".join(str(part) for part in item["loc"])[:200], "message": item["msg"][:200]}
        for item in error.errors()[:MAX_ERRORS]
    ]
    detail = "; ".join(f"{item['field']}: {item['message']}" for item in wrong)
    problem = ProblemError("request-invalid", detail[:1000], extra={"errors": wrong})
    return _sent(request, service_document(problem), {})


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    slug = _BY_STATUS.get(error.status_code, "request-invalid")
    allowed = (error.headers or {}).get("Allow", "see /openapi.json")
    words = {
        "not-found": "there is nothing at this address: see /openapi.json",
        "method-not-allowed": f"allowed here: {allowed}",
        "request-invalid": "the body is no JSON: send what /openapi.json describes",
    }
    document = service_document(ProblemError(slug, words[slug]))
    return _sent(request, document, dict(error.headers or {}))


def failure_response(service: Service, number: str, error: Exception) -> Response:
    """The answer to a failure that nobody foresaw; the log knows more."""
    _log(service, number, error)
    if isinstance(error, OSError) and error.errno in _NO_ROOM:
        problem = ProblemError(
            "storage-full", "the service's disk is full, nothing was changed: try again later"
        )
        return problem_response(service_document(problem), {"Retry-After": str(FULL_RETRY_S)})
    problem = ProblemError(
        "internal", f"the service failed on request {number}: repeat it with the same key"
    )
    return problem_response(service_document(problem))


async def _payment(request: Request, document: dict[str, Any]) -> dict[str, str]:
    """What would have to be paid: the x402 document in the answer, and its header."""
    price = getattr(request.state, "price", None)
    due = None if price is None else await service_of(request).read(price)
    payment = payment_required(
        url=request.url.path,
        reason=document["detail"],
        amount_nanos=due and due.nanos,
        pay_to=due and due.to,
    )
    document["payment"] = payment
    return payment_header(payment)


def _sent(request: Request, document: dict[str, Any], headers: dict[str, str]) -> Response:
    request.state.problem = document["type"]
    service_of(request).metrics.refusals.labels(document["type"]).inc()
    return problem_response(document, headers)


def _log(service: Service, number: str, error: Exception) -> None:
    service.log.error("failure", request=number, error=type(error).__name__, places=places(error))
