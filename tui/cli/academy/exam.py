"""`continuum academy exam`: how often a persona is right on questions nothing was chosen by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from tui.cli.academy.entrants import (
    BASE_NAME,
    Entrant,
    check_count,
    load_entrant,
    load_evaluator,
)
from tui.cli.academy.questions import (
    SOURCE_HELP,
    check_skills,
    print_one_answer,
    source_of_skills,
)
from tui.cli.errors import OptionError
from tui.cli.home import BaseOption, HomeOption, MemoryOption
from tui.cli.tables import percent, print_table
from tui.printing import say

if TYPE_CHECKING:
    from academy.challenge import Challenge
    from academy.evaluator import LocalEvaluator
    from academy.exam import ExamResult
    from academy.sources.source import ChallengeSource
    from genome.genome import Genome

MAX_ITEMS = 500
"""Sums and sequences have about 600 different test questions; more would be repeats."""


@dataclass(frozen=True)
class _Row:
    """One skill's exam: the persona's result, then the base's."""

    skill: str
    results: Sequence[ExamResult]
    credit: Sequence[float] | None
    """Mean partial credit of both; None where the source gives none."""

    @property
    def n_questions(self) -> int:
        return self.results[0].n_questions


def exam(
    persona: Annotated[
        str, typer.Argument(help="A persona of the home, or the path of a layer folder.")
    ],
    skills: Annotated[
        list[str] | None,
        typer.Option(
            "--skill", "-s", help="Repeat for more.", show_default="those of its receipts"
        ),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="All skills of the source.")] = False,
    source: Annotated[
        str | None,
        typer.Option(help=SOURCE_HELP, show_default="builtin, or what the home's run asks"),
    ] = None,
    items: Annotated[int, typer.Option(help="Questions per skill.")] = 200,
    base: BaseOption = None,
    home: HomeOption = None,
    _memory: MemoryOption = None,
) -> None:
    """Examine a persona beside its base on the test split; every exam asks the same questions."""
    from academy.evolution.fitting import FittingSource
    from academy.exam import source_sheet
    from academy.sources.opening import open_source

    check_count("--items", items, most=MAX_ITEMS)
    if skills and every:
        raise OptionError("--all and --skill exclude each other: use --skill NAME, or --all")
    opened = open_source(source or "builtin") if source or every else None
    names = tuple(dict.fromkeys(skills or ()))
    if opened or names:
        opened = opened or source_of_skills(names, home)
        check_skills(opened, names)
    evaluator = load_evaluator(base, home, (persona,))
    entrants = [load_entrant(name, home, evaluator) for name in (persona, BASE_NAME)]
    if not names and not every:
        names = _of_receipts(entrants[0])
        opened = opened or source_of_skills(names, home)
        names = _asked_by(opened, names, entrants[0].name)
    assert opened is not None
    genomes = [entrant.genome for entrant in entrants]
    asked = FittingSource(opened, evaluator.base)
    sheets = {name: source_sheet(asked, name, items) for name in names or opened.skills}
    for line in asked.left_out():
        say(line)
    rows = [_sit(evaluator, genomes, asked, name, sheet) for name, sheet in sheets.items()]
    _print_rows(f"exam of {entrants[0].name}: {items} test questions per skill", rows, items)
    if evaluator.failures:
        say(
            f"{evaluator.failures} answers could not be scored and count as wrong "
            f"({evaluator.failed.last})"
        )


def _of_receipts(entrant: Entrant) -> tuple[str, ...]:
    """The skills that its receipts are about.

    Raises:
        OptionError: It has none.
    """
    if not entrant.receipts:
        raise OptionError(
            f"no receipt says what {entrant.name} can do: use --skill NAME (once or more), or --all"
        )
    return entrant.receipts


def _asked_by(source: ChallengeSource, names: Sequence[str], who: str) -> tuple[str, ...]:
    """Those skills that a source asks; the others are named.

    Raises:
        OptionError: It asks none of them.
    """
    asked = tuple(name for name in names if name in source.skills)
    if not asked:
        raise OptionError(
            f"{who} has receipts for {', '.join(names)}, which {source.name} does not ask: use "
            "--skill NAME for one of its own"
        )
    if left_out := [name for name in names if name not in asked]:
        say(f"not asked, for {source.name} has no such skill: {', '.join(left_out)}")
    return asked


def _sit(
    evaluator: LocalEvaluator,
    genomes: Sequence[Genome],
    source: ChallengeSource,
    skill: str,
    sheet: Sequence[Challenge],
) -> _Row:
    from academy.exam import partial_credit, sit_exam

    print_one_answer(sheet)
    return _Row(
        skill,
        sit_exam(evaluator, genomes, sheet),
        partial_credit(evaluator, genomes, source, sheet),
    )


def _print_rows(title: str, rows: Sequence[_Row], n: int) -> None:
    """A row a skill, and their mean; partial credit in columns of its own."""
    credited = any(row.credit for row in rows)
    cells = [
        (
            row.skill,
            *(cell for r in row.results for cell in (percent(r.accuracy), _interval(r.interval))),
            *(percent(share) for share in (row.credit or ()) if credited),
        )
        for row in rows
    ]
    if len(rows) > 1:
        means = [sum(row.results[i].accuracy for row in rows) / len(rows) for i in (0, 1)]
        cells.append(("mean", percent(means[0]), "", percent(means[1]), "", *("", "") * credited))
    columns = ("skill", "accuracy", "95 % interval", "base", "95 % interval")
    print_table(title, (*columns, *("partial credit", "base's") * credited), cells)
    for row in rows:
        if row.n_questions < n:
            say(f"{row.skill}: {row.n_questions} questions, it has no more")
    if credited:
        say("partial credit is the dataset's own, for answers that are nearly right")


def _interval(bounds: tuple[float, float]) -> str:
    low, high = bounds
    return f"{100 * low:.1f} to {100 * high:.1f} %"
