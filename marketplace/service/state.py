"""What all requests of one service share.

What Prometheus may know: numbers by route and status, never by account or listing.

Page cursors that clients can neither read meaning into nor make up.

A cursor is a position in one list, signed together with that list's name, filters and reader:
one made for another list, or changed by a bit, is refused.

One JSON line per request: who, what, how it ended, how long it took.

Never a body, a header, a query or a path: these hold keys, signatures, searches and prompts. The
route's template stands for the address. A failure adds its class and the places it passed through,
without the values.

Which account each key speaks for, remembered.

Keys and revocations are only ever added, so what was found stays true until something is revoked.
A change here forgets everything at once; whether another process revoked a key is asked once a
second, by one request for all. So a key that another process revokes speaks for a second longer,
and hardly any request waits for a question whose answer nearly never changes.
"""

import asyncio
import base64
import binascii
import hashlib
import hmac
import json
import secrets
import sys
import time
import traceback
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Annotated, Any, Protocol, TextIO, TypeVar, cast

import structlog
from fastapi import Depends, Request
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from marketplace.market import Market
from marketplace.service.layer_store import LayerStore
from marketplace.service.problems import ProblemError
from marketplace.service.rates import Connections, Rates
from marketplace.service.settings import ServiceSettings
from marketplace.service.signature import NonceCache

ALLOWED = frozenset(
    {
        "event",
        "level",
        "timestamp",
        "request",
        "method",
        "route",
        "status",
        "duration_ms",
        "account",
        "public_key",
        "peer",
        "problem",
        "error",
        "places",
        "address",
        "reason",
    }
)
"""The only fields that are written; anything else is dropped by name."""
_encode = json.JSONEncoder(sort_keys=True, default=repr).encode
P = TypeVar("P", int, str)
MAX_LIMIT = 100
_MAC_BYTES = 16
CHECK_S = 1.0
MAX_SPEAKERS = 10_000


class Logger(Protocol):
    """What the service needs of a structlog logger."""

    def info(self, event: str, **fields: Any) -> Any:
        """Something ordinary."""

    def error(self, event: str, **fields: Any) -> Any:
        """Something a person should look at."""


class _Unfailing:
    """A stream for lines that may be lost: a full disk must not fail the request it is about."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        """Write, or lose it."""
        with suppress(OSError):
            self._stream.write(text)

    def flush(self) -> None:
        """Hand it on, or lose it."""
        with suppress(OSError):
            self._stream.flush()


class Speakers:
    """The keys that spoke to one service; only its event loop touches them.

    Args:
        read: Runs something that reads in a thread.
    """

    def __init__(self, market: Market, read: Callable[[Callable[[], Any]], Awaitable[Any]]) -> None:
        self._market, self._read = market, read
        self._accounts: dict[str, str] = {}
        self._n_revoked: int | None = None
        self._check_at = 0.0

    async def account(self, public_key: str, now: float) -> str | None:
        """The account a key speaks for; None for an unknown or revoked one."""
        if not now < self._check_at <= now + CHECK_S:  # also after the clock was set back
            await self._check(now)
        found = self._accounts.get(public_key)
        if found is None:
            accounts = self._accounts
            found = await self._read(lambda: self._market.speaker(public_key))
            if found is not None and accounts is self._accounts:  # else revoked meanwhile, perhaps
                if len(accounts) >= MAX_SPEAKERS:
                    accounts.clear()
                accounts[public_key] = found
        return found

    def forget(self) -> None:
        """Look every key up again: one was added or revoked."""
        self._accounts = {}

    async def _check(self, now: float) -> None:
        self._check_at = now + CHECK_S  # others go on with what is known
        try:
            n_revoked = await self._read(self._market.n_revoked_keys)
        except BaseException:
            self._check_at = 0.0
            raise
        if n_revoked != self._n_revoked:
            self._n_revoked = n_revoked
            self.forget()


BUCKETS_S = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class Metrics:
    """The counters of one service, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._children: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
        self.requests = Counter(
            "market_requests",
            "Requests answered.",
            ("method", "route", "status"),
            registry=self.registry,
        )
        self.seconds = Histogram(
            "market_request_seconds",
            "Time to answer.",
            ("route",),
            buckets=BUCKETS_S,
            registry=self.registry,
        )
        self.refusals = Counter(
            "market_refusals", "Problems sent, by type.", ("type",), registry=self.registry
        )
        self.in_flight = Gauge(
            "market_requests_in_flight", "Requests under way.", registry=self.registry
        )
        self.uploaded = Counter(
            "market_uploaded_bytes", "Bytes of layer files taken in.", registry=self.registry
        )
        self.downloaded = Counter(
            "market_downloaded_bytes", "Bytes of layer files sent.", registry=self.registry
        )

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one request."""
        child = self._children.get((method, route, status))
        if child is None:  # the library looks labels up under a lock, slower than it counts
            child = self.requests.labels(method, route, str(status)), self.seconds.labels(route)
            self._children[method, route, status] = child
        child[0].inc()
        child[1].observe(seconds)

    def text(self) -> bytes:
        """The exposition format."""
        return generate_latest(self.registry)


T = TypeVar("T")


def make_logger(stream: TextIO | None = None) -> Logger:
    """A logger of JSON lines that leaves the rest of the process alone."""
    logger: Logger = structlog.wrap_logger(
        structlog.WriteLogger(cast("TextIO", _Unfailing(stream or sys.stderr))),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _only_allowed,
            _as_json,
        ],
    ).bind()  # now: else anew at every line
    return logger


@dataclass
class Service:
    """One running service: the market behind it and what it remembers of requests."""

    market: Market
    settings: ServiceSettings
    clock: Callable[[], float] = time.time
    log: Logger = field(default_factory=make_logger)
    nonces: NonceCache = field(default_factory=NonceCache)
    metrics: Metrics = field(default_factory=Metrics)
    in_progress: set[str] = field(default_factory=set)
    """The market's keys of changes under way; only the event loop touches it."""
    stopping: bool = False

    def __post_init__(self) -> None:
        settings = self.settings
        self.started_at = self.clock()
        self.cursors = Cursors(settings.cursor_secret or secrets.token_bytes(32))
        self.connections = Connections(settings.connections)
        self.signed_rates = Rates("signed", settings.signed)
        self.unsigned_rates = Rates("unsigned", settings.unsigned)
        self.registration_rates = Rates("registrations", settings.registrations)
        self.store = None
        if settings.layers is not None:
            self.store = LayerStore(settings.layers, settings, self.market.has_layer)
        self.speakers = Speakers(self.market, self.read)
        self._changers = ThreadPoolExecutor(settings.change_threads, "market-change")
        self._heavy = ThreadPoolExecutor(1, "market-heavy")
        self._readers = ThreadPoolExecutor(settings.read_threads, "market-read")

    async def change(self, work: Callable[[], T]) -> T:
        """Run something that waits for the writer, beside other such things."""
        return await asyncio.get_running_loop().run_in_executor(self._changers, work)

    async def heavy(self, work: Callable[[], T]) -> T:
        """Run something that computes for a while, one at a time, beside everything else."""
        return await asyncio.get_running_loop().run_in_executor(self._heavy, work)

    async def read(self, work: Callable[[], T]) -> T:
        """Run something that reads, however many changes are waiting."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, work)

    def close(self) -> None:
        """Let every change that has begun end; later requests are refused."""
        self.stopping = True
        self._changers.shutdown(wait=True)
        self._heavy.shutdown(wait=True)
        self._readers.shutdown(wait=True)


def service_of(request: Request) -> Service:
    """The service a request came to."""
    found = request.app.state.service
    assert isinstance(found, Service)
    return found


async def _here(request: Request) -> Service:
    """As `service_of`; a coroutine, because FastAPI sends plain functions to a thread."""
    return service_of(request)


Here = Annotated[Service, Depends(_here)]


def places(error: BaseException) -> list[str]:
    """Where an error passed through, innermost last: file, line and function."""
    frames = traceback.extract_tb(error.__traceback__)[-12:]
    return [f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}" for frame in frames]


def _as_json(_logger: Any, _method: str, fields: Any) -> str:
    return _encode(fields)


def _only_allowed(_logger: Any, _method: str, fields: Any) -> Any:
    return {name: value for name, value in fields.items() if name in ALLOWED and value is not None}


class Cursors:
    """Seals positions with a secret and opens what it sealed."""

    def __init__(self, secret: bytes) -> None:
        self._secret = hashlib.sha256(b"continuum-cursor-v1\0" + secret).digest()

    def seal(self, scope: Sequence[object], position: int | str) -> str:
        """The cursor of a position.

        Args:
            scope: What the position belongs to: route, filters, reader.
        """
        payload = json.dumps(position, separators=(",", ":")).encode()
        return base64.urlsafe_b64encode(self._mac(scope, payload) + payload).decode().rstrip("=")

    def open(self, scope: Sequence[object], cursor: str) -> int | str:
        """The position in a cursor.

        Raises:
            ProblemError: cursor-invalid.
        """
        try:
            padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
            data = base64.b64decode(padded, altchars=b"-_", validate=True)
        except (ValueError, binascii.Error):
            data = b""
        mac, payload = data[:_MAC_BYTES], data[_MAC_BYTES:]
        if not hmac.compare_digest(mac, self._mac(scope, payload)):
            raise ProblemError(
                "cursor-invalid", "cursor must be the 'next' of this very list: start without one"
            )
        position = json.loads(payload)
        assert isinstance(position, int | str)
        return position

    def _mac(self, scope: Sequence[object], payload: bytes) -> bytes:
        bound = json.dumps([str(part) for part in scope]).encode() + b"\0" + payload
        return hmac.new(self._secret, bound, hashlib.sha256).digest()[:_MAC_BYTES]

    def position(self, scope: Sequence[object], cursor: str | None, first: P) -> P:
        """What a page comes after: the cursor's position, or what stands before the first page."""
        if cursor is None:
            return first
        found = self.open(scope, cursor)
        assert isinstance(found, type(first)), f"a cursor of {scope[0]} holds {found!r}"
        return found

    def cut(
        self,
        scope: Sequence[object],
        found: Sequence[T],
        position: Callable[[T], int | str],
        limit: int,
    ) -> tuple[list[T], str | None]:
        """One page, and the next cursor, of what was asked for with one more than the limit."""
        page = list(found[:limit])
        return page, self.seal(scope, position(page[-1])) if len(found) > limit else None

    def page_after(
        self,
        scope: Sequence[object],
        items: Sequence[T],
        place: Callable[[T], Any],
        *,
        cursor: str | None,
        limit: int,
    ) -> tuple[list[T], str | None]:
        """Items after the cursor's name or number, and the next cursor; sorted by it, unique.

        Items that come or go between two pages neither repeat nor hide another.
        """
        after = None if cursor is None else self.open(scope, cursor)
        rest = [item for item in items if after is None or place(item) > after]
        return self.cut(scope, rest, place, limit)

    def page_by_count(
        self, scope: Sequence[object], items: Sequence[T], *, cursor: str | None, limit: int
    ) -> tuple[list[T], str | None]:
        """Items after as many as the cursor says; for lists to which is only appended."""
        start = 0 if cursor is None else _count(self.open(scope, cursor))
        page = list(items[start : start + limit])
        end = start + len(page)
        return page, self.seal(scope, end) if end < len(items) else None


def _count(position: Any) -> int:
    assert isinstance(position, int)
    return position
