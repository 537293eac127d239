"""`continuum market open | keys | mandate`: accounts and the keys that speak for them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tui.cli.amounts import nanos_of
from tui.cli.errors import OptionError
from tui.cli.home import HomeOption
from tui.cli.market.options import AccountOption, KeyOption, MarketOption, key_or_new
from tui.cli.market.place import REMOTE, key_store, open_market
from tui.cli.tables import credit_text, print_table

if TYPE_CHECKING:
    from marketplace.account import AccountView

mandates = typer.Typer(help="Accounts that may spend for you, up to a cap.", no_args_is_help=True)


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


@mandates.command("open")
def open_mandate(
    name: Annotated[str, typer.Argument(help="The mandate's name: it becomes ACCOUNT/NAME.")],
    cap: Annotated[float, typer.Option(help="The most it may ever spend, in credits.")],
    credits_: Annotated[
        float | None, typer.Option("--fund", metavar="CREDITS", help="Move so much to it now.")
    ] = None,
    account: AccountOption = "me",
    key: KeyOption = None,
    home: HomeOption = None,
    market: MarketOption = None,
) -> None:
    """Let a program, or somebody, spend for you, never more than the cap."""
    cap_nanos = nanos_of(cap)
    if "/" in account:
        raise OptionError(f"{account} is a mandate itself: only an account can give one")
    with open_market(home, market, account) as place:
        made = place.open_mandate(
            owner=account, name=name, cap_nanos=cap_nanos, key=key or f"{account}-mandate-{name}"
        )
        if credits_ is not None:
            amount = nanos_of(credits_)
            place.fund_mandate(made.name, amount, key=key_or_new(None, "fund-mandate"))
            made = place.account(made.name)
    print(
        f"{made.name} may spend {credit_text(made.cap_nanos or 0)} credits in all and has "
        f"{credit_text(made.balance_nanos)}"
    )


@mandates.command("list")
def list_mandates(
    account: AccountOption = "me", home: HomeOption = None, market: MarketOption = None
) -> None:
    """Your mandates and what they have spent."""
    with open_market(home, market, account) as place:
        rows = [
            (x.name, credit_text(x.cap_nanos or 0), credit_text(x.spent_nanos),
             credit_text(x.balance_nanos))
            for x in place.mandates(account)
        ]  # fmt: skip
    print_table(f"mandates of {account}", ("account", "cap", "spent", "credits"), rows)


@mandates.command("fund")
def fund_mandate(
    name: Annotated[str, typer.Argument(help="The mandate's name.")],
    credits_: Annotated[float, typer.Argument(metavar="CREDITS")],
    account: AccountOption = "me",
    key: KeyOption = None,
    home: HomeOption = None,
    market: MarketOption = None,
) -> None:
    """Move credits from your account to a mandate of yours."""
    amount = nanos_of(credits_)
    with open_market(home, market, account) as place:
        place.fund_mandate(f"{account}/{name}", amount, key=key_or_new(key, "fund-mandate"))
        made = place.account(f"{account}/{name}")
    print(f"{made.name} has {credit_text(made.balance_nanos)} credits")


@mandates.command("reclaim")
def reclaim_mandate(
    name: Annotated[str, typer.Argument(help="The mandate's name.")],
    account: AccountOption = "me",
    key: KeyOption = None,
    home: HomeOption = None,
    market: MarketOption = None,
) -> None:
    """Move what is left in a mandate back to your account."""
    with open_market(home, market, account) as place:
        place.reclaim_mandate(f"{account}/{name}", key=key_or_new(key, "reclaim"))
        balance = place.account(account).balance_nanos
    print(f"{account} has {credit_text(balance)} credits")
