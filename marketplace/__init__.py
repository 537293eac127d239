"""Who owns and pays: accounts, listings, prices and trades of layers.

Start at `marketplace.market.Market`; everything it raises is in `marketplace.errors`.
Nothing here knows what a layer does: it is a digest with a name and an exam result.
"""

from typing import TYPE_CHECKING

from genome.exports import lazily

if TYPE_CHECKING:
    from marketplace.client.remote import RemoteMarket
    from marketplace.errors import MarketError
    from marketplace.front import MarketLike
    from marketplace.market import Market
    from marketplace.money import NANOS_PER_CREDIT

__all__ = [
    "NANOS_PER_CREDIT",
    "Market",
    "MarketError",
    "MarketLike",
    "RemoteMarket",
]

__getattr__ = lazily(
    __name__,
    {
        "marketplace.client.remote": ("RemoteMarket",),
        "marketplace.errors": ("MarketError",),
        "marketplace.market": ("Market",),
        "marketplace.money": ("NANOS_PER_CREDIT",),
        "marketplace.front": ("MarketLike",),
    },
)
