"""`continuum market demand`: what users want, as the file that `academy run` reads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from tui.cli.errors import OptionError
from tui.cli.home import HomeOption
from tui.cli.market.moments import exact
from tui.cli.market.options import MarketOption
from tui.cli.market.place import open_market
from tui.cli.tables import percent, print_table
from tui.printing import say

DAY_S = 86_400.0


def demand(
    out: Annotated[
        Path | None, typer.Option(help="Write it as JSON for the Academy's `demand` setting.")
    ] = None,
    days: Annotated[int, typer.Option(min=1, help="How far to look back.")] = 30,
    known: Annotated[
        bool, typer.Option("--known", help="Only built-in skills, which the Academy can teach.")
    ] = False,
    home: HomeOption = None,
    market: MarketOption = None,
) -> None:
    """What users want per skill: paid use, bounties, and searches in vain."""
    import time

    if out is not None and out.suffix != ".json":
        raise OptionError(f"--out is {out}: name a file that ends in .json")
    with open_market(home, market) as place:
        found = place.demand(since=time.time() - days * DAY_S)
    if known:
        from academy.skills import SKILL_NAMES

        found = [x for x in found if x.skill in SKILL_NAMES]
    weights = {x.skill: x.weight for x in found if x.weight > 0}
    if out is not None and not weights:
        raise OptionError(
            f"nobody wanted anything in the last {days} days: nothing to write, use even demand"
        )
    print_table(
        f"demand of the last {days} days",
        ("skill", "share", "paid", "in vain", "bounties", "searches in vain"),
        [
            (x.skill, percent(x.weight), exact(x.paid_nanos), exact(x.vain_nanos),
             exact(x.bounty_nanos), str(x.n_misses))
            for x in found
        ],
    )  # fmt: skip
    if out is None:
        return
    out.write_text(json.dumps(weights, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    say(f"written to {out}: use it as `demand` in the Academy's configuration")
