"""What all requests of one service share."""

import asyncio
import secrets
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Annotated, TypeVar

from fastapi import Depends, Request

from marketplace.market import Market
from marketplace.service.connections import Connections
from marketplace.service.cursors import Cursors
from marketplace.service.layer_store import LayerStore
from marketplace.service.logs import Logger, make_logger
from marketplace.service.metrics import Metrics
from marketplace.service.nonces import NonceCache
from marketplace.service.rates import Rates
from marketplace.service.settings import ServiceSettings
from marketplace.service.speakers import Speakers

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
