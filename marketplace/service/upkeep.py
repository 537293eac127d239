"""What falls due while nobody asks: meters and subscriptions that end, holds that expire.

The chore is repeatable, so a service that was killed in the middle does it again after its
start. A failure is logged and tried again at the next turn; it stops nobody's request.
"""

import asyncio

from marketplace.service.logs import places
from marketplace.service.state import Service

EVERY_S = 60.0


async def keep_up(service: Service, every_s: float = EVERY_S) -> None:
    """Settle what is due, now and every so many seconds, until cancelled."""
    while True:
        await do_chores(service)
        await asyncio.sleep(every_s)


async def do_chores(service: Service) -> None:
    """Settle what is due, once."""
    try:
        await service.change(service.market.sweep)
    except Exception as error:  # a chore must not end the service
        service.log.error("chore failed", error=type(error).__name__, places=places(error))
