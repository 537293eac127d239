"""`continuum market mandate`: accounts that may spend for you, and keys of their own.

Without a key of its own a mandate is spent from by its owner's home. With one it signs for itself:
whoever holds that key, and nothing else of the owner's, shops up to the cap and no further.

    owner   mandate open shopper --cap 5 --fund 5      agent   mandate ask ada/shopper
    owner   mandate key shopper --public .. --proof ..         buy sql -a ada/shopper
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tui.cli.errors import OptionError
from tui.cli.home import HomeOption
from tui.cli.market.options import AccountOption, KeyOption, MarketOption, key_or_new
from tui.cli.market.place import key_store, open_market
from tui.cli.tables import credit_text, nanos_of, print_table
from tui.printing import say

if TYPE_CHECKING:
    from marketplace.front import MarketLike

app = typer.Typer(help="Accounts that may spend for you, up to a cap.", no_args_is_help=True)
NameArgument = Annotated[str, typer.Argument(help="The mandate's name.")]
PublicOption = Annotated[str | None, typer.Option(help="The public key, 64 hex digits.")]


@app.command("open")
def open_mandate(
    name: Annotated[str, typer.Argument(help="The mandate's name: it becomes ACCOUNT/NAME.")],
    cap: Annotated[str, typer.Option(metavar="CREDITS", help="The most it may ever spend.")],
    credits_: Annotated[
        str | None, typer.Option("--fund", metavar="CREDITS", help="Move so much to it now.")
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
    say(
        f"{made.name} may spend {credit_text(made.cap_nanos or 0)} credits in all and has "
        f"{credit_text(made.balance_nanos)}"
    )


@app.command("list")
def list_mandates(
    account: AccountOption = "me", home: HomeOption = None, market: MarketOption = None
) -> None:
    """Your mandates and what they have spent."""
    with open_market(home, market, account) as place:
        rows = [
            (
                x.name,
                credit_text(x.cap_nanos or 0),
                credit_text(x.spent_nanos),
                credit_text(x.balance_nanos),
            )
            for x in place.mandates(account)
        ]
    print_table(f"mandates of {account}", ("account", "cap", "spent", "credits"), rows)


@app.command("fund")
def fund_mandate(
    name: NameArgument,
    credits_: Annotated[str, typer.Argument(metavar="CREDITS")],
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
    say(f"{made.name} has {credit_text(made.balance_nanos)} credits")


@app.command("reclaim")
def reclaim_mandate(
    name: NameArgument,
    account: AccountOption = "me",
    key: KeyOption = None,
    home: HomeOption = None,
    market: MarketOption = None,
) -> None:
    """Move what is left in a mandate back to your account."""
    with open_market(home, market, account) as place:
        place.reclaim_mandate(f"{account}/{name}", key=key_or_new(key, "reclaim"))
        balance = place.account(account).balance_nanos
    say(f"{account} has {credit_text(balance)} credits")


@app.command()
def key(
    name: NameArgument,
    public: PublicOption = None,
    proof: Annotated[
        str | None, typer.Option(help="What `continuum market mandate ask NAME` printed.")
    ] = None,
    account: AccountOption = "me",
    home: HomeOption = None,
    market: MarketOption = None,
) -> None:
    """Let a mandate sign for itself, by a key made here or by `mandate ask` elsewhere."""
    if (public is None) != (proof is None):
        raise OptionError("--public and --proof belong together: give both, or neither")
    full = f"{account}/{name}"
    with open_market(home, market, account) as place:
        if public is None or proof is None:
            public = _key_made_here(place, home, full)
        else:
            place.add_key(full, public, proof=proof, key=f"key-{public[:32]}")
    say(f"{full} signs for itself with key {public}")


@app.command()
def ask(
    name: Annotated[str, typer.Argument(metavar="OWNER/NAME", help="The mandate.")],
    home: HomeOption = None,
) -> None:
    """Make a key for somebody's mandate in this home; its owner lets it speak."""
    from marketplace.ledger.account_key import prove_key

    owner, slash, short = name.partition("/")
    if not slash:
        raise OptionError(f"{name} is no mandate: name one as OWNER/NAME")
    made = key_store(home).create(name)
    say(f"the key of {name} is here; now {owner} types:")
    say(
        f"continuum market mandate key {short} --account {owner} --public {made.public}"
        f" --proof {prove_key(made.private, name)}"
    )


@app.command()
def revoke(
    name: NameArgument,
    public: PublicOption = None,
    account: AccountOption = "me",
    home: HomeOption = None,
    market: MarketOption = None,
) -> None:
    """Take the voice of a mandate's key for good, or of all it has; you still spend for it."""
    full = f"{account}/{name}"
    with open_market(home, market, account) as place:
        good = [x.public_key for x in place.keys(full) if x.revoked_at is None]
        chosen = good if public is None else [public]
        for one in chosen:
            place.revoke_key(full, one, key=f"revoke-{one[:32]}")
    store = key_store(home)
    if store.accounts().get(full) in chosen:
        store.forget(full)
    say(*(f"key {one} no longer speaks for {full}" for one in chosen))
    if not chosen:
        say("no key did")


def _key_made_here(place: MarketLike, home: Path | None, mandate: str) -> str:
    """The public half of the mandate's key in this home, registered."""
    from marketplace.errors import MarketError, ServiceUnreachableError
    from marketplace.ledger.account_key import prove_key

    store = key_store(home)
    is_new = not store.has(mandate)
    made = store.create(mandate)
    proof = prove_key(made.private, mandate)
    try:
        place.add_key(mandate, made.public, proof=proof, key=f"key-{made.public[:32]}")
    except ServiceUnreachableError:  # it may speak already: the same command finds out
        raise
    except MarketError:
        if is_new:  # else commands would sign with a key that nobody knows
            store.forget(mandate)
        raise
    return made.public
