"""What happens to every request before and after its route: limits, numbers, one log line.

Plain ASGI instead of Starlette's middleware class, which would copy every body through a queue.

Exceptions become problem documents; nothing leaves the service as a bare traceback.
"""

import errno
import secrets
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from marketplace.errors import InsufficientCreditsError, MarketBusyError, MarketError
from marketplace.service.caller import peer_name
from marketplace.service.problems import (
    RETRY_AFTER_S,
    ProblemError,
    market_document,
    payment_header,
    payment_required,
    problem_response,
    service_document,
)
from marketplace.service.rates import SEAT, Allowance
from marketplace.service.state import Service, places, service_of

_BY_STATUS = {404: "not-found", 405: "method-not-allowed"}
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
FULL_RETRY_S = 60
MAX_ERRORS = 10

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

UNMATCHED = "unmatched"
SAFE_HEADERS = ((b"x-content-type-options", b"nosniff"), (b"cache-control", b"no-store"))


class FrontDoor:
    """Wraps the application; everything but HTTP passes through."""

    def __init__(self, app: App, service: Service) -> None:
        self._app = app
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request and note how it went."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        state = scope.setdefault("state", {})
        state["request"] = secrets.token_hex(8)
        self._share(scope)
        started, seen = time.perf_counter(), dict[str, int]()

        async def send_noted(message: Message) -> None:
            if message["type"] == "http.response.start":
                seen["status"] = message["status"]
                message["headers"] = _with_ours(message.get("headers", ()), state)
            await send(message)

        self._service.metrics.in_flight.inc()
        try:
            refusal = self._refusal(scope)
            if refusal is None:
                await self._app(scope, receive, send_noted)
            else:
                await refusal(scope, receive, send_noted)
        except ClientDisconnect:
            seen.setdefault("status", 499)  # nobody is left to answer
        except Exception as error:
            response = failure_response(self._service, state["request"], error)
            if "status" not in seen:  # else the answer has begun: cut it off
                await response(scope, receive, send_noted)
        finally:
            self._service.metrics.in_flight.dec()
            self._note(scope, seen.get("status", 500), time.perf_counter() - started)

    def _share(self, scope: Scope) -> None:
        """Count a request behind a proxy for the address that it was forwarded for."""
        seat = scope.get(SEAT)
        if seat is not None and seat.proxied and scope.get("client"):
            seat.peer = peer_name(scope["client"][0])
            self._service.connections.share(seat)

    def _refusal(self, scope: Scope) -> Any:
        """An answer that needs no route: stopping, or a body of unknown or excessive length."""
        headers = dict(scope["headers"])
        problem = None
        if self._service.stopping and not scope["path"].startswith(("/health", "/ready")):
            problem = ProblemError(
                "stopping", "the service is stopping: try again soon, with the same key"
            )
        elif b"transfer-encoding" in headers:
            problem = ProblemError("length-required", "send a Content-Length, not chunks")
        elif (length := _length(headers)) > (limit := self._limit(scope)):
            problem = ProblemError(
                "too-large", f"the body has {length} bytes, {limit} are allowed: send less"
            )
        if problem is None:
            return None
        headers_back = {"Connection": "close"}  # the body that comes is not waited for
        if problem.slug == "stopping":
            headers_back["Retry-After"] = "2"
        return problem_response(service_document(problem), headers_back)

    def _limit(self, scope: Scope) -> int:
        settings = self._service.settings
        is_file = is_layer_file(scope["method"], scope["path"])
        return settings.max_layer_bytes if is_file else settings.max_body_bytes

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path_format", UNMATCHED)
        state, metrics = scope["state"], self._service.metrics
        method = scope["method"] if route != UNMATCHED else "ANY"  # a stranger may invent methods
        metrics.answered(method, route, status, seconds)
        self._service.log.info(
            "request",
            request=state["request"],
            method=method,
            route=route,
            status=status,
            duration_ms=round(seconds * 1000, 3),
            account=state.get("account"),
            public_key=state.get("public_key"),
            problem=state.get("problem"),
            peer=scope["client"][0] if scope.get("client") else None,
        )


def is_layer_file(method: str, path: str) -> bool:
    """Whether a request brings a layer's file, which may be large and take its time."""
    return method == "PUT" and path.startswith("/v1/layers/")


def _with_ours(headers: Any, state: MutableMapping[str, Any]) -> list[tuple[bytes, bytes]]:
    """The answer's headers with the request's number, quota and what browsers should not do."""
    found = list(headers)
    names = {name.lower() for name, _ in found}
    found += [(name, value) for name, value in SAFE_HEADERS if name not in names]
    found.append((b"x-request-id", state["request"].encode()))
    allowance: Allowance | None = state.get("allowance")
    if allowance is not None:
        for name, value in allowance.headers().items():
            found.append((name.lower().encode(), value.encode()))
    return found


def _length(headers: dict[bytes, bytes]) -> int:
    value = headers.get(b"content-length", b"0")
    return int(value) if value.isdigit() else 0


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
