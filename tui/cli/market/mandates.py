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
from tui.cli.market.options import new_key
from tui.cli.market.place import Here, in_market, key_store
from tui.cli.tables import credit_text, nanos_of, print_table
from tui.printing import say

if TYPE_CHECKING:
    from marketplace.front import MarketLike

app = typer.Typer(help="Accounts that may spend for you, up to a cap.", no_args_is_help=True)
NameArgument = Annotated[str, typer.Argument(help="The mandate's name.")]
PublicOption = Annotated[str | None, typer.Option(help="The public key, 64 hex digits.")]


@app.command("open")
@in_market(key=True)
def open_mandate(
    here: Here,
    name: Annotated[str, typer.Argument(help="The mandate's name: it becomes ACCOUNT/NAME.")],
    cap: Annotated[str, typer.Option(metavar="CREDITS", help="The most it may ever spend.")],
    credits_: Annotated[
        str | None, typer.Option("--fund", metavar="CREDITS", help="Move so much to it now.")
    ] = None,
) -> None:
    """Let a program, or somebody, spend for you, never more than the cap."""
    cap_nanos = nanos_of(cap)
    if "/" in here.account:
        raise OptionError(f"{here.account} is a mandate itself: only an account can give one")
    with here.open() as place:
        made = place.open_mandate(
            owner=here.account,
            name=name,
            cap_nanos=cap_nanos,
            key=here.key or f"{here.account}-mandate-{name}",
        )
        if credits_ is not None:
            amount = nanos_of(credits_)
            place.fund_mandate(made.name, amount, key=new_key("fund-mandate"))
            made = place.account(made.name)
    say(
        f"{made.name} may spend {credit_text(made.cap_nanos or 0)} credits in all and has "
        f"{credit_text(made.balance_nanos)}"
    )


@app.command("list")
@in_market()
def list_mandates(here: Here) -> None:
    """Your mandates and what they have spent."""
    with here.open() as place:
        rows = [
            (
                x.name,
                credit_text(x.cap_nanos or 0),
                credit_text(x.spent_nanos),
                credit_text(x.balance_nanos),
            )
            for x in place.mandates(here.account)
        ]
    print_table(f"mandates of {here.account}", ("account", "cap", "spent", "credits"), rows)


@app.command("fund")
@in_market(key=True)
def fund_mandate(
    here: Here, name: NameArgument, credits_: Annotated[str, typer.Argument(metavar="CREDITS")]
) -> None:
    """Move credits from your account to a mandate of yours."""
    amount = nanos_of(credits_)
    with here.open() as place:
        place.fund_mandate(f"{here.account}/{name}", amount, key=here.key_or_new("fund-mandate"))
        made = place.account(f"{here.account}/{name}")
    say(f"{made.name} has {credit_text(made.balance_nanos)} credits")


@app.command("reclaim")
@in_market(key=True)
def reclaim_mandate(here: Here, name: NameArgument) -> None:
    """Move what is left in a mandate back to your account."""
    with here.open() as place:
        place.reclaim_mandate(f"{here.account}/{name}", key=here.key_or_new("reclaim"))
        balance = place.account(here.account).balance_nanos
    say(f"{here.account} has {credit_text(balance)} credits")


@app.command()
@in_market()
def key(
    here: Here,
    name: NameArgument,
    public: PublicOption = None,
    proof: Annotated[
        str | None, typer.Option(help="What `continuum market mandate ask NAME` printed.")
    ] = None,
) -> None:
    """Let a mandate sign for itself, by a key made here or by `mandate ask` elsewhere."""
    if (public is None) != (proof is None):
        raise OptionError("--public and --proof belong together: give both, or neither")
    full = f"{here.account}/{name}"
    with here.open() as place:
        if public is None or proof is None:
            public = _key_made_here(place, here.home, full)
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
@in_market()
def revoke(here: Here, name: NameArgument, public: PublicOption = None) -> None:
    """Take the voice of a mandate's key for good, or of all it has; you still spend for it."""
    full = f"{here.account}/{name}"
    with here.open() as place:
        good = [x.public_key for x in place.keys(full) if x.revoked_at is None]
        chosen = good if public is None else [public]
        for one in chosen:
            place.revoke_key(full, one, key=f"revoke-{one[:32]}")
    store = key_store(here.home)
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
