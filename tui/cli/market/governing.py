"""`continuum market epoch | vouch | appoint | sweep | simulate`: what an operator does.

`continuum market cycle`: whether species follow demand, with and without the market's word.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tui.cli.home import BaseOption, HomeOption, MemoryOption, resolve_home
from tui.cli.market.place import Here, in_market, open_database, open_market
from tui.cli.tables import percent, print_table
from tui.printing import quiet_libraries, say

epochs = typer.Typer(help="Prices move when an epoch closes.", no_args_is_help=True)
AccountArgument = Annotated[str, typer.Argument(help="The account.")]


@epochs.command()
@in_market(account=None, key=True)
def close(
    here: Here,
    number: Annotated[
        int | None, typer.Option(help="Only if this one is running.", show_default="whichever")
    ] = None,
    operator: Annotated[str, typer.Option(help="On a service: whose key signs.")] = "operator",
) -> None:
    """Let demand move every price, and open the next epoch."""
    with open_market(here.home, here.market, operator) as place:
        place.close_epoch(number, key=here.key)
    say("the epoch is closed: prices have moved")


@in_market(account=None, key=True)
def vouch(
    here: Here,
    account: AccountArgument,
    withdraw: Annotated[bool, typer.Option("--withdraw", help="No longer.")] = False,
) -> None:
    """Trust an account: trust spreads from here along paid use and decides whose word counts."""
    with open_database(here.home, here.market) as place:
        place.vouch(account, key=here.key_or_new("vouch"), vouched=not withdraw)
    say(f"{account} is {'no longer ' if withdraw else ''}vouched for, from the next epoch on")


@in_market(account=None, key=True)
def appoint(here: Here, account: AccountArgument) -> None:
    """Make an account an evaluator: its re-runs and verdicts bind."""
    with open_database(here.home, here.market) as place:
        place.appoint_evaluator(account, key=here.key_or_new("appoint"))
    say(f"{account} is an evaluator")


@in_market(account=None)
def sweep(here: Here) -> None:
    """Settle meters and subscriptions that are over, release unclaimed holds, collect debts."""
    with open_database(here.home, here.market) as place:
        done = place.sweep()
    say(
        f"{len(done.meters)} meters and {len(done.subscriptions)} subscriptions settled, "
        f"{len(done.expired)} holds released, {len(done.repaid)} payments given back"
    )
    if done.problems:
        say(*done.problems)
        raise typer.Exit(1)


def simulate(
    out: Annotated[Path, typer.Option(help="Folder for tables, summary and picture.")],
    months: Annotated[int, typer.Option(min=1)] = 6,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    attack: Annotated[
        list[str] | None,
        typer.Option(help="wash, sybil, clone or whitewash.", show_default="all"),
    ] = None,
    honest: Annotated[bool, typer.Option("--honest", help="Without any attack.")] = False,
) -> None:
    """Play months of a market economy in seconds: prices, reputation, concentration, attacks."""
    from economy.simulator.attacks import run_simulation
    from economy.simulator.settings import ATTACKS

    attacks = () if honest else tuple(attack or ATTACKS)
    done = run_simulation(out, months=months, seed=seed, attacks=attacks)
    say(*done.lines())
    say(*(f"wrote {file}" for file in done.files))


def cycle(
    out: Annotated[Path, typer.Option(help="Folder; what is finished there is not run again.")],
    epochs: Annotated[int, typer.Option(help="Market epochs.")] = 12,
    shift: Annotated[int, typer.Option(help="First epoch with the other demand mix.")] = 6,
    tokens: Annotated[int, typer.Option(help="Most token-equivalents of an epoch.")] = 300_000,
    items: Annotated[int, typer.Option(help="Customers' questions in an epoch.")] = 240,
    swapped: Annotated[bool, typer.Option(help="The two demand mixes in the other order.")] = False,
    seed: int = 1,
    base: BaseOption = None,
    home: HomeOption = None,
    _memory: MemoryOption = None,
) -> None:
    """Demand, Academy, publishing and sales, epoch after epoch, beside two controls without it."""
    from economy.cycle.run import run_cycle, summary
    from economy.cycle.scenario import CycleSettings
    from seeds.bases import load_base

    settings = CycleSettings(
        epochs=epochs, shift=shift, tokens=tokens, questions=items, swapped=swapped, seed=seed
    )
    quiet_libraries()
    model = load_base(resolve_home(home), base)
    found = run_cycle(settings, model, out, print)
    rows = [
        (
            link,
            percent(said["before"]),
            percent(said["after"]),
            "never" if said["epochs_to_95_percent"] is None else str(said["epochs_to_95_percent"]),
        )
        for link, said in summary(settings, found)["recovery"].items()
    ]
    columns = ("link", "served before", "best in 5 epochs", "epochs to 95 %")
    print_table("demand that the Academy hears", columns, rows)
    say(f"figure: {out / 'cycle.svg'}, numbers: {out / 'cycle.json'}")
