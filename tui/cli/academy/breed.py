"""`continuum academy breed`: a person picks parents and traits."""

from __future__ import annotations

from typing import Annotated

import typer

from tui.cli.academy.entrants import check_count, load_entrant, load_evaluator
from tui.cli.academy.questions import BY_BASE, SOURCE_HELP, open_for
from tui.cli.errors import OptionError
from tui.cli.home import BaseOption, HomeOption, MemoryOption, resolve_home
from tui.cli.tables import percent, print_table
from tui.printing import say


def breed(
    parents: Annotated[list[str], typer.Argument(help="Two or more personas.")],
    traits: Annotated[str, typer.Option(help='For example "sort from ada, reverse from bob".')],
    name: Annotated[str, typer.Option(help="The child's name.")],
    items: Annotated[int, typer.Option(help="Select questions per trait.")] = 100,
    source: Annotated[str | None, typer.Option(help=SOURCE_HELP, show_default=BY_BASE)] = None,
    seed: Annotated[int, typer.Option(min=0)] = 1,
    base: BaseOption = None,
    home: HomeOption = None,
    _memory: MemoryOption = None,
) -> None:
    """Make children of chosen parents for chosen traits, compare them, keep the best."""
    check_count("--items", items, most=2000)
    if len(set(parents)) < 2:
        raise OptionError("breeding takes two or more different parents: name them all")
    from tui.jobs.breed import breed as make

    evaluator = load_evaluator(base, home, parents)
    entrants = [load_entrant(parent, home, evaluator) for parent in parents]
    bred = make(
        evaluator,
        open_for(source, evaluator.base),
        [(e.name, e.genome) for e in entrants],
        traits,
        n_questions=items,
        home=resolve_home(home),
        name=name,
        seed=seed,
    )
    print_table(
        f"children beside {', '.join(parents)}",
        ("child", "trait", "accuracy", "95 %", *parents, "beside the best parent"),
        [
            (
                row.child,
                row.skill,
                percent(row.accuracy),
                f"{100 * row.interval[0]:.0f}-{100 * row.interval[1]:.0f}",
                *(percent(x) for x in row.parents),
                row.verdict,
            )
            for row in bred.rows
        ],
    )
    say("", f"kept {bred.saved} as persona {name}")
