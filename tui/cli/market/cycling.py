"""`continuum market cycle`: whether species follow demand, with and without the market's word."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tui.cli.quiet import quiet_libraries
from tui.cli.tables import percent, print_table
from tui.printing import say


def cycle(
    out: Annotated[Path, typer.Option(help="Folder; what is finished there is not run again.")],
    epochs: Annotated[int, typer.Option(help="Market epochs.")] = 12,
    shift: Annotated[int, typer.Option(help="First epoch with the other demand mix.")] = 6,
    tokens: Annotated[int, typer.Option(help="Most token-equivalents of an epoch.")] = 300_000,
    items: Annotated[int, typer.Option(help="Customers' questions in an epoch.")] = 240,
    swapped: Annotated[bool, typer.Option(help="The two demand mixes in the other order.")] = False,
    seed: int = 1,
) -> None:
    """Demand, Academy, publishing and sales, epoch after epoch, beside two controls without it."""
    from economy.cycle.run import run_cycle, summary
    from economy.cycle.scenario import CycleSettings

    settings = CycleSettings(
        epochs=epochs, shift=shift, tokens=tokens, questions=items, swapped=swapped, seed=seed
    )
    quiet_libraries()
    found = run_cycle(settings, out, print)
    rows = [
        (
            link, percent(said["before"]), percent(said["after"]),
            "never" if said["epochs_to_95_percent"] is None else str(said["epochs_to_95_percent"]),
        )
        for link, said in summary(settings, found)["recovery"].items()
    ]  # fmt: skip
    columns = ("link", "served before", "best in 5 epochs", "epochs to 95 %")
    print_table("demand that the Academy hears", columns, rows)
    say(f"figure: {out / 'cycle.svg'}, numbers: {out / 'cycle.json'}")
