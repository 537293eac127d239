"""Running a server until it is told to stop.

SIGTERM and SIGINT stop it gracefully: no new request, what is under way gets its answer, then the
engine ends. One process has one base.
"""

from __future__ import annotations

import gc
import ipaddress
import logging
import secrets
import time
from collections.abc import AsyncIterator, Callable, MutableMapping
from contextlib import asynccontextmanager, closing
from typing import Any

import uvicorn
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from economy.serving.problems import ApiError, answer, invalid, known
from economy.serving.routes import router
from economy.serving.service import MAX_BODY_BYTES, Service
from genome.genome import Genome
from marketplace.service.http import BoundedHttp
from marketplace.service.serve import GracefulServer, bound, within_descriptors
from persona.sampling import Sampling

MOST_IN_FLIGHT = 512
"""Requests at once; more are told to come again."""
STOP_TIMEOUT_S = 30
"""How long a stopping server waits for the answers it has begun."""
PATHS_WITHOUT_LOG = ("/health", "/metrics")


_NO_JSON = ("invalid_value", "the body is no JSON in UTF-8: send what /openapi.json describes")
_WORDS = {
    404: ("not_found", "there is nothing at this address: see /openapi.json"),
    405: ("method_not_allowed", "this address is asked in another way: see /openapi.json"),
}


def create_app(service: Service) -> FastAPI:
    """The application; the service ends with it."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        service.close()

    app = FastAPI(
        title="Continuum personas", version="1", docs_url=None, redoc_url=None, lifespan=lifespan
    )
    app.state.service = service
    app.include_router(router)
    for kind in (ApiError, RequestValidationError, HTTPException):
        app.add_exception_handler(kind, _refused)
    app.add_middleware(Front, service=service)
    return app


async def _refused(_request: Request, error: Exception) -> Response:
    if isinstance(error, RequestValidationError):
        return answer(invalid(error.errors()))
    if isinstance(error, HTTPException):
        return answer(ApiError(error.status_code, *_WORDS.get(error.status_code, _NO_JSON)))
    assert isinstance(error, ApiError)
    return answer(error)


class Front:
    """What happens to every request before and after its route: limits, a number, a log line."""

    def __init__(self, app: Any, service: Service) -> None:
        self._app, self._service = app, service
        self._in_flight = 0

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        """Answer one request and note how it went; never what was said."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        state = scope.setdefault("state", {})
        state["request"] = secrets.token_hex(12)
        began, seen = time.perf_counter(), dict[str, Any]()

        async def send_noted(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                seen["status"] = message["status"]
                more = {"x-request-id": state["request"]}
                if allowance := state.get("allowance"):
                    more |= allowance.headers()
                message["headers"] = [
                    *message.get("headers", ()),
                    *((k.lower().encode(), v.encode()) for k, v in more.items()),
                ]
            await send(message)

        self._in_flight += 1
        try:
            if refusal := self._refusal(scope):
                await answer(refusal)(scope, receive, send_noted)
            else:
                await self._app(scope, receive, send_noted)
        except Exception as error:
            refusal = known(error, str(self._service.names.home))
            if refusal is None:
                self._service.log(event="failure", request=state["request"], error=_where(error))
                refusal = ApiError(
                    500,
                    "internal_error",
                    f"the server failed on request {state['request']}: ask again",
                )
            if "status" not in seen:  # else the answer has begun
                await answer(refusal)(scope, receive, send_noted)
        finally:
            self._in_flight -= 1
            self._note(scope, seen.get("status", 499), time.perf_counter() - began)

    def _refusal(self, scope: MutableMapping[str, Any]) -> ApiError | None:
        headers, service = dict(scope["headers"]), self._service
        hosts = [value for name, value in scope["headers"] if name == b"host"]
        path = scope["path"]
        if service.stopping and path not in PATHS_WITHOUT_LOG:
            return ApiError(
                503,
                "stopping",
                "the server is stopping: ask again soon",
                headers={"Retry-After": "5", "Connection": "close"},
            )
        if self._in_flight > MOST_IN_FLIGHT:
            return ApiError(
                429,
                "too_many_requests",
                f"{MOST_IN_FLIGHT} requests are under way: ask again",
                headers={"Retry-After": "2"},
            )
        host = b" ".join(hosts).decode("latin-1").lower()
        if service.hosts and _name(host) not in service.hosts:
            return ApiError(
                403,
                "wrong_host",
                f"this server is asked as {', '.join(sorted(service.hosts))}, not {host!r:.80}",
            )
        if scope["method"] != "POST":
            return None
        kind = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
        if kind != b"application/json":
            return ApiError(
                400, "invalid_value", "a request is JSON: send Content-Type: application/json"
            )
        length = headers.get(b"content-length", b"")
        if not length.isdigit():
            return ApiError(411, "length_required", "send a Content-Length, not chunks")
        if int(length) > MAX_BODY_BYTES:
            return ApiError(
                413,
                "too_large",
                f"the body has {int(length)} bytes, {MAX_BODY_BYTES} are allowed: send less",
                headers={"Connection": "close"},
            )
        return None

    def _note(self, scope: MutableMapping[str, Any], status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "unmatched")
        self._service.metrics.requests.labels(route, str(status)).inc()
        if scope["path"] in PATHS_WITHOUT_LOG:
            return
        state = scope["state"]
        self._service.log(
            event="request",
            time=round(time.time(), 3),
            request=state["request"],
            route=route,
            status=status,
            duration_ms=round(1000 * seconds, 1),
            key=state.get("key"),
            peer=scope["client"][0] if scope.get("client") else None,
        )


def _name(host: str) -> str:
    """A Host header without its port."""
    return host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host


def _where(error: BaseException) -> str:
    """An error's class, and the places it passed through; none of its values."""
    places, step = [], error.__traceback__
    while step is not None:
        code = step.tb_frame.f_code
        places.append(f"{code.co_filename.rpartition('/')[2]}:{step.tb_lineno}")
        step = step.tb_next
    return f"{type(error).__name__} at {' '.join(places[-6:])}"


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches such an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def serve(
    service: Service, host: str, port: int, started: Callable[[str], object] = lambda _: None
) -> None:
    """Serve until a signal; returns when all that was under way has ended.

    Args:
        port: 0 for any free one.
        started: Is told the address, once connections are accepted.

    Raises:
        ApiError: Others than this machine could ask, and no key is needed.
        MarketError: The address is taken.
    """
    if not is_loopback(host) and not service.must_have_key:
        raise ApiError(
            403,
            "needs_key",
            f"on {host} anybody could ask: make a key, `continuum key create NAME`",
        )
    if is_loopback(host):
        service.hosts = frozenset({"127.0.0.1", "localhost", "[::1]", host})
    base = service.engine.base
    service.engine.answer(Genome(base.fingerprint), "hello", Sampling(max_tokens=1))  # warm
    service.connections.limits = within_descriptors(service.connections.limits)
    with closing(bound(host, port)) as listener:
        shown = f"[{host}]" if ":" in host else host
        address = f"http://{shown}:{listener.getsockname()[1]}"
        gc.collect()
        gc.freeze()
        server_of(service, lambda: started(address)).run([listener])


def server_of(service: Service, started: Callable[[], object]) -> GracefulServer:
    """What serves it, on sockets that are bound already."""
    logging.getLogger("uvicorn").setLevel(logging.CRITICAL)
    config = uvicorn.Config(
        create_app(service),
        log_config=None,
        access_log=False,
        server_header=False,
        ws="none",
        timeout_keep_alive=30,
        http=BoundedHttp.made_for(service.connections, MAX_BODY_BYTES, ()),
        timeout_graceful_shutdown=STOP_TIMEOUT_S,
    )
    return GracefulServer(config, service, started)
