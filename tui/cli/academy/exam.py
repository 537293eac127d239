"""`continuum academy exam`: how often a persona is right on questions nothing was chosen by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
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
    MapOption,
    RuleOption,
    check_skills,
    open_for,
    open_shown,
    print_one_answer,
    source_of_skills,
    with_columns,
)
from tui.cli.errors import OptionError
from tui.cli.home import BaseOption, HomeOption, MemoryOption
from tui.cli.tables import percent, print_table
from tui.printing import say

if TYPE_CHECKING:
    from academy.evaluator import LocalEvaluator
    from academy.exam import Answered, ExamResult, Terms
    from academy.sources.source import ChallengeSource
    from genome.genome import Genome

MAX_ITEMS = 500
"""Sums and sequences have about 600 different test questions; more would be repeats."""
MAX_SHOTS = 64
MAX_TOKENS = 4096


FEW = 4
"""Examples that the base is shown where it stands beside the others as a few-shot base."""


@dataclass(frozen=True)
class _Row:
    """One skill's exam: the persona's result, then the base's."""

    skill: str
    rule: str
    results: Sequence[ExamResult]
    few_shot: tuple[ExamResult, int] | None
    """The base's result after some examples, and after how many; None = not asked, or no room."""
    credit: Sequence[float] | None
    """Mean partial credit of both; None where the source gives none."""
    digest: str

    @property
    def n_questions(self) -> int:
        return self.results[0].n_questions


@dataclass(frozen=True)
class _Setup:
    """How an exam is held, alike for every skill."""

    evaluator: LocalEvaluator
    genomes: Sequence[Genome]
    source: ChallengeSource
    terms: Terms
    items: int
    few: int
    show: bool


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
        typer.Option(help=SOURCE_HELP, show_default="who asks its skills"),
    ] = None,
    columns: MapOption = None,
    rule: RuleOption = None,
    items: Annotated[int, typer.Option(help="Questions per skill.")] = 200,
    system: Annotated[str, typer.Option(help="A system prompt, for all who sit it.")] = "",
    shots: Annotated[
        int, typer.Option(help="Train questions with answers before each, for all who sit it.")
    ] = 0,
    few_shot: Annotated[
        int, typer.Option("--few-shot", help="Examples for the few-shot base beside it; 0 = none.")
    ] = FEW,
    max_tokens: Annotated[
        int | None,
        typer.Option(help="Longest written answer, for all.", show_default="64, code 256"),
    ] = None,
    judge: Annotated[
        str | None, typer.Option(help="Who judges answers by the rule judge: as PERSONA, or base.")
    ] = None,
    show: Annotated[
        bool, typer.Option("--show-answers", help="What was asked, said and expected, and why.")
    ] = False,
    base: BaseOption = None,
    home: HomeOption = None,
    _memory: MemoryOption = None,
) -> None:
    """Examine a persona beside its base on the test split; every exam asks the same questions."""
    from academy.exam import Terms
    from academy.scoring.judge import Judge

    check_count("--items", items, most=MAX_ITEMS)
    for option, value in (("--shots", shots), ("--few-shot", few_shot)):
        check_count(option, value, least=0, most=MAX_SHOTS)
    check_count("--max-tokens", 1 if max_tokens is None else max_tokens, most=MAX_TOKENS)
    if skills and every:
        raise OptionError("--all and --skill exclude each other: use --skill NAME, or --all")
    source = with_columns(source, columns, rule)
    opened = open_shown(source) if source else None
    names = tuple(dict.fromkeys(skills or ()))
    if names:
        opened = opened or source_of_skills(names, home)
        check_skills(opened, names)
    evaluator = load_evaluator(base, home, (persona,))
    if every:
        opened = opened or open_for(None, evaluator.base)
    entrants = [load_entrant(name, home, evaluator) for name in (persona, BASE_NAME)]
    if not names and not every:
        names = _of_receipts(entrants[0])
        opened = opened or source_of_skills(names, home)
        names = _asked_by(opened, names, entrants[0].name)
    assert opened is not None
    if judge is not None:
        genome = load_entrant(judge, home, evaluator).genome
        score = Judge(evaluator.base, genome, evaluator.tokens).score
        evaluator = replace(evaluator, scorers={**evaluator.scorers, "judge": score})
    if system and not evaluator.base.has_system_role:
        say("the base has no system role: the system prompt stands before the first question")
    setup = _Setup(
        evaluator,
        [entrant.genome for entrant in entrants],
        opened,
        Terms(system, shots, max_tokens),
        items,
        few_shot if shots == 0 else 0,
        show,
    )
    rows = [_sit(setup, name) for name in names or opened.skills]
    _print_few_shot(rows, setup.few)
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


def _sit(setup: _Setup, skill: str) -> _Row:
    from academy.evolution.fitting import FittingSource, check_fit
    from academy.exam import (
        answers,
        exam_digest,
        few_shot_base,
        partial_credit,
        sit_exam,
        source_sheet,
    )
    from academy.scoring.rule import rules_text

    evaluator = setup.terms.evaluator(setup.evaluator, setup.source, skill)
    asked = FittingSource(setup.source, evaluator.base)
    sheet = source_sheet(asked, skill, setup.items)
    say(*asked.left_out())
    check_fit(evaluator.base, sheet)
    print_one_answer(sheet)
    results = sit_exam(evaluator, setup.genomes, sheet)
    if setup.show:
        _print_answers(skill, answers(evaluator, setup.genomes[0], sheet))
    return _Row(
        skill,
        rules_text(sheet),
        results,
        few_shot_base(setup.evaluator, setup.terms, setup.source, sheet, setup.few),
        partial_credit(evaluator, setup.genomes, asked, sheet),
        exam_digest(evaluator, sheet),
    )


def _print_answers(skill: str, answered: Sequence[Answered]) -> None:
    for number, one in enumerate(answered, 1):
        verdict = {0.0: "wrong", 1.0: "right"}.get(one.worth, f"worth {one.worth:g}")
        say(
            f"{skill} {number}: {verdict}, for {one.reason}",
            f"  asked:    {one.challenge.prompt}",
            f"  said:     {one.said}",
            f"  expected: {one.challenge.answer or ' and '.join(one.challenge.tests)}",
        )


def _print_rows(title: str, rows: Sequence[_Row], n: int) -> None:
    """A row a skill, and their mean; partial credit in columns of its own."""
    credited = any(row.credit for row in rows)
    few = any(row.few_shot for row in rows)
    cells = [
        (
            row.skill,
            row.rule,
            *(cell for r in row.results for cell in (percent(r.accuracy), _interval(r.interval))),
            *([percent(row.few_shot[0].accuracy) if row.few_shot else ""] * few),
            *(percent(share) for share in (row.credit or ()) if credited),
            row.digest,
        )
        for row in rows
    ]
    if len(rows) > 1:
        means = [sum(row.results[i].accuracy for row in rows) / len(rows) for i in (0, 1)]
        shown = [row.few_shot[0].accuracy for row in rows if row.few_shot]
        mean_few = percent(sum(shown) / len(shown)) if len(shown) == len(rows) else ""
        both = (percent(means[0]), "", percent(means[1]), "")
        cells.append(("mean", "", *both, *[mean_few] * few, *("", "") * credited, ""))
    columns = ("skill", "rule", "accuracy", "95 % interval", "base", "95 % interval")
    more = (*["few-shot base"] * few, *("partial credit", "base's") * credited, "exam")
    print_table(title, (*columns, *more), cells)
    for row in rows:
        if row.n_questions < n:
            say(f"{row.skill}: {row.n_questions} questions, it has no more")
    if credited:
        say("partial credit is the dataset's own, for answers that are nearly right")


def _print_few_shot(rows: Sequence[_Row], few: int) -> None:
    """What the few-shot base was shown, where that is less than was asked for."""
    shown = {row.skill: row.few_shot[1] if row.few_shot else 0 for row in rows}
    if fewer := [f"{skill} {n}" for skill, n in shown.items() if n < few]:
        say(
            f"the few-shot base was shown fewer than {few} examples where no more fit, or there "
            f"are no more: {', '.join(fewer)}"
        )


def _interval(bounds: tuple[float, float]) -> str:
    low, high = bounds
    return f"{100 * low:.1f} to {100 * high:.1f} %"
