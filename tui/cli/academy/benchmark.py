"""`continuum academy benchmark`: every method, equal tokens, one table, four claims."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tui.cli.errors import OptionError
from tui.cli.home import BaseOption, HomeOption, MemoryOption, resolve_home
from tui.cli.tables import percent, print_table
from tui.printing import quiet_libraries, say

MARKS = {True: "holds", False: "not shown", None: "not run"}


def benchmark(
    tier: Annotated[str, typer.Option(help="smoke, standard or full.")] = "smoke",
    seeds: Annotated[str, typer.Option(help="How many (10), or a range (3-7).")] = "10",
    methods: Annotated[
        str, typer.Option(help="Comma-separated; or main, ablations, all.")
    ] = "main",
    track: Annotated[str, typer.Option(help="A, B or AB.")] = "AB",
    out: Annotated[
        Path | None, typer.Option(help="Folder; what is finished there is not run again.")
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Processes, one thread each.")] = 1,
    table: Annotated[
        bool, typer.Option(help="Open the test split and print the table at the end.")
    ] = True,
    base: BaseOption = None,
    _memory: MemoryOption = None,
    home: HomeOption = None,
) -> None:
    """Compare the Academy with its peers and controls."""
    from academy.benchmark.cells import ablations, cells, main_methods
    from academy.benchmark.tracks import TRACKS, tier_named
    from seeds.bases import load_base
    from tui.jobs.benchmark import conclude, run_cells

    quiet_libraries()
    chosen = tier_named(tier)
    groups = {"main": main_methods(), "ablations": ablations()}
    groups["all"] = [*groups["main"], *groups["ablations"]]
    names = [
        name for part in methods.split(",") for name in groups.get(part.strip(), [part.strip()])
    ]
    tracks = [t for t in TRACKS if t in track.upper()]
    if not tracks or set(track.upper()) - set(TRACKS):
        raise OptionError(f"there is no track {track!r}: choose A, B or AB")
    folder = out or Path(f"benchmark-{tier}")
    todo = cells(list(dict.fromkeys(names)), _seeds(seeds), tracks)
    model = Path(load_base(resolve_home(home), base).path)
    try:
        run_cells(chosen, todo, folder, jobs, lambda line: say(line), model)
    except KeyboardInterrupt:
        say("stopped; the same command goes on from here", err=True)
        raise typer.Exit(130) from None
    if not table:
        return
    rows, found = conclude(chosen, folder, lambda _: None, model)
    for one in tracks:
        print_table(
            f"track {one}",
            ("method", "IQM", "95 %", "mean", "worst", "covered", "AUC", "gap", "tokens", "seeds"),
            [
                (
                    r.method,
                    percent(r.iqm),
                    f"{100 * r.interval[0]:.1f}-{100 * r.interval[1]:.1f}",
                    percent(r.mean),
                    percent(r.worst),
                    percent(r.covered),
                    "" if r.anytime is None else percent(r.anytime),
                    f"{100 * r.gap:+.1f}",
                    f"{r.tokens:,.0f}",
                    str(r.seeds),
                )
                for r in rows
                if r.track == one
            ],
        )
    for claim in found:
        say(f"{MARKS[claim.holds]:<10} {claim.text}: {claim.reason}")
    say("", f"figures and raw results in {folder}")


def _seeds(text: str) -> list[int]:
    """`10` is seeds 1 to 10, `3-7` seeds 3 to 7."""
    first, dash, last = text.partition("-")
    try:
        low, high = (int(first), int(last)) if dash else (1, int(first))
    except ValueError:
        low, high = 1, 0
    if not 0 <= low <= high:
        raise OptionError(f"{text!r} are no seeds: write 10 for seeds 1 to 10, or 3-7")
    return list(range(low, high + 1))
