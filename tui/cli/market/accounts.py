"""`continuum market open | keys`: accounts and the keys that speak for them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tui.cli.home import HomeOption
from tui.cli.market.options import MarketOption
from tui.cli.market.place import REMOTE, key_store, open_market
from tui.cli.tables import credit_text, print_table

if TYPE_CHECKING:
    from marketplace.account import AccountView


def open_account(
    name: Annotated[str, typer.Argument(help="The account's name, yours from now on.")],
    home: HomeOption = None,
    market: MarketOption = None,
) -> None:
    """Open an account; on a service this makes a key that only this home has."""
    if market is None or not market.startswith(REMOTE):
        with open_market(home, market) as place:
            account = place.open_account(name)
        print(f"account {account.name} is open with {credit_text(account.balance_nanos)} credits")
        return
    account, public = _open_with_key(home, market, name)
    print(f"account {account.name} is open with {credit_text(account.balance_nanos)} credits")
    print(f"its key is {public}, kept where only you can read it")


def _open_with_key(home: Path | None, market: str, name: str) -> tuple[AccountView, str]:
    from marketplace.errors import KeyTakenError

    store = key_store(home)
    is_new = not store.has(name)
    public = store.create(name).public
    try:
        with open_market(home, market, name) as place:
            return place.open_account(name), public
    except KeyTakenError:
        if is_new:  # the name is somebody else's: a key for it would only mislead
            store.forget(name)
        raise


def keys(home: HomeOption = None) -> None:
    """The accounts whose private keys this home keeps, with their public keys."""
    store = key_store(home)
    print_table(f"keys in {store.folder}", ("account", "public key"), store.accounts().items())
