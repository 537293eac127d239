"""`continuum market recheck | quarantine | release | revoke`: checking what is claimed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tui.cli.home import BaseOption, HomeOption, resolve_home
from tui.cli.market.options import (
    AccountOption,
    KeyOption,
    LayersOption,
    MarketOption,
    NameArgument,
    key_or_new,
)
from tui.cli.market.place import open_market
from tui.cli.quiet import quiet_libraries
from tui.cli.tables import percent
from tui.printing import say

ReasonOption = Annotated[str, typer.Option(help="One line: what was found.")]


def recheck(
    name: NameArgument,
    receipt: Annotated[
        int | None, typer.Option(help="Its number.", show_default="the headline exam")
    ] = None,
    fresh: Annotated[
        bool,
        typer.Option("--fresh", help="Ask other questions, which its maker cannot have known."),
    ] = False,
    base: BaseOption = None,
    layers: LayersOption = None,
    account: AccountOption = "me",
    key: KeyOption = None,
    home: HomeOption = None,
    market: MarketOption = None,
) -> None:
    """Sit a listing's stated exam again, on the very same or on fresh questions, and file it.

    For who may use the layer (a day's rent is enough) and, without paying, for evaluators.
    """
    from economy.recheck import recheck_listing

    quiet_libraries()
    with open_market(home, market, account) as place:
        done = recheck_listing(
            place, resolve_home(home), name, receipt=receipt, fresh=fresh, by=account,
            base=base, layers=layers, key=key_or_new(key, "recheck"),
        )  # fmt: skip
    say(
        f"{name}: {percent(done.n_correct / done.n_questions)} of {done.n_questions} questions, "
        f"base {percent(done.n_base_correct / done.n_questions)}: {done.reason}"
    )
    if not done.passed:
        say("the claim did not hold" + ("" if done.binding else "; an evaluator should re-run it"))
        raise typer.Exit(1)


def quarantine(
    name: NameArgument,
    reason: ReasonOption,
    account: AccountOption = "platform",
    key: KeyOption = None,
    home: HomeOption = None,
    market: MarketOption = None,
) -> None:
    """Stop sale and use of a layer until it is judged; for evaluators."""
    _change("quarantine", name, reason, account, key, home, market)


def release(
    name: NameArgument,
    reason: ReasonOption,
    account: AccountOption = "platform",
    key: KeyOption = None,
    home: HomeOption = None,
    market: MarketOption = None,
) -> None:
    """Let a quarantined layer be sold and used again; for evaluators."""
    _change("release", name, reason, account, key, home, market)


def revoke(
    name: NameArgument,
    reason: ReasonOption,
    account: AccountOption = "platform",
    key: KeyOption = None,
    home: HomeOption = None,
    market: MarketOption = None,
) -> None:
    """Stop sale and use of a layer for good; for evaluators, who have buyers paid back.

    For its owner as long as nobody has paid for it: `withdraw` stops sales alone.
    """
    _change("revoke", name, reason, account, key, home, market)


def _change(
    deed: str,
    name: str,
    reason: str,
    account: str,
    key: str | None,
    home: Path | None,
    market: str | None,
) -> None:
    from economy.revocations import refresh

    with open_market(home, market, account) as place:
        change = {
            "quarantine": place.quarantine, "release": place.release, "revoke": place.revoke,
        }[deed]  # fmt: skip
        view = change(listing=name, by=account, reason=reason, key=key_or_new(key, deed))
        if deed == "revoke":
            refresh(place, resolve_home(home))
    say(f"{view.name} version {view.version} is {view.status}")
