"""Which market a command speaks to: a service, a database, or the home's own file.

--market http://127.0.0.1:8080     the typed client, signing with the account's key
--market postgresql://host/market  the database itself, for its operator
(nothing)                          HOME/market.db
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from tui.cli.errors import OptionError
from tui.cli.home import existing_home, market_url, resolve_home

if TYPE_CHECKING:
    from genome.fit import Shapes
    from marketplace.front import MarketLike
    from marketplace.ledger.keyring import KeyStore
    from marketplace.market import Market

REMOTE = ("http://", "https://")
SIGNED_ONLY = "CONTINUUM_SIGNED_ONLY"
"""Environment variable: set to 1, nothing is published here without a signed manifest."""


def open_market(home: Path | None, url: str | None, account: str | None = None) -> MarketLike:
    """The market a command is about; close it by `with`.

    Args:
        account: Who acts. A service wants to see the account's key; None = only look.

    Raises:
        HomeNotFoundError: No market was named and the home has none.
        AccountKeyError: The account's key is not in this home.
    """
    if url is None or not url.startswith(REMOTE):
        return open_database(home, url)
    from marketplace.client.remote import RemoteMarket

    if account is None:
        return RemoteMarket(url)
    keys = key_store(home)
    holder = account if "/" not in account or keys.has(account) else account.split("/")[0]
    return RemoteMarket(url, account=account, key=keys.load(holder))


def speaker(home: Path | None, url: str | None, account: str | None) -> str | None:
    """The account, if this home can speak for it there; None = only look.

    For commands that need no account: CONTINUUM_ACCOUNT may name one of another market.
    """
    if account is None or url is None or not url.startswith(REMOTE):
        return account
    keys = key_store(home)
    return account if keys.has(account) or keys.has(account.split("/")[0]) else None


def open_database(home: Path | None, url: str | None) -> Market:
    """The market in a database, for commands that only its operator can give.

    Raises:
        OptionError: The address is one of a service.
        HomeNotFoundError: No market was named and the home has none.
    """
    if url is not None and url.startswith(REMOTE):
        raise OptionError(
            f"this command works on the database itself, not on the service {url}: give --market"
            " sqlite:///PATH or postgresql://HOST/NAME"
        )
    from marketplace.market import Market

    address = url or market_url(existing_home(home, "market.db"))
    signed_only = os.environ.get(SIGNED_ONLY, "") not in ("", "0")
    return Market.open(
        address, create=False, must_be_signed=signed_only, bases=maps_at(resolve_home(home))
    )


def maps_at(home: Path) -> dict[str, Shapes]:
    """Linear maps of every base that a home knows: what a market is to check layers against."""
    from genome.known_bases import KnownBases

    return {base.fingerprint: base.shapes for base in KnownBases(home).all()}


def key_store(home: Path | None) -> KeyStore:
    """The private keys of a home."""
    from marketplace.ledger.keyring import KeyStore

    return KeyStore(resolve_home(home) / "keys")
