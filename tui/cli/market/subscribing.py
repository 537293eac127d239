"""`continuum market subscribe | subscriptions`: one fee, shared by what you really use."""

from __future__ import annotations

from typing import Annotated

import typer

from tui.cli.amounts import nanos_of
from tui.cli.home import HomeOption
from tui.cli.market.moments import moment
from tui.cli.market.options import AccountOption, KeyOption, MarketOption, key_or_new
from tui.cli.market.place import open_market
from tui.cli.tables import credit_text, print_table
from tui.printing import say


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
            (str(x.subscription), x.state, credit_text(x.fee_nanos), moment(x.ends_at),
             ", ".join(f"{name} {units}" for name, units in x.units))
            for x in place.subscriptions(account)
        ]  # fmt: skip
    columns = ("subscription", "state", "credits", "ends", "units used")
    print_table(f"subscriptions of {account}", columns, rows)
