"""Running the service until it is told to stop.

SIGTERM and SIGINT stop it gracefully: no new connection, what is under way gets its answer, the
writer finishes what it acknowledged, then the market closes. One process serves one market: the
writer groups the commits of all requests, which more processes would only take apart.

The service as one ASGI application over an open market.

    app = create_app(market, ServiceSettings(origins=("https://market.example",)))

The market stays open when the application ends: whoever opened it closes it.
"""

import asyncio
import gc
import logging
import signal
import socket
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import Any, Protocol

import uvicorn
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from marketplace.errors import InvalidInputError, MarketError
from marketplace.ledger.account_key import check_public_key
from marketplace.listing.submission import Bases, no_bases
from marketplace.market import Market
from marketplace.service.change import keep_up
from marketplace.service.direct import Direct
from marketplace.service.frontdoor import FrontDoor, add_handlers
from marketplace.service.http import BoundedHttp
from marketplace.service.openapi import PROBLEMS, complete
from marketplace.service.rates import Connections
from marketplace.service.routes import ROUTERS, busiest
from marketplace.service.settings import ConnectionLimits, ServiceSettings
from marketplace.service.state import Service

VERSION = "1"
DESCRIPTION = """Layers published, tried, bought, rented, forked and metered.

Requests that act for an account are signed (RFC 9421, Ed25519, tag `continuum-market`) over
`@method`, `@target-uri`, `content-digest` when there is a body and `idempotency-key` when there is
one, with `created`, `expires` at most 60 s later, a fresh `nonce`, and the public key as `keyid`.
Amounts are exact decimal credits in strings. Refusals are problem documents (RFC 9457)."""

SIGNALS = (signal.SIGTERM, signal.SIGINT)
ANYWHERE = ("0.0.0.0", "::")
SWITCH_S = 0.0005
"""Longest a thread keeps the interpreter while others wait: with Python's 5 ms the event loop,
which lets go of it at every signature and every socket, waits for the writer again and again."""
KEEP_ALIVE_S = 30
DESCRIPTORS_BESIDE = 256
"""For the database, layers' files and connections that are just being closed."""
NOBODY_VOUCHED_FOR = (
    "users' reports and purchases move no price yet: `continuum market vouch ACCOUNT`"
)


@dataclass(frozen=True, slots=True)
class Listening:
    """Where a started service is reached, once it is."""

    address: str
    market: str


def serve(
    url: str,
    *,
    host: str = "127.0.0.1",
    port: int = 8080,
    origins: tuple[str, ...] = (),
    operators: frozenset[str] = frozenset(),
    layers: Path | None = None,
    settings: ServiceSettings | None = None,
    proxies: tuple[str, ...] = (),
    bases: Bases = no_bases,
    started: Callable[[Listening], None] | None = None,
) -> None:
    """Serve the market at this address; returns after a signal, with everything written.

    Args:
        url: The market's database, made if absent.
        port: 0 for any free one; `started` tells which.
        origins: Public addresses such as https://market.example; default the one listened on.
        operators: Public keys (hex) that may grant credits and close epochs.
        layers: Folder for the layers' files; None keeps none.
        settings: Everything else.
        proxies: Addresses whose X-Forwarded-For is believed.
        bases: Linear maps of base models, as `Market.open` takes them.
        started: Called once, when connections are accepted.

    Raises:
        MarketError: The address is taken, or cannot be signed for; the market cannot be opened.
    """
    for key in operators:
        check_public_key(key)
    with ExitStack() as opened:
        listener = opened.enter_context(closing(bound(host, port)))
        chosen = replace(
            settings or ServiceSettings(),
            origins=origins or _own_origins(host, listener.getsockname()[1]),
            operators=operators,
            layers=layers,
        )
        chosen = replace(chosen, connections=within_descriptors(chosen.connections))
        app = create_app(opened.enter_context(Market.open(url, bases=bases)), chosen)
        service: Service = app.state.service
        service.market.note_served()
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            ws="none",
            lifespan="on",
            timeout_keep_alive=KEEP_ALIVE_S,
            http=BoundedHttp.made_for(service.connections, chosen.max_body_bytes, proxies),
            timeout_graceful_shutdown=int(chosen.stop_timeout_s),
            proxy_headers=bool(proxies),
            forwarded_allow_ips=list(proxies),
        )
        logging.getLogger("uvicorn").setLevel(logging.CRITICAL)
        here = Listening(chosen.origins[0], url)
        sys.setswitchinterval(SWITCH_S)
        if not service.market.vouched():
            service.log.info("nobody-vouched-for", reason=NOBODY_VOUCHED_FOR)
        service.log.info("serving", address=here.address)
        with _collecting_little():
            GracefulServer(config, service, started and (lambda: started(here))).run([listener])
        service.log.info("stopped")


@contextmanager
def _collecting_little() -> Iterator[None]:
    """Leave what was imported and opened out of garbage collections.

    A full one went through 175,000 objects, nearly all of them code: everybody waited 100 ms, once
    in 700 charges. None of these is garbage as long as the service runs.
    """
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


class Served(Protocol):
    """What a server tells of its connections and of its end."""

    stopping: bool

    @property
    def connections(self) -> Connections:
        """The seats of its clients."""


class GracefulServer(uvicorn.Server):
    """Tells the service of the start and of the first signal."""

    def __init__(
        self, config: uvicorn.Config, service: Served, started: Callable[[], object] | None
    ) -> None:
        super().__init__(config)
        self._service = service
        self._told = started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self._told is not None:
            self._told()

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second; the seats are looked at once."""
        if counter % 10 == 0:
            self._service.connections.sweep(time.monotonic())
        return await super().on_tick(counter)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Handle the signals, and leave it at that: uvicorn would then end the process by them."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self.handle_exit) for number in SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Refuse new work at once; a second signal gives up waiting for readers of answers."""
        self._service.stopping = True
        super().handle_exit(sig, frame)


def within_descriptors(limits: ConnectionLimits) -> ConnectionLimits:
    """No more connections than there are descriptors for, besides those for files."""
    try:
        import resource
    except ImportError:  # not on Windows, which has no such limit
        return limits
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = limits.most + DESCRIPTORS_BESIDE
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        return replace(limits, most=max(1, soft - DESCRIPTORS_BESIDE))
    return limits


def bound(host: str, port: int) -> socket.socket:
    """A socket that listens there.

    Raises:
        MarketError: The address is taken.
    """
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        found = socket.socket(family, socket.SOCK_STREAM)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind((host, port))
    except OSError as error:
        raise MarketError(
            f"cannot listen on {host} port {port} ({error.strerror}): choose another --port"
        ) from None
    return found


def _own_origins(host: str, port: int) -> tuple[str, ...]:
    if host in ANYWHERE:
        raise InvalidInputError(
            f"a service on {host} needs its public address, which clients sign: give --origin"
        )
    shown = f"[{host}]" if ":" in host else host
    local = ("127.0.0.1", "localhost") if host == "127.0.0.1" else (shown,)
    return tuple(f"http://{name}:{port}" for name in local)


def create_app(market: Market, settings: ServiceSettings | None = None, **parts: Any) -> FastAPI:
    """The application that serves a market.

    Args:
        parts: Other fields of `Service`: clock, log.
    """
    service = Service(market, settings or ServiceSettings(), **parts)
    app = FastAPI(
        title="Continuum market",
        version=VERSION,
        description=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        lifespan=_lifespan(service),
        responses=PROBLEMS,
    )
    app.state.service = service
    for router in ROUTERS:
        app.include_router(router)
    add_handlers(app)
    app.add_middleware(Direct, routes=busiest(), handlers=app.exception_handlers)
    app.add_middleware(FrontDoor, service=service)
    app.openapi = _document(app)  # type: ignore[method-assign]
    return app


def _lifespan(service: Service) -> Callable[[FastAPI], Any]:
    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        chores = asyncio.create_task(keep_up(service))
        try:
            yield
        finally:
            chores.cancel()
            service.close()

    return lifespan


def _document(app: FastAPI) -> Callable[[], dict[str, Any]]:
    def document() -> dict[str, Any]:
        if not app.openapi_schema:
            app.openapi_schema = complete(
                get_openapi(
                    title=app.title,
                    version=app.version,
                    description=app.description,
                    routes=app.routes,
                )
            )
        return app.openapi_schema

    return document


if __name__ == "__main__":  # for tests of signals; people use `continuum market serve`
    serve(
        sys.argv[1],
        port=0,
        operators=frozenset(sys.argv[2:3]),
        started=lambda here: print(here.address, flush=True),
    )
