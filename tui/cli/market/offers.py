"""`continuum market compute`: machine time for sale, at a price that follows the load."""

from __future__ import annotations

from typing import Annotated

import typer

from tui.cli.market.options import (
    MaxPriceOption,
    exact,
)
from tui.cli.market.place import Here, in_market
from tui.cli.tables import nanos_of, percent, print_table
from tui.printing import say

app = typer.Typer(help="Inference and training capacity.", no_args_is_help=True)


@app.command()
@in_market(key=True)
def offer(
    here: Here,
    name: Annotated[str, typer.Argument(help="What to call the offer.")],
    ask: Annotated[
        str, typer.Option(metavar="CREDITS", help="Per 1,000 units: tokens or samples.")
    ],
    capacity: Annotated[int, typer.Option(min=1, help="Units per epoch.")],
    resource: Annotated[str, typer.Option(help="inference or training.")] = "inference",
) -> None:
    """Offer machine time."""
    ask_nanos = nanos_of(ask)
    with here.open() as place:
        made = place.offer_compute(
            owner=here.account,
            name=name,
            resource=resource,
            ask_nanos=ask_nanos,
            capacity_units=capacity,
            key=here.key_or_new("offer"),
        )
    say(f"{made.name}: {exact(made.rate_nanos)} per 1,000 units of {resource}")


@app.command("list")
@in_market(account=None)
def list_offers(here: Here) -> None:
    """All offers at the running prices; the surplus over the ask does not go to the seller."""
    with here.open() as place:
        rows = [
            (
                x.name,
                x.resource,
                exact(x.rate_nanos),
                exact(x.ask_nanos),
                percent(1 - x.left_units / x.capacity_units),
                x.owner,
            )
            for x in place.offers()
        ]
    columns = ("name", "resource", "per 1,000", "ask", "in use", "owner")
    print_table("machine time", columns, rows)


@app.command()
@in_market(key=True)
def use(
    here: Here,
    name: Annotated[str, typer.Argument(help="The offer's name.")],
    units: Annotated[int, typer.Argument(min=1, help="Tokens or samples.")],
    max_price: MaxPriceOption = None,
) -> None:
    """Pay for units of an offer."""
    limit = None if max_price is None else nanos_of(max_price)
    with here.open() as place:
        used = place.use_compute(
            buyer=here.account,
            offer=name,
            units=units,
            key=here.key_or_new("compute"),
            max_price_nanos=limit,
        )
    say(f"{here.account} paid {exact(used.price_nanos)} for {used.units} units of {name}")
