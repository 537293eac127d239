"""A market behind a service, with the methods of the local one.

key = KeyStore(home / "keys").create("ada")
with RemoteMarket("http://127.0.0.1:8080", account="ada", key=key) as market:
    market.open_account("ada")
    market.buy(buyer="ada", listing="sql-v2", key="ada-sql-v2")
"""

from types import TracebackType
from typing import ClassVar, Self

import httpx

from marketplace.client.accounts import AccountsClient
from marketplace.client.catalogue import CatalogueClient
from marketplace.client.deals import DealsClient
from marketplace.client.evidence import EvidenceClient
from marketplace.client.layers import LayersClient
from marketplace.client.pricing import PricingClient
from marketplace.client.trading import TradingClient
from marketplace.client.transport import Patience, Transport
from marketplace.ledger.keyring import PrivateKey


class RemoteMarket(
    AccountsClient,
    CatalogueClient,
    EvidenceClient,
    TradingClient,
    DealsClient,
    PricingClient,
    LayersClient,
):
    """The market at a service's address, as one account sees it.

    Args:
        account: Who acts; None = only look at what is public.
        key: The account's private key; signs every request.
        http: Instead of a client of its own, for tests.
    """

    at_service: ClassVar[bool] = True

    def __init__(
        self,
        url: str,
        *,
        account: str | None = None,
        key: PrivateKey | None = None,
        patience: Patience | None = None,
        http: httpx.Client | None = None,
    ) -> None:
        transport = Transport(url, key, patience=patience, http=http)
        super().__init__(transport, account, None if key is None else key.public)

    @property
    def url(self) -> str:
        """The service's address."""
        return self._transport.url

    def close(self) -> None:
        """Give back the connections."""
        self._transport.close()

    def __enter__(self) -> Self:
        """Let `with RemoteMarket(...) as market` close it."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the connections."""
        self.close()
