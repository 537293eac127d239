"""`continuum market open | keys`: accounts and the keys that speak for them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tui.cli.errors import OptionError
from tui.cli.home import HomeOption
from tui.cli.market.options import MarketOption
from tui.cli.market.place import REMOTE, key_store, open_database, open_market
from tui.cli.tables import credit_text, print_table
from tui.printing import say

if TYPE_CHECKING:
    from marketplace.ledger.account import AccountView
    from marketplace.market import Market


def open_account(
    name: Annotated[str, typer.Argument(help="The account's name, yours from now on.")],
    public: Annotated[
        str | None, typer.Option(help="On a database: the key of the account's owner elsewhere.")
    ] = None,
    proof: Annotated[
        str | None, typer.Option(help="What `continuum market open NAME` printed for its owner.")
    ] = None,
    home: HomeOption = None,
    market: MarketOption = None,
) -> None:
    """Open an account; on a served market with a key, which only its owner's home has."""
    if (public is None) != (proof is None):
        raise OptionError("--public and --proof belong together: give both, or neither")
    made: str | None
    if market is not None and market.startswith(REMOTE):
        if public is not None:
            raise OptionError("--public is for who holds the database: leave it out on a service")
        account, made = _open_with_key(home, market, name)
    else:
        account, made = _open_in_database(home, market, name, public, proof)
    say(f"account {account.name} is open with {credit_text(account.balance_nanos)} credits")
    if public is not None:
        say(f"key {public} speaks for it")
    elif made is not None:
        say(f"its key is {made}, kept where only you can read it")


def _open_in_database(
    home: Path | None, market: str | None, name: str, public: str | None, proof: str | None
) -> tuple[AccountView, str | None]:
    """The account, and the public key made for it here if the market is served to others."""
    with open_database(home, market) as place:
        if public is not None and proof is not None:
            place.adopt(name, public, proof=proof, key=f"open-{public[:32]}")
        elif place.is_served():
            return _adopt_here(home, place, name)
        return place.open_account(name), None


def _adopt_here(home: Path | None, place: Market, name: str) -> tuple[AccountView, str]:
    from marketplace.errors import KeyTakenError
    from marketplace.ledger.account_key import prove_key

    store = key_store(home)
    is_new = not store.has(name)
    made = store.create(name)
    try:
        proof = prove_key(made.private, name)
        place.adopt(name, made.public, proof=proof, key=f"open-{made.public[:32]}")
    except KeyTakenError:
        if is_new:  # the name is somebody else's: a key for it would only mislead
            store.forget(name)
        raise
    return place.account(name), made.public


def _open_with_key(home: Path | None, market: str, name: str) -> tuple[AccountView, str]:
    from marketplace.errors import KeyTakenError, UnclaimedAccountError
    from marketplace.ledger.account_key import prove_key

    store = key_store(home)
    is_new = not store.has(name)
    made = store.create(name)
    try:
        with open_market(home, market, name) as place:
            return place.open_account(name), made.public
    except UnclaimedAccountError:
        raise UnclaimedAccountError(
            f"account {name!r} has no key there, and none may claim it from afar; your key for it"
            " is here: whoever holds the market's database types `CONTINUUM_MARKET= continuum"
            f" market open {name} --public {made.public} --proof {prove_key(made.private, name)}`"
        ) from None
    except KeyTakenError:
        if is_new:
            store.forget(name)
        raise


def keys(home: HomeOption = None) -> None:
    """The accounts whose private keys this home keeps, with their public keys."""
    store = key_store(home)
    print_table(f"keys in {store.folder}", ("account", "public key"), store.accounts().items())
