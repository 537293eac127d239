"""`continuum market open | keys`: accounts and the keys that speak for them.

`continuum market royalties | owed`: what an account earned, and what is to be paid back.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tui.cli.errors import OptionError
from tui.cli.home import HomeOption
from tui.cli.market.options import exact, moment
from tui.cli.market.place import REMOTE, Here, in_market, key_store, open_database, open_market
from tui.cli.tables import credit_text, nanos_of, print_table
from tui.printing import say

if TYPE_CHECKING:
    from marketplace.ledger.account import AccountView
    from marketplace.market import Market


@in_market(account=None)
def open_account(
    here: Here,
    name: Annotated[str, typer.Argument(help="The account's name, yours from now on.")],
    public: Annotated[
        str | None, typer.Option(help="On a database: the key of the account's owner elsewhere.")
    ] = None,
    proof: Annotated[
        str | None, typer.Option(help="What `continuum market open NAME` printed for its owner.")
    ] = None,
) -> None:
    """Open an account; on a served market with a key, which only its owner's home has."""
    if (public is None) != (proof is None):
        raise OptionError("--public and --proof belong together: give both, or neither")
    made: str | None
    if here.market is not None and here.market.startswith(REMOTE):
        if public is not None:
            raise OptionError("--public is for who holds the database: leave it out on a service")
        account, made = _open_with_key(here.home, here.market, name)
    else:
        account, made = _open_in_database(here.home, here.market, name, public, proof)
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


@in_market()
def royalties(
    here: Here,
    cost: Annotated[
        str | None,
        typer.Option(metavar="CREDITS", help="What training cost: adds ROI and recovery."),
    ] = None,
) -> None:
    """What you earned: by selling, and as ancestor of layers that others sell."""
    from marketplace.formula.returns import Returns

    cost_nanos = None if cost is None else nanos_of(cost)
    with here.open() as place:
        earned = place.earnings(here.account)
    rows = [
        (one.listing, one.role, one.way, str(one.n_payments), exact(one.amount_nanos))
        for one in earned
    ]
    total = sum(one.amount_nanos for one in earned)
    print_table(f"earnings of {here.account}", ("listing", "as", "by", "payments", "earned"), rows)
    say(f"{exact(total)} in all")
    if cost_nanos is not None:
        say(*Returns(cost_nanos, total).lines())


@in_market(account=None)
def owed(
    here: Here,
    account: Annotated[
        str | None, typer.Argument(help="Only by or to this account.", envvar="CONTINUUM_ACCOUNT")
    ] = None,
    collect: Annotated[
        bool, typer.Option("--collect", help="Let debtors pay what they can, as every sweep does.")
    ] = False,
) -> None:
    """What must be paid back and is not yet: sales on false claims, and of revoked layers."""
    with open_market(here.home, here.market, account) as place:
        debts = place.collect_owed(account) if collect else place.owed(account)
    rows = [
        (
            str(one.transfer),
            one.listing,
            one.debtor,
            one.creditor,
            exact(one.claimed_nanos),
            exact(one.paid_nanos),
            exact(one.owed_nanos),
            moment(one.at),
        )
        for one in debts
    ]
    print_table(
        "owed", ("transfer", "listing", "by", "to", "claimed", "paid", "owed", "since"), rows
    )
    say(f"{exact(sum(one.owed_nanos for one in debts))} owed in all")
