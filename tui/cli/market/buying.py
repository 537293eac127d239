"""`continuum market buy | rent | use | review`: pay for a layer, use it, say how it was.

`continuum market subscribe | subscriptions`: one fee, shared by what you really use.
"""

from __future__ import annotations

from typing import Annotated

import typer

from tui.cli.market.carrying import FetchOption, bring
from tui.cli.market.options import (
    MaxPriceOption,
    NameArgument,
    exact,
    moment,
)
from tui.cli.market.place import Here, in_market
from tui.cli.tables import credit_text, nanos_of, print_table
from tui.printing import say


@in_market(key=True)
def buy(
    here: Here, name: NameArgument, max_price: MaxPriceOption = None, fetch: FetchOption = True
) -> None:
    """Buy a layer; it is yours for good."""
    limit = None if max_price is None else nanos_of(max_price)
    with here.open() as place:
        bought = place.buy(
            buyer=here.account,
            listing=name,
            key=here.key or f"{here.account}-buys-{name}",
            max_price_nanos=limit,
        )
        if bought.replayed:
            say(f"{here.account} bought {name} with this key before: nothing was charged again")
        else:
            say(
                f"{here.account} bought {name} for {credit_text(bought.price_nanos)} credits "
                f"(creator {credit_text(bought.creator_nanos)}, fee "
                f"{credit_text(bought.fee_nanos)}); {credit_text(bought.balance_nanos or 0)} left"
            )
        if fetch:
            bring(place, here.home, bought.digest, name)


@in_market(key=True)
def rent(
    here: Here,
    name: NameArgument,
    days: Annotated[int, typer.Option(min=1, help="Days from now, or after a running rental.")] = 1,
    max_price: MaxPriceOption = None,
    fetch: FetchOption = True,
) -> None:
    """Rent a layer by the day."""
    limit = None if max_price is None else nanos_of(max_price)
    with here.open() as place:
        listing = place.listing(name)
        rental = place.rent(
            renter=here.account,
            listing=name,
            days=days,
            key=here.key_or_new("rent"),
            max_price_nanos=limit,
        )
        say(
            f"{here.account} rents {name} for {rental.days} days at "
            f"{credit_text(rental.price_nanos)} credits, until {moment(rental.ends_at)}"
        )
        if fetch:
            bring(place, here.home, listing.digest, name)


@in_market(key=True)
def use(
    here: Here,
    name: NameArgument,
    units: Annotated[int, typer.Argument(min=1, help="Tokens, or calls.")],
) -> None:
    """Pay for metered use, down to fractions of a cent; free for who owns, rents or subscribes."""
    with here.open() as place:
        place.listing(name)
        used = place.charge(
            account=here.account, listing=name, units=units, key=here.key_or_new("use")
        )
    if used.amount_nanos:
        say(f"{here.account} paid {exact(used.amount_nanos)} for {used.units} units of {name}")
    else:
        say(f"{used.units} units of {name} are covered by {here.account}'s {used.covered_by}")


@in_market(key=True)
def review(
    here: Here,
    name: NameArgument,
    good: Annotated[int, typer.Option(min=0, help="Uses that helped.")],
    bad: Annotated[int, typer.Option(min=0, help="Uses that did not.")] = 0,
    text: Annotated[str, typer.Option(help="One line for others.")] = "",
) -> None:
    """Rate a layer you have paid for; what counts is how often it helped."""
    with here.open() as place:
        place.listing(name)
        given = place.review(
            reviewer=here.account,
            listing=name,
            n_good=good,
            n_bad=bad,
            text=text,
            key=here.key_or_new("review"),
        )
    say(f"{here.account} reports {given.n_good} good and {given.n_bad} bad uses of {name}")


@in_market(key=True)
def subscribe(
    here: Here,
    fee: Annotated[str, typer.Argument(metavar="CREDITS", help="Held now, shared at the end.")],
    days: Annotated[int, typer.Option(min=1)] = 30,
) -> None:
    """Use every layer that takes part; your fee goes to those you used, by your own usage."""
    fee_nanos = nanos_of(fee)
    with here.open() as place:
        made = place.subscribe(
            account=here.account, fee_nanos=fee_nanos, days=days, key=here.key_or_new("subscribe")
        )
    say(
        f"{here.account} subscribes for {credit_text(made.fee_nanos)} credits until "
        f"{moment(made.ends_at)}"
    )


@in_market()
def subscriptions(here: Here) -> None:
    """Your subscriptions and what they were used for."""
    with here.open() as place:
        rows = [
            (
                str(x.subscription),
                x.state,
                credit_text(x.fee_nanos),
                moment(x.ends_at),
                ", ".join(f"{name} {units}" for name, units in x.units),
            )
            for x in place.subscriptions(here.account)
        ]
    columns = ("subscription", "state", "credits", "ends", "units used")
    print_table(f"subscriptions of {here.account}", columns, rows)
