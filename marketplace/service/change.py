"""Requests that change something: by whom, and under which key they happen once.

Changing  a registered caller with an Idempotency-Key
Joining   the same for a key that is not registered yet

What falls due while nobody asks: meters and subscriptions that end, holds that expire, uploads
that nobody finished. And the first search after a start or an epoch, which reads every listing.

Every chore is repeatable, so a service that was killed in the middle does it again after its
start. A failure is logged and tried again at the next turn; it stops no request and no other chore.

Nobody pays for what cannot be handed over.
"""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Request

from marketplace.ledger.operation import Operation
from marketplace.service.caller import Caller, signed, signed_by_any
from marketplace.service.problems import ProblemError
from marketplace.service.state import Service, places, service_of

EVERY_S = 60.0

T = TypeVar("T")
_IDEMPOTENCY_KEY = re.compile(r"[\x21-\x7e]{1,128}")


@dataclass(frozen=True, slots=True)
class Change:
    """A caller's request to change something, and the key under which it happens once."""

    caller: Caller
    service: Service
    key: str

    async def run(self, work: Callable[[str], T]) -> T:
        """What the work returns for the market's key.

        The market has one namespace of keys; the caller's own before the key keeps callers from
        meeting, and from finding out, each other's.

        Raises:
            ProblemError: request-in-progress.
        """
        with self.only_one():
            return await self.service.change(lambda: work(self.market_key))

    async def run_heavy(self, work: Callable[[], T]) -> T:
        """The same for work that computes and leaves the market alone.

        Raises:
            ProblemError: request-in-progress.
        """
        with self.only_one():
            return await self.service.heavy(work)

    @contextmanager
    def only_one(self) -> Iterator[None]:
        """Keep a second request with this key out while the first is being worked on.

        Raises:
            ProblemError: request-in-progress.
        """
        mark = self.market_key
        if mark in self.service.in_progress:
            raise ProblemError(
                "request-in-progress",
                "a request with this Idempotency-Key is being worked on: repeat it later",
                {"Retry-After": "1"},
            )
        self.service.in_progress.add(mark)
        try:
            yield
        finally:
            self.service.in_progress.discard(mark)

    @property
    def market_key(self) -> str:
        """The key as the market knows it."""
        return f"{self.caller.namespace}{self.key}"


def idempotency_key(request: Request) -> str:
    """The request's Idempotency-Key.

    Raises:
        ProblemError: idempotency-key-missing.
    """
    given = request.headers.get("idempotency-key", "")
    if not _IDEMPOTENCY_KEY.fullmatch(given):
        raise ProblemError(
            "idempotency-key-missing",
            "a change needs an Idempotency-Key of 1-128 printable ASCII characters without spaces:"
            " send one, and the same one when you repeat the request",
        )
    return given


async def changing(request: Request) -> Change:
    """A registered caller's change."""
    return Change(await signed(request), service_of(request), idempotency_key(request))


async def joining(request: Request) -> Change:
    """A change by a key that may not be registered yet."""
    return Change(await signed_by_any(request), service_of(request), idempotency_key(request))


Changing = Annotated[Change, Depends(changing)]
Joining = Annotated[Change, Depends(joining)]


async def keep_up(service: Service, every_s: float = EVERY_S) -> None:
    """Do what is due, now and every so many seconds, until cancelled."""
    while True:
        await do_chores(service)
        await asyncio.sleep(every_s)


async def do_chores(service: Service) -> None:
    """Do what is due, once."""
    market, store = service.market, service.store
    await _try(service, service.change(market.sweep))
    await _try(service, service.heavy(lambda: market.search(limit=1)))
    if store is not None:  # files have the machine's time, whatever the service's clock says
        await _try(service, service.heavy(lambda: store.sweep(now=time.time())))


async def _try(service: Service, chore: Awaitable[object]) -> None:
    try:
        await chore
    except Exception as error:  # a chore must not end the service
        service.log.error("chore failed", error=type(error).__name__, places=places(error))


async def must_be_deliverable(change: Change, operation: Operation[Any]) -> None:
    """Refuse to sell layers whose files are not here, whole; a repeat is answered as it was.

    Raises:
        ProblemError: layer-missing, internal.
        ListingNotFoundError: There is no such listing.
    """
    service, market, store = change.service, change.service.market, change.service.store
    if store is None:
        return

    def check() -> None:
        for digest in market.handed_over(operation):
            store.check(digest)

    try:
        await service.read(check)
    except ProblemError:
        if not await service.read(lambda: market.has_request(change.market_key)):
            raise
