"""The marketplace in one object: the only thing other packages need to import.

    market = Market.open("sqlite:////home/ada/market.db")
    market.open_account("ada")
    market.fund("ada", 10 * NANOS_PER_CREDIT, key="grant-1")
    market.buy(buyer="ada", listing="sql-v2", key="ada-sql-v2")

Every method is one transaction. Methods that change something take a key: repeating a call
with its key, after a crash or a lost answer, has no second effect.
"""

import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from marketplace import price, repository, trade, verify
from marketplace.account import AccountView
from marketplace.database import BUSY_TIMEOUT_S, Database
from marketplace.epoch import PricePoint
from marketplace.ledger import PostingView
from marketplace.listing import Listing, ListingView, PurchaseView, ReceiptFacts
from marketplace.money import NANOS_PER_CREDIT, check_amount
from marketplace.names import check_digest, check_key, check_name, check_text
from marketplace.price import Quote

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


class Market:
    """Accounts, listings, prices and trades behind one address.

    Safe to share between threads; other processes open the same address for themselves.
    """

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock

    @classmethod
    def open(
        cls,
        url: str,
        *,
        clock: Callable[[], float] = time.time,
        create: bool = True,
        busy_timeout_s: float = BUSY_TIMEOUT_S,
    ) -> Self:
        """The market at an address such as sqlite:////home/ada/market.db; made if absent.

        Args:
            clock: Seconds since 1970; the only thing here that is not deterministic.
            create: False to insist that the market exists.
            busy_timeout_s: How long a call waits for other writers.

        Raises:
            MarketNotFoundError: There is no market and `create` is False.
            MarketFileError: The file or its folder cannot be used.
        """
        at = clock()
        return cls(Database(url, create=create, at=at, busy_timeout_s=busy_timeout_s), clock)

    def close(self) -> None:
        """Give back the file; later calls are refused."""
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

    def open_account(self, name: str, *, key: str | None = None) -> AccountView:
        """The account of this name, opened now if it is new."""
        check_name(name, "account name")
        key = None if key is None else check_key(key)
        with self._database.write() as session:
            account = trade.open_account(session, name=name, key=key, at=self._clock())
            return AccountView(account.name, account.balance_nanos)

    def account(self, name: str) -> AccountView:
        """The account of this name.

        Raises:
            AccountNotFoundError: There is none; the message names the closest ones.
        """
        with self._database.read() as session:
            account = repository.account(session, name)
            return AccountView(account.name, account.balance_nanos)

    def accounts(self) -> list[AccountView]:
        """All accounts by name, the house's own included."""
        with self._database.read() as session:
            return repository.account_views(session)

    def fund(self, name: str, amount_nanos: int, *, key: str) -> None:
        """Move new credits from 'world' to an account, once per key."""
        check_amount(amount_nanos)
        check_key(key)
        with self._database.write() as session:
            trade.fund(session, name=name, amount_nanos=amount_nanos, key=key, at=self._clock())

    def publish(
        self,
        *,
        owner: str,
        name: str,
        digest: str,
        base_model: str,
        niche: str,
        ask_nanos: int,
        receipt: ReceiptFacts,
        description: str = "",
        key: str,
    ) -> ListingView:
        """Put a layer up for sale at a price made of the ask and its exam result.

        Raises:
            InvalidInputError: A value that no listing may carry.
            ListingTakenError: The name or the layer is already listed.
            IdempotencyKeyReusedError: The key belongs to another request.
        """
        at = self._clock()
        listing = Listing(
            name=check_name(name, "listing name"),
            owner=owner,
            digest=check_digest(digest),
            base_model=check_text(base_model, "base_model", min_chars=1),
            niche=check_text(niche, "niche", min_chars=1),
            description=check_text(description, "description", max_chars=2000),
            ask_nanos=check_amount(ask_nanos, "ask"),
            published_at=at,
            key=check_key(key),
        )
        with self._database.write() as session:
            return trade.publish(session, listing, receipt, at=at)

    def listings(self) -> list[ListingView]:
        """Everything for sale, by name, at the running epoch's prices."""
        with self._database.read() as session:
            return repository.listing_views(session)

    def listing(self, name: str) -> ListingView:
        """The listing of this name.

        Raises:
            ListingNotFoundError: There is none; the message names the closest ones.
        """
        with self._database.read() as session:
            return repository.listing_view(session, name)

    def quote(self, name: str) -> Quote:
        """What the listing costs now and why."""
        return price.explain(self.listing(name))

    def buy(
        self, *, buyer: str, listing: str, key: str, max_price_nanos: int | None = None
    ) -> PurchaseView:
        """Pay the running price once per key; the buyer then owns the layer for good.

        Raises:
            RefusedError: Own layer, already owned, above the limit, or too few credits.
            IdempotencyKeyReusedError: The key belongs to another request.
        """
        check_key(key)
        if max_price_nanos is not None:
            check_amount(max_price_nanos, "max_price_nanos")
        with self._database.write() as session:
            return trade.buy(
                session,
                buyer=buyer,
                listing=listing,
                key=key,
                max_price_nanos=max_price_nanos,
                at=self._clock(),
            )

    def owns(self, account: str, digest: str) -> bool:
        """Whether the account may use the layer: it published or bought it."""
        with self._database.read() as session:
            return repository.owns(session, account, digest)

    def purchases(self) -> list[PurchaseView]:
        """All purchases, oldest first."""
        with self._database.read() as session:
            return repository.purchase_views(session)

    def postings(self, account: str) -> list[PostingView]:
        """The account's statement, oldest first."""
        with self._database.read() as session:
            repository.account(session, account)
            return repository.posting_views(session, account)

    def close_epoch(self, number: int | None = None) -> None:
        """Let the epoch's demand move every price and open the next epoch.

        Args:
            number: Close this epoch only if it is the running one, so that repeating the call
                after a crash has no second effect; None = whichever is running.
        """
        with self._database.write() as session:
            trade.close_epoch(session, number=number, at=self._clock())

    def price_history(self, name: str) -> list[PricePoint]:
        """Price and sales per epoch since publication; the last point is the running epoch."""
        with self._database.read() as session:
            repository.listing_view(session, name)
            return repository.price_points(session, name)

    def verify(self) -> list[str]:
        """Everything that is wrong with the books, one line each; empty when all is well."""
        with self._database.read() as session:
            return verify.problems(session)
