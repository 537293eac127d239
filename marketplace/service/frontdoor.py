"""What happens to every request before and after its route: limits, numbers, one log line.

Plain ASGI instead of Starlette's middleware class, which would copy every body through a queue.
"""

import secrets
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from starlette.requests import ClientDisconnect

from marketplace.service.caller import peer_name
from marketplace.service.connections import SEAT
from marketplace.service.handlers import failure_response
from marketplace.service.problems import ProblemError, problem_response, service_document
from marketplace.service.rates import Allowance
from marketplace.service.state import Service

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
            "request", request=state["request"], method=method, route=route, status=status,
            duration_ms=round(seconds * 1000, 3), account=state.get("account"),
            public_key=state.get("public_key"), problem=state.get("problem"),
            peer=scope["client"][0] if scope.get("client") else None,
        )  # fmt: skip


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
