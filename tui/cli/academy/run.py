"""`continuum academy run | resume | status | report | compare`: evolution runs in a home."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tui.cli.academy.questions import SOURCE_HELP, MapOption, RuleOption, with_columns
from tui.cli.errors import OptionError
from tui.cli.hints import hint
from tui.cli.home import BaseOption, HomeOption, MemoryOption, resolve_home
from tui.cli.tables import percent, print_facts, print_table
from tui.printing import quiet_libraries, say

if TYPE_CHECKING:
    from collections.abc import Mapping

    from academy.evolution.config import RunConfig
    from academy.evolution.events import Event
    from academy.run_folder import RunFolder

RayOption = Annotated[
    str | None,
    typer.Option(
        help="Score and train on a Ray cluster: `local`, or the address of its head.",
        show_default="this process alone",
    ),
]


def run(
    config: Annotated[str, typer.Argument(help="A TOML file, or a preset: smoke, standard, ...")],
    home: HomeOption = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Instead of the file's.")] = None,
    tokens: Annotated[int | None, typer.Option(help="Budget instead of the file's.")] = None,
    base: BaseOption = None,
    source: Annotated[str | None, typer.Option(help=SOURCE_HELP, show_default="the file's")] = None,
    columns: MapOption = None,
    rule: RuleOption = None,
    ray: RayOption = None,
    _memory: MemoryOption = None,
) -> None:
    """Evolve a population until its budget is spent; the same command resumes it."""
    from academy.evolution.config import load_config
    from academy.evolution.run import located
    from seeds.bases import EMBEDDED, default_base, known_bases

    where, settings = resolve_home(home), load_config(config)
    if columns is not None or rule is not None:
        source = with_columns(source or settings.run.source or None, columns, rule)
    named = base or settings.run.base
    known = known_bases(where).find(named) if named else default_base(where)
    if known and (named or known.name != EMBEDDED):
        base = known.path  # kept with the run, whatever the default is when it is resumed
    changes: dict[str, Any] = {
        key: value
        for key, value in (("seed", seed), ("tokens", tokens), ("base", base), ("source", source))
        if value is not None
    }
    settings = settings.with_(run=changes)
    _evolve(located(settings), where, ray)


def resume(
    home: HomeOption = None,
    ray: RayOption = None,
    _memory: MemoryOption = None,
) -> None:
    """Go on with the run in a home, with the settings it was started with."""
    from tui.jobs.evolve import saved_config

    where = resolve_home(home)
    _evolve(saved_config(where), where, ray)


def status(home: HomeOption = None) -> None:
    """How far a run has come."""
    from academy.run_folder import RunFolder

    folder = RunFolder(resolve_home(home))
    if not folder.has_begun():
        raise OptionError(
            f"there is no run in {folder.home}: start one with `continuum academy run standard`"
        )
    facts, generations = folder.status(), folder.generations()
    last = generations[-1] if generations else {}
    species, failures = last.get("species"), last.get("failures")
    print_facts(  # what nobody wrote down is left out
        f"run in {folder.home}",
        {
            "phase": str(facts.get("phase") or ("" if last else "beginning")),
            "process": _process(folder, facts),
            "generation": str(last["generation"]) if last else "none is finished yet",
            "spent": _spent(folder, facts),
            "working time": f"{facts['elapsed_s']:.0f} s" if "elapsed_s" in facts else "",
            "species": "" if species is None else str(len(species)),
            "best by skill": " ".join(f"{x:.2f}" for x in last.get("best_by_skill", [])),
            "not scored": f"{failures} answers, which count as wrong" if failures else "",
        },
    )


def _process(folder: RunFolder, facts: Mapping[str, Any]) -> str:
    from tui.jobs.run_report import demo_command, is_evolution

    if facts.get("phase") == "done":
        return "finished"
    if folder.is_held():
        return "at work"
    config = folder.path / "config.json"
    if config.exists() and not is_evolution(folder.read(config)):
        return f"stopped; {demo_command(folder)} goes on"
    return f"stopped; `continuum academy resume --home {folder.home}` goes on"


def _spent(folder: RunFolder, facts: Mapping[str, Any]) -> str:
    config = folder.path / "config.json"
    unit = folder.read(config).get("unit", "") if config.exists() else ""
    if "interactions" not in facts or not facts.get("interactions_total"):
        return ""
    return f"{facts['interactions']:,} of {facts['interactions_total']:,} {unit}".rstrip()


def report(home: HomeOption = None) -> None:
    """Write the run's report as one HTML file."""
    from tui.jobs.run_report import write_run_report

    say(write_run_report(resolve_home(home)))


def compare(
    first: Annotated[Path, typer.Argument(help="Home of a finished run.")],
    second: Annotated[Path, typer.Argument(help="Home of another one.")],
    items: Annotated[int, typer.Option(min=1, max=2000, help="Select questions per skill.")] = 50,
) -> None:
    """Two finished runs on the same questions, skill by skill."""
    from tui.jobs.compare_runs import compare_runs

    quiet_libraries()
    result = compare_runs(resolve_home(first), resolve_home(second), items)
    print_table(
        f"{first} and {second}, {items} select questions per skill, each routed by itself",
        ("skill", "first", "second", "difference"),
        [
            (skill, percent(a), percent(b), f"{100 * (a - b):+.1f}")
            for skill, a, b in result.by_skill
        ],
    )
    say(result.verdict)


def _evolve(settings: RunConfig, home: Path, ray: str | None) -> None:
    from tui.jobs.evolve import run_evolution

    quiet_libraries()
    try:
        if ray is None:
            facts = run_evolution(settings, home, _Printer(settings))
        else:
            facts = _on_ray(settings, home, ray)
    except KeyboardInterrupt:
        hint("stopped; `continuum academy resume` goes on from here", err=True)
        raise typer.Exit(130) from None
    print_table(
        f"{facts['generations']} generations, {facts['tokens']:,} token-equivalents, "
        f"{facts['seconds']['other'] / max(sum(facts['seconds'].values()), 1e-9):.0%} of the time "
        "outside the model",
        ("persona", "niches", "test", "ancestor", "base", "questions"),
        [
            (
                member["persona"],
                ", ".join(member["niches"]),
                *(
                    "-" if not member["questions"] or member[key] is None else percent(member[key])
                    for key in ("accuracy", "ancestor_accuracy", "base_accuracy")
                ),
                str(member["questions"]),
            )
            for member in facts["cast"]
        ],
    )
    if facts["failures"]:
        say(f"{facts['failures']} answers could not be scored and count as wrong")
    say("", f"ask      continuum persona ask NAME QUESTION --home {home}")
    say(f"report   continuum academy report --home {home}")
    say(f"watch    continuum tui --home {home}")


def _on_ray(settings: RunConfig, home: Path, address: str) -> dict[str, Any]:
    from academy.cluster.ray_evaluator import RayEvaluator, RaySettings
    from tui.jobs.evolve import run_evolution

    cluster = RaySettings(
        address="" if address == "local" else address, threads=settings.run.threads
    )
    held: list[Any] = []

    def make(base: Any) -> Any:
        held.append(RayEvaluator(base, cluster))
        return held[0]

    try:
        return run_evolution(settings, home, _Printer(settings), make_evaluator=make)
    finally:
        for evaluator in held:
            evaluator.close()


class _Printer:
    """A line for every generation and whatever a person should know."""

    def __init__(self, settings: RunConfig) -> None:
        self.budget = settings.run.limit
        self.born = 0

    def __call__(self, event: Event) -> None:
        from academy.evolution.events import TrialHeld

        kind = type(event).__name__
        facts = event.plain()
        if kind == "Born":
            self.born += 1
        elif kind == "GenerationEnded":
            best = facts["best_by_skill"]
            say(
                f"generation {facts['generation']:>3}  {facts['tokens'] / self.budget:>4.0%}  "
                f"alive {facts['n_alive']:>3}  born {self.born:>3}  species "
                f"{facts['n_species']:>2}  mean of best {sum(best) / len(best):.3f}  "
                f"worst {min(best):.3f}",
            )
            self.born = 0
        elif isinstance(event, TrialHeld):
            if event.verdict != "no difference shown":
                say(event.text)
        elif kind in ("Notice", "ScoringFailed"):
            say(facts.get("text") or f"{facts['failures']} answers failed: {facts['cause']}")
