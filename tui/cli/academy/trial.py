"""`continuum academy trial`: is A better than B, by how much, and how sure is that?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from tui.cli.academy.entrants import (
    Entrant,
    check_count,
    load_entrant,
    load_evaluator,
)
from tui.cli.academy.questions import (
    BY_BASE,
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
from tui.cli.home import BaseOption, HomeOption, MemoryOption, resolve_home
from tui.cli.tables import percent, print_facts, print_table
from tui.printing import say

if TYPE_CHECKING:
    import numpy as np

    from academy.evaluator import LocalEvaluator
    from academy.evolution.fitting import FittingSource
    from academy.trial import TrialResult

MAX_ITEMS = 100_000
SideArgument = Annotated[
    str, typer.Argument(help="A persona of the home, the path of a layer folder, or `base`.")
]


@dataclass(frozen=True)
class _Setup:
    """How a trial is held."""

    source: FittingSource
    items: int
    online: bool
    n_trials: int
    """Trials that are judged together."""


def trial(
    a: SideArgument,
    b: SideArgument,
    skills: Annotated[
        list[str] | None,
        typer.Option(
            "--skill", "-s", help="Several are several trials.", show_default="all, mixed"
        ),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(help=SOURCE_HELP, show_default=BY_BASE),
    ] = None,
    columns: MapOption = None,
    rule: RuleOption = None,
    items: Annotated[int, typer.Option(help="Questions per trial; at most, if online.")] = 400,
    online: Annotated[
        bool, typer.Option("--online", help="Stop as soon as the answer is clear.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Which questions are drawn.")] = 0,
    base: BaseOption = None,
    home: HomeOption = None,
    _memory: MemoryOption = None,
) -> None:
    """Compare two personas on the same select questions; the test split stays for exams."""
    import numpy as np

    from academy.errors import SameGenomeError
    from academy.evolution.fitting import FittingSource
    from academy.trial import judge_together
    from tui.jobs.run_report import log_trials

    check_count("--items", items, most=MAX_ITEMS)
    check_count("--seed", seed, least=0)
    named = tuple(dict.fromkeys(skills or ()))
    source = with_columns(source, columns, rule)
    opened = open_shown(source) if source else source_of_skills(named, home) if named else None
    check_skills(opened, named)
    evaluator = load_evaluator(base, home, (a, b))
    opened = opened or open_for(None, evaluator.base)
    terms = _Setup(FittingSource(opened, evaluator.base), items, online, max(1, len(named)))
    one, other = (load_entrant(name, home, evaluator) for name in (a, b))
    if one.genome.digest == other.genome.digest:
        raise SameGenomeError(one.name, other.name)
    rng = np.random.default_rng([seed, 30_000])
    if len(named) < 2:
        results = [_hold(evaluator, one, other, terms, named, rng)]
        _print_one(one, other, results[0], terms)
    else:
        results = judge_together(
            [_hold(evaluator, one, other, terms, (name,), rng) for name in named]
        )
        _print_several(one, other, named, results, terms)
    log_trials(resolve_home(home), (one.name, other.name), named, results)
    if evaluator.failures:
        say(
            f"{evaluator.failures} answers could not be scored and count as wrong "
            f"({evaluator.failed.last})"
        )


def _hold(
    evaluator: LocalEvaluator,
    one: Entrant,
    other: Entrant,
    terms: _Setup,
    skills: tuple[str, ...],
    rng: np.random.Generator,
) -> TrialResult:
    """One trial. Online, one of several has to be surer, or Holm would not believe it."""
    from academy.trial import ALPHA, draw_items, offline_trial, online_trial

    questions = draw_items(terms.source, terms.items, rng, skills=skills)
    for line in terms.source.left_out():
        say(line)
    print_one_answer(questions)
    before = evaluator.failures
    if terms.online:
        result = online_trial(
            evaluator,
            one.genome,
            other.genome,
            questions,
            max_items=terms.items,
            stop_at=ALPHA / terms.n_trials,
        )
    else:
        result = offline_trial(evaluator, one.genome, other.genome, questions, rng=rng)
    evaluator.failed.refuse_most(evaluator.failures - before, 2 * result.n_items)
    return result


def _print_one(one: Entrant, other: Entrant, result: TrialResult, terms: _Setup) -> None:
    print_facts(
        f"{one.name} (A) against {other.name} (B)",
        {
            "verdict": _verdict_text(one, other, result),
            "effect": _points(result.effect),
            "interval": f"{_interval(result)} (95 %{', always valid' if terms.online else ''})",
            "items used": _items_text(result, terms),
            "score": f"A {percent(result.mean_a)}, B {percent(result.mean_b)}; "
            f"A ahead on {result.ahead_a}, B on {result.ahead_b}",
            "p": f"{_p_text(result.p_value)} ({result.method})",
        },
    )


def _print_several(
    one: Entrant,
    other: Entrant,
    names: tuple[str, ...],
    results: list[TrialResult],
    terms: _Setup,
) -> None:
    rows = [
        (
            name,
            result.verdict,
            _points(result.effect),
            _interval(result),
            str(result.n_items),
            _p_text(result.p_value),
            _p_text(result.p_adjusted or 0.0),
        )
        for name, result in zip(names, results, strict=True)
    ]
    print_table(
        f"{one.name} (A) against {other.name} (B)",
        ("skill", "verdict", "effect", "95 % interval", "items used", "p", "p (Holm)"),
        rows,
    )
    say(f"{results[0].method}; select questions of {terms.source.name}, up to {terms.items} each")


def _verdict_text(one: Entrant, other: Entrant, result: TrialResult) -> str:
    winner = {"A better": f" ({one.name})", "B better": f" ({other.name})"}
    return result.verdict + winner.get(result.verdict, "")


def _items_text(result: TrialResult, terms: _Setup) -> str:
    text = f"{result.n_items} of {terms.items}, select questions of {terms.source.name}"
    if result.stopped_early:
        return f"{text}; stopped early"
    if result.n_items < terms.items:
        return f"{text}; it has no more"
    return text


def _points(effect: float) -> str:
    return f"{100 * effect:+.1f} points"


def _interval(result: TrialResult) -> str:
    return f"{100 * result.low:+.1f} to {100 * result.high:+.1f}"


def _p_text(p: float) -> str:
    return f"{p:.3f}" if p >= 0.001 else f"{p:.1e}"
