"""A market on another machine, used like a local one.

Start at `marketplace.client.remote.RemoteMarket`; it offers what `marketplace.front` names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeGuard

from marketplace.front import MarketLike

if TYPE_CHECKING:  # it loads what only the extra `remote` brings
    from marketplace.client.remote import RemoteMarket


def is_remote(market: MarketLike) -> TypeGuard[RemoteMarket]:
    """Whether a market is behind a service, which keeps the layers' files.

    Asked of the market and not of its class: that one needs the extra `remote`.
    """
    return market.at_service
