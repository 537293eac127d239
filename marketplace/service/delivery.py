"""Nobody pays for what cannot be handed over."""

from collections.abc import Callable, Iterable

from marketplace.service.change import Change
from marketplace.service.problems import ProblemError


async def must_be_deliverable(change: Change, listings: Callable[[], Iterable[str]]) -> None:
    """Refuse to sell layers whose files are not here, whole; a repeat is answered as it was.

    Args:
        listings: Their names; asked for in a thread that may read.

    Raises:
        ProblemError: layer-missing, internal.
        ListingNotFoundError: There is no such listing.
    """
    service, market, store = change.service, change.service.market, change.service.store
    if store is None:
        return

    def check() -> None:
        for name in listings():
            store.check(market.listing(name).digest)

    try:
        await service.read(check)
    except ProblemError:
        if not await service.read(lambda: market.has_request(change.market_key)):
            raise
