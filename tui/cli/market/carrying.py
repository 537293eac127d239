"""`continuum market fetch`: a layer you may use, from a service into the home's library."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tui.cli.home import HomeOption, resolve_home
from tui.cli.market.options import AccountOption, MarketOption, NameArgument
from tui.cli.market.place import open_market

if TYPE_CHECKING:
    from marketplace.protocol import MarketLike

FetchOption = Annotated[
    bool, typer.Option("--fetch/--no-fetch", help="Bring the layer into the home's library.")
]


def fetch(
    name: NameArgument,
    account: AccountOption = "me",
    home: HomeOption = None,
    market: MarketOption = None,
) -> None:
    """Bring a layer you may use into the home's library."""
    with open_market(home, market, account) as place:
        if not bring(place, home, place.listing(name).digest, name):
            print(f"{name} is in the library already")


def bring(place: MarketLike, home: Path | None, digest: str, name: str) -> bool:
    """Fetch a layer from a service, and say what can be done with it; False = nothing to fetch."""
    from marketplace.client.remote import RemoteMarket

    if not isinstance(place, RemoteMarket):
        return False
    from tui.jobs.delivery import fetch as carry

    if not carry(place, resolve_home(home), name, digest):
        return False
    print(f"its files are in the library; to use it: continuum persona create NAME --layer {name}")
    return True
