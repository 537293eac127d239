"""Running the service until it is told to stop.

SIGTERM and SIGINT stop it gracefully: no new connection, what is under way gets its answer, the
writer finishes what it acknowledged, then the market closes. One process serves one market: the
writer groups the commits of all requests, which more processes would only take apart.
"""

import gc
import logging
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType

import uvicorn

from genome.fit import Shapes
from marketplace.errors import InvalidInputError, MarketError
from marketplace.ledger.account_key import check_public_key
from marketplace.market import Market
from marketplace.service.app import create_app
from marketplace.service.http import BoundedHttp
from marketplace.service.settings import ConnectionLimits, ServiceSettings
from marketplace.service.state import Service

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
    bases: Mapping[str, Shapes] | None = None,
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
        bases: Linear maps of base models by fingerprint, as `Market.open` takes them.
        started: Called once, when connections are accepted.

    Raises:
        MarketError: The address is taken, or cannot be signed for; the market cannot be opened.
    """
    for key in operators:
        check_public_key(key)
    with ExitStack() as opened:
        listener = opened.enter_context(closing(_bound(host, port)))
        chosen = replace(
            settings or ServiceSettings(),
            origins=origins or _own_origins(host, listener.getsockname()[1]),
            operators=operators,
            layers=layers,
        )
        chosen = replace(chosen, connections=_within_descriptors(chosen.connections))
        app = create_app(opened.enter_context(Market.open(url, bases=bases)), chosen)
        service: Service = app.state.service
        service.market.note_served()
        config = uvicorn.Config(
            app, log_config=None, access_log=False, server_header=False, ws="none",
            lifespan="on", timeout_keep_alive=KEEP_ALIVE_S,
            http=BoundedHttp.made_for(service.connections, chosen.max_body_bytes, proxies),
            timeout_graceful_shutdown=int(chosen.stop_timeout_s),
            proxy_headers=bool(proxies), forwarded_allow_ips=list(proxies),
        )  # fmt: skip
        logging.getLogger("uvicorn").setLevel(logging.CRITICAL)
        here = Listening(chosen.origins[0], url)
        sys.setswitchinterval(SWITCH_S)
        if not service.market.vouched():
            service.log.info("nobody-vouched-for", reason=NOBODY_VOUCHED_FOR)
        service.log.info("serving", address=here.address)
        with _collecting_little():
            _Server(config, service, started and (lambda: started(here))).run([listener])
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


class _Server(uvicorn.Server):
    """Tells the service of the start and of the first signal."""

    def __init__(
        self, config: uvicorn.Config, service: Service, started: Callable[[], None] | None
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


def _within_descriptors(limits: ConnectionLimits) -> ConnectionLimits:
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


def _bound(host: str, port: int) -> socket.socket:
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


if __name__ == "__main__":  # for tests of signals; people use `continuum market serve`
    serve(
        sys.argv[1],
        port=0,
        operators=frozenset(sys.argv[2:3]),
        started=lambda here: print(here.address, flush=True),
    )
