"""`continuum academy exam`: how often a persona is right on questions nothing was chosen by."""

from __future__ import annotations

from typing import Annotated

import typer

from tui.cli.academy.entrants import (
    BASE_NAME,
    BaseOption,
    check_count,
    load_entrant,
    load_evaluator,
)
from tui.cli.errors import OptionError
from tui.cli.home import HomeOption
from tui.cli.tables import percent, print_table

MAX_ITEMS = 500
"""Sums and sequences have about 600 different test questions; more would be repeats."""


def exam(
    persona: Annotated[
        str, typer.Argument(help="A persona of the home, or the path of a layer folder.")
    ],
    skills: Annotated[
        list[str] | None, typer.Option("--skill", "-s", help="A built-in skill; repeat for more.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="All built-in skills.")] = False,
    items: Annotated[int, typer.Option(help="Questions per skill.")] = 200,
    base: BaseOption = None,
    home: HomeOption = None,
) -> None:
    """Examine a persona beside its base on the test split; every exam asks the same questions."""
    from academy.exam import exam_sheet, sit_exam

    names = _skill_names(skills or [], every)
    check_count("--items", items, most=MAX_ITEMS)
    evaluator = load_evaluator(base)
    entrants = [load_entrant(name, home, evaluator) for name in (persona, BASE_NAME)]
    results = [
        sit_exam(evaluator, [entrant.genome for entrant in entrants], exam_sheet(name, items))
        for name in names
    ]
    rows = [
        (name, *(cell for r in pair for cell in (percent(r.accuracy), _interval(r.interval))))
        for name, pair in zip(names, results, strict=True)
    ]
    if len(names) > 1:
        means = [sum(pair[i].accuracy for pair in results) / len(results) for i in (0, 1)]
        rows.append(("mean", percent(means[0]), "", percent(means[1]), ""))
    print_table(
        f"exam of {entrants[0].name}: {items} test questions per skill",
        ("skill", "accuracy", "95 % interval", "base", "95 % interval"),
        rows,
    )


def _skill_names(skills: list[str], every: bool) -> list[str]:
    """What is examined.

    Raises:
        OptionError: Neither --skill nor --all is given, or both are.
        UnknownSkillError: There is no such skill.
    """
    from academy.skills import SKILL_NAMES, skill_named

    if bool(skills) == every:
        raise OptionError("say what to examine: use --skill NAME (once or more), or --all")
    return [skill_named(name).name for name in dict.fromkeys(skills)] or list(SKILL_NAMES)


def _interval(bounds: tuple[float, float]) -> str:
    low, high = bounds
    return f"{100 * low:.1f} to {100 * high:.1f} %"
