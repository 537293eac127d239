"""`continuum market royalties | owed`: what an account earned, and what is to be paid back."""

from __future__ import annotations

from typing import Annotated

import typer

from tui.cli.amounts import nanos_of
from tui.cli.home import HomeOption
from tui.cli.market.moments import exact, moment
from tui.cli.market.options import AccountOption, MarketOption
from tui.cli.market.place import open_market
from tui.cli.tables import print_table
from tui.printing import say


def royalties(
    cost: Annotated[
        str | None,
        typer.Option(metavar="CREDITS", help="What training cost: adds ROI and recovery."),
    ] = None,
    account: AccountOption = "me",
    home: HomeOption = None,
    market: MarketOption = None,
) -> None:
    """What you earned: by selling, and as ancestor of layers that others sell."""
    from marketplace.formula.returns import Returns

    cost_nanos = None if cost is None else nanos_of(cost)
    with open_market(home, market, account) as place:
        earned = place.earnings(account)
    rows = [
        (one.listing, one.role, one.way, str(one.n_payments), exact(one.amount_nanos))
        for one in earned
    ]
    total = sum(one.amount_nanos for one in earned)
    print_table(f"earnings of {account}", ("listing", "as", "by", "payments", "earned"), rows)
    say(f"{exact(total)} in all")
    if cost_nanos is not None:
        say(*Returns(cost_nanos, total).lines())


def owed(
    account: Annotated[
        str | None, typer.Argument(help="Only by or to this account.", envvar="CONTINUUM_ACCOUNT")
    ] = None,
    collect: Annotated[
        bool, typer.Option("--collect", help="Let debtors pay what they can, as every sweep does.")
    ] = False,
    home: HomeOption = None,
    market: MarketOption = None,
) -> None:
    """What must be paid back and is not yet: sales on false claims, and of revoked layers."""
    with open_market(home, market, account) as place:
        debts = place.collect_owed(account) if collect else place.owed(account)
    rows = [
        (str(one.transfer), one.listing, one.debtor, one.creditor, exact(one.claimed_nanos),
         exact(one.paid_nanos), exact(one.owed_nanos), moment(one.at))
        for one in debts
    ]  # fmt: skip
    print_table(
        "owed", ("transfer", "listing", "by", "to", "claimed", "paid", "owed", "since"), rows
    )
    say(f"{exact(sum(one.owed_nanos for one in debts))} owed in all")
