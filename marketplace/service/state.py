"""What all requests of one service share.

What Prometheus may know: numbers by route and status, never by account or listing.
"""

import asyncio
import secrets
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Annotated, TypeVar

from fastapi import Depends, Request
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from marketplace.market import Market
from marketplace.service.connections import Connections
from marketplace.service.cursors import Cursors
from marketplace.service.layer_store import LayerStore
from marketplace.service.logs import Logger, make_logger
from marketplace.service.rates import Rates
from marketplace.service.settings import ServiceSettings
from marketplace.service.signature import NonceCache
from marketplace.service.speakers import Speakers

BUCKETS_S = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class Metrics:
    """The counters of one service, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._children: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
        self.requests = Counter(
            "market_requests", "Requests answered.", ("method", "route", "status"),
            registry=self.registry,
        )  # fmt: skip
        self.seconds = Histogram(
            "market_request_seconds", "Time to answer.", ("route",), buckets=BUCKETS_S,
            registry=self.registry,
        )  # fmt: skip
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
