"""`continuum market bundle`: several layers under one name, bought together."""

from __future__ import annotations

from typing import Annotated

import typer

from tui.cli.errors import OptionError
from tui.cli.market.carrying import bring
from tui.cli.market.options import (
    MaxPriceOption,
)
from tui.cli.market.place import Here, in_market
from tui.cli.tables import credit_text, nanos_of, percent, print_table
from tui.printing import say

PARTS = 1_000_000
app = typer.Typer(help="Several layers for one price.", no_args_is_help=True)


@app.command()
@in_market(key=True)
def create(
    here: Here,
    name: Annotated[str, typer.Argument(help="What to call it.")],
    listings: Annotated[list[str], typer.Argument(help="The listings in it.")],
    discount: Annotated[float, typer.Option(help="Off your own listings: 0.2 = a fifth.")] = 0.0,
) -> None:
    """Put listings together."""
    if not 0 <= discount < 1:
        raise OptionError(f"--discount is {discount}: use a share from 0 to below 1, such as 0.2")
    with here.open() as place:
        made = place.bundle_create(
            owner=here.account,
            name=name,
            listings=listings,
            discount_parts=round(discount * PARTS),
            key=here.key_or_new("bundle"),
        )
    say(f"bundle {made.name}: {len(made.listings)} layers, {credit_text(made.price_nanos)} credits")


@app.command("list")
@in_market(account=None)
def list_bundles(here: Here) -> None:
    """All bundles at the running prices."""
    with here.open() as place:
        rows = [
            (
                x.name,
                credit_text(x.price_nanos),
                percent(x.discount_parts / PARTS),
                x.owner,
                ", ".join(x.listings),
            )
            for x in place.bundles()
        ]
    print_table("bundles", ("name", "credits", "discount", "owner", "listings"), rows)


@app.command()
@in_market(key=True)
def buy(
    here: Here,
    name: Annotated[str, typer.Argument(help="The bundle's name.")],
    max_price: MaxPriceOption = None,
) -> None:
    """Buy every layer of a bundle that you do not have yet."""
    limit = None if max_price is None else nanos_of(max_price)
    with here.open() as place:
        bought = place.bundle_buy(
            buyer=here.account,
            bundle=name,
            key=here.key or f"{here.account}-buys-bundle-{name}",
            max_price_nanos=limit,
        )
        for one in bought:
            bring(place, here.home, one.digest, one.listing)
    total = sum(one.price_nanos for one in bought)
    names = ", ".join(one.listing for one in bought)
    say(f"{here.account} bought {names} for {credit_text(total)} credits")
