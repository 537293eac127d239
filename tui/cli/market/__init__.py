"""`continuum market`: publish, try, buy and audit layers, at home or on a service.

Every command takes `--market URL`; see `tui.cli.market.place` for what it may be.
"""

from __future__ import annotations

import typer

from tui.cli.market import (
    accounts,
    books,
    bounties,
    bundles,
    buying,
    carrying,
    catalogue,
    governing,
    hosting,
    judging,
    mandates,
    offers,
    selling,
)
from tui.cli.market.accounts import owed, royalties
from tui.cli.market.buying import subscribe, subscriptions
from tui.cli.market.catalogue import demand
from tui.cli.market.governing import cycle
from tui.cli.market.judging import trials, try_layer

app = typer.Typer(no_args_is_help=True)

AMOUNT_FIRST = (books.fund, subscribe)
MINUS_IS_NO_OPTION = {"ignore_unknown_options": True}
"""For them: -1 is an amount, which is refused as one."""
LOOK, BUY, SELL, ACCOUNTS, JUDGE, RUN = (
    "Look around",
    "Pay and use",
    "Sell",
    "Accounts and credits",
    "Check and judge",
    "Run a market",
)

app.command("list", rich_help_panel=LOOK)(catalogue.list_listings)
app.command("open", rich_help_panel=ACCOUNTS)(accounts.open_account)
app.command("try", rich_help_panel=BUY)(try_layer)
for panel, commands in {
    LOOK: (catalogue.search, catalogue.show, catalogue.quote, demand),
    BUY: (
        buying.buy,
        buying.rent,
        buying.use,
        buying.review,
        carrying.fetch,
        trials,
        subscribe,
        subscriptions,
    ),
    SELL: (
        selling.publish,
        selling.version,
        selling.terms,
        selling.withdraw,
        selling.relist,
        royalties,
    ),
    ACCOUNTS: (accounts.keys, books.fund, books.wallet, books.refund, owed),
    JUDGE: (
        judging.recheck,
        judging.quarantine,
        judging.release,
        judging.revoke,
        carrying.revocations,
        books.head,
        books.verify,
    ),
    RUN: (
        hosting.serve,
        hosting.migrate,
        hosting.move,
        governing.vouch,
        governing.appoint,
        governing.sweep,
        governing.simulate,
        cycle,
    ),
}.items():
    for command in commands:
        settings = MINUS_IS_NO_OPTION if command in AMOUNT_FIRST else None
        app.command(rich_help_panel=panel, context_settings=settings)(command)
for name, panel, group in (
    ("bundle", BUY, bundles.app),
    ("compute", BUY, offers.app),
    ("bounty", BUY, bounties.app),
    ("mandate", ACCOUNTS, mandates.app),
    ("epoch", RUN, governing.epochs),
):
    app.add_typer(group, name=name, rich_help_panel=panel)
