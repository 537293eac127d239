"""What falls due while nobody asks: meters and subscriptions that end, holds that expire, uploads
that nobody finished. And the first search after a start or an epoch, which reads every listing.

Every chore is repeatable, so a service that was killed in the middle does it again after its
start. A failure is logged and tried again at the next turn; it stops no request and no other chore.

Nobody pays for what cannot be handed over.
"""

import asyncio
import time
from collections.abc import Awaitable
from typing import Any

from marketplace.ledger.operation import Operation
from marketplace.service.change import Change
from marketplace.service.logs import places
from marketplace.service.problems import ProblemError
from marketplace.service.state import Service

EVERY_S = 60.0


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
