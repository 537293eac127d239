"""The marketplace in one object: the only thing other packages need to import.

    market = Market.open("sqlite:////home/ada/market.db")
    market.open_account("ada")
    market.fund("ada", 10 * NANOS_PER_CREDIT, key="grant-1")
    market.buy(buyer="ada", listing="sql-v2", key="ada-sql-v2")

Every method is one transaction. Methods that change something take a key: repeating a call
with its key, after a crash or a lost answer, has no second effect.
"""

import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import ClassVar, Self

from genome.fit import Shapes
from marketplace.database.place import Place
from marketplace.facade.batched import BatchedFacade
from marketplace.facade.catalogue import CatalogueFacade
from marketplace.facade.keys import KeysFacade
from marketplace.facade.ledger import LedgerFacade
from marketplace.facade.lookup import LookupFacade
from marketplace.facade.pricing import PricingFacade
from marketplace.facade.trading import TradingFacade
from marketplace.ledger.account import AccountView
from marketplace.ledger.epoch import PricePoint
from marketplace.ledger.ledger import PostingView
from marketplace.listing.listing import ListingView, PurchaseView, ReceiptFacts
from marketplace.money import NANOS_PER_CREDIT
from marketplace.price.quote import Quote
from marketplace.store.database import BUSY_TIMEOUT_S, Database

__all__ = [
    "NANOS_PER_CREDIT",
    "AccountView",
    "ListingView",
    "Market",
    "PostingView",
    "PricePoint",
    "PurchaseView",
    "Quote",
    "ReceiptFacts",
]


class Market(
    LedgerFacade,
    CatalogueFacade,
    TradingFacade,
    PricingFacade,
    KeysFacade,
    LookupFacade,
    BatchedFacade,
):
    """Accounts, listings, prices and trades behind one address.

    Safe to share between threads; other processes open the same address for themselves.
    """

    at_service: ClassVar[bool] = False

    @classmethod
    def open(
        cls,
        url: str,
        *,
        clock: Callable[[], float] = time.time,
        create: bool = True,
        busy_timeout_s: float = BUSY_TIMEOUT_S,
        must_be_signed: bool = False,
        bases: Mapping[str, Shapes] | None = None,
    ) -> Self:
        """The market at an address such as sqlite:////home/ada/market.db; made if absent.

        A market of an earlier schema version is migrated first, with a backup beside its file.

        Args:
            clock: Seconds since 1970; the only thing here that is not deterministic.
            create: False to insist that the market exists.
            busy_timeout_s: How long a call waits for other writers.
            must_be_signed: Refuse to publish layers without a signed manifest.
            bases: Linear maps of base models, (out, in) by module, by fingerprint: a layer for one
                of them, or for the embedded one, is listed only if it can run.

        Raises:
            MarketNotFoundError: There is no market and `create` is False.
            MarketFileError: The file or its folder cannot be used.
        """
        at = clock()
        database = Database(url, create=create, at=at, busy_timeout_s=busy_timeout_s)
        return cls(database, clock, must_be_signed=must_be_signed, bases=bases)

    @property
    def place(self) -> Place:
        """Where it lives."""
        return self._database.place

    def close(self) -> None:
        """Write what is queued and give back the file or server; later calls are refused."""
        self._writer.close()
        self._database.close()

    def __enter__(self) -> Self:
        """Let `with Market.open(...) as market` close it."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the market."""
        self.close()
