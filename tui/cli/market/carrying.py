"""`continuum market fetch | revocations`: layers for the library, and what must not be used."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tui.cli.hints import hint
from tui.cli.home import resolve_home
from tui.cli.market.options import NameArgument, moment
from tui.cli.market.place import Here, in_market
from tui.cli.tables import print_table
from tui.printing import say

if TYPE_CHECKING:
    from marketplace.front import MarketLike

FetchOption = Annotated[
    bool, typer.Option("--fetch/--no-fetch", help="Bring the layer into the home's library.")
]


@in_market()
def fetch(here: Here, name: NameArgument) -> None:
    """Bring a layer you may use into the home's library."""
    from economy.delivery import fetch as carry

    with here.open() as place:
        if carry(place, resolve_home(here.home), name, place.listing(name).digest):
            hint(_usage(name))
        else:
            say(f"{name} is in the library already")


@in_market(account=None)
def revocations(here: Here) -> None:
    """What must no longer be used: the market's list, checked, and kept in the home."""
    from economy.revocations import refresh
    from genome.library import Library

    folder = resolve_home(here.home)
    with here.open() as place:
        listed = refresh(place, folder)
    library = Library.open(folder)
    rows = [
        (digest[:12], library.manifest(digest).name if digest in library else "-", reason)
        for digest, reason in listed.layers.items()
    ]
    rows += [(key[:12], "a key", reason) for key, reason in listed.keys.items()]
    print_table("revoked", ("layer or key", "in your library", "reason"), rows)
    say(f"list {listed.number}, good until {moment(listed.expires_at)}")


def bring(place: MarketLike, home: Path | None, digest: str, name: str) -> bool:
    """Fetch a layer from a service, and say what can be done with it; False = nothing to fetch."""
    from marketplace.client import is_remote

    if not is_remote(place):
        return False
    from economy.delivery import fetch as carry

    if not carry(place, resolve_home(home), name, digest):
        return False
    hint(_usage(name))
    return True


def _usage(name: str) -> str:
    return (
        f"its files are in the library; to use it: `continuum persona create NAME --layer {name}`"
    )
