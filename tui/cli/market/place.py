"""Which market a command speaks to: a service, a database, or the home's own file.

--market http://127.0.0.1:8080     the typed client, signing with the account's key
--market postgresql://host/market  the database itself, for its operator
(nothing)                          HOME/market.db
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from inspect import Parameter, signature
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec

from tui.cli.errors import OptionError
from tui.cli.home import HomeOption, MarketOption, existing_home, market_url, resolve_home
from tui.cli.market.options import AccountOption, KeyOption, new_key

if TYPE_CHECKING:
    from genome.fit import Shapes
    from marketplace.front import MarketLike
    from marketplace.ledger.keyring import KeyStore
    from marketplace.market import Market

P = ParamSpec("P")
REMOTE = ("http://", "https://")
SIGNED_ONLY = "CONTINUUM_SIGNED_ONLY"
"""Environment variable: set to 1, nothing is published here without a signed manifest."""


@dataclass(frozen=True)
class Here:
    """Who does something at which market, by the options that its commands share."""

    home: Path | None
    market: str | None
    account: str = ""
    """Empty = the command only looks."""
    key: str | None = None

    def open(self) -> MarketLike:
        """The market; close it by `with`."""
        return open_market(self.home, self.market, self.account or None)

    def key_or_new(self, deed: str) -> str:
        """The given key, or a fresh one for a deed that may be done again and again."""
        return self.key if self.key is not None else new_key(deed)


def in_market(
    *, account: str | None = "me", key: bool = False
) -> Callable[[Callable[Concatenate[Here, P], None]], Callable[..., None]]:
    """Give a command the options of all market commands; it finds them in its first argument.

    Args:
        account: Who acts where nobody is named; None = nobody does, there is no --account.
        key: Whether there is --key, by which the command may be repeated.
    """
    left_out = {"account"} if account is None else set()
    left_out |= set() if key else {"key"}
    options = {
        name: Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=kind)
        for name, kind, default in (
            ("account", AccountOption, account),
            ("key", KeyOption, None),
            ("home", HomeOption, None),
            ("market", MarketOption, None),
        )
        if name not in left_out
    }

    def with_options(command: Callable[Concatenate[Here, P], None]) -> Callable[..., None]:
        def run(**given: Any) -> None:
            here = Here(**{name: given.pop(name) for name in options})
            command(here, **given)  # type: ignore[call-arg]

        told = signature(command, eval_str=True)
        _, *own = (one.replace(kind=Parameter.KEYWORD_ONLY) for one in told.parameters.values())
        shown = told.replace(parameters=[*own, *options.values()])
        run.__name__, run.__doc__ = command.__name__, command.__doc__
        run.__signature__ = shown  # type: ignore[attr-defined]
        return run

    return with_options


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


def maps_at(home: Path) -> Callable[[str], Shapes | None]:
    """Linear maps of the bases that a home knows, read when a market checks a layer by them."""

    def maps(fingerprint: str) -> Shapes | None:
        from genome.bases import Bases

        found = Bases(home).find(fingerprint)
        return None if found is None else found.shapes

    return maps


def key_store(home: Path | None) -> KeyStore:
    """The private keys of a home."""
    from marketplace.ledger.keyring import KeyStore

    return KeyStore(resolve_home(home) / "keys")
