"""`continuum market buy | rent | use | review`: pay for a layer, use it, say how it was.

`continuum market subscribe | subscriptions`: one fee, shared by what you really use.
"""

from __future__ import annotations

from typing import Annotated

import typer

from tui.cli.home import HomeOption
from tui.cli.market.carrying import FetchOption, bring
from tui.cli.market.options import (
    AccountOption,
    KeyOption,
    MarketOption,
    MaxPriceOption,
    NameArgument,
    exact,
    key_or_new,
    moment,
)
from tui.cli.market.place import open_market
from tui.cli.tables import credit_text, nanos_of, print_table
from tui.printing import say


def buy(
    name: NameArgument,
    account: AccountOption = "me",
    key: KeyOption = None,
    max_price: MaxPriceOption = None,
    fetch: FetchOption = True,
    home: HomeOption = None,
    market: MarketOption = None,
) -> None:
    """Buy a layer; it is yours for good."""
    limit = None if max_price is None else nanos_of(max_price)
    with open_market(home, market, account) as place:
        bought = place.buy(
            buyer=account, listing=name, key=key or f"{account}-buys-{name}", max_price_nanos=limit
        )
        if bought.replayed:
            say(f"{account} bought {name} with this key before: nothing was charged again")
        else:
            say(
                f"{account} bought {name} for {credit_text(bought.price_nanos)} credits "
                f"(creator {credit_text(bought.creator_nanos)}, fee "
                f"{credit_text(bought.fee_nanos)}); {credit_text(bought.balance_nanos or 0)} left"
            )
        if fetch:
            bring(place, home, bought.digest, name)


def rent(
    name: NameArgument,
    days: Annotated[int, typer.Option(min=1, help="Days from now, or after a running rental.")] = 1,
    account: AccountOption = "me",
    key: KeyOption = None,
    max_price: MaxPriceOption = None,
    fetch: FetchOption = True,
    home: HomeOption = None,
    market: MarketOption = None,
) -> None:
    """Rent a layer by the day."""
    limit = None if max_price is None else nanos_of(max_price)
    with open_market(home, market, account) as place:
        listing = place.listing(name)
        rental = place.rent(
            renter=account,
            listing=name,
            days=days,
            key=key_or_new(key, "rent"),
            max_price_nanos=limit,
        )
        say(
            f"{account} rents {name} for {rental.days} days at "
            f"{credit_text(rental.price_nanos)} credits, until {moment(rental.ends_at)}"
        )
        if fetch:
            bring(place, home, listing.digest, name)


def use(
    name: NameArgument,
    units: Annotated[int, typer.Argument(min=1, help="Tokens, or calls.")],
    account: AccountOption = "me",
    key: KeyOption = None,
    home: HomeOption = None,
    market: MarketOption = None,
) -> None:
    """Pay for metered use, down to fractions of a cent; free for who owns, rents or subscribes."""
    with open_market(home, market, account) as place:
        place.listing(name)
        used = place.charge(account=account, listing=name, units=units, key=key_or_new(key, "use"))
    if used.amount_nanos:
        say(f"{account} paid {exact(used.amount_nanos)} for {used.units} units of {name}")
    else:
        say(f"{used.units} units of {name} are covered by {account}'s {used.covered_by}")


def review(
    name: NameArgument,
    good: Annotated[int, typer.Option(min=0, help="Uses that helped.")],
    bad: Annotated[int, typer.Option(min=0, help="Uses that did not.")] = 0,
    text: Annotated[str, typer.Option(help="One line for others.")] = "",
    account: AccountOption = "me",
    key: KeyOption = None,
    home: HomeOption = None,
    market: MarketOption = None,
) -> None:
    """Rate a layer you have paid for; what counts is how often it helped."""
    with open_market(home, market, account) as place:
        place.listing(name)
        given = place.review(
            reviewer=account,
            listing=name,
            n_good=good,
            n_bad=bad,
            text=text,
            key=key_or_new(key, "review"),
        )
    say(f"{account} reports {given.n_good} good and {given.n_bad} bad uses of {name}")


def subscribe(
    fee: Annotated[str, typer.Argument(metavar="CREDITS", help="Held now, shared at the end.")],
    days: Annotated[int, typer.Option(min=1)] = 30,
    account: AccountOption = "me",
    key: KeyOption = None,
    home: HomeOption = None,
    market: MarketOption = None,
) -> None:
    """Use every layer that takes part; your fee goes to those you used, by your own usage."""
    fee_nanos = nanos_of(fee)
    with open_market(home, market, account) as place:
        made = place.subscribe(
            account=account, fee_nanos=fee_nanos, days=days, key=key_or_new(key, "subscribe")
        )
    say(
        f"{account} subscribes for {credit_text(made.fee_nanos)} credits until "
        f"{moment(made.ends_at)}"
    )


def subscriptions(
    account: AccountOption = "me", home: HomeOption = None, market: MarketOption = None
) -> None:
    """Your subscriptions and what they were used for."""
    with open_market(home, market, account) as place:
        rows = [
            (
                str(x.subscription),
                x.state,
                credit_text(x.fee_nanos),
                moment(x.ends_at),
                ", ".join(f"{name} {units}" for name, units in x.units),
            )
            for x in place.subscriptions(account)
        ]
    columns = ("subscription", "state", "credits", "ends", "units used")
    print_table(f"subscriptions of {account}", columns, rows)
