"""`continuum demo`: the main job with progress bars, a line per generation, and a table."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tui.cli.hints import hint
from tui.cli.home import BaseOption, HomeOption, MemoryOption, resolve_home
from tui.cli.tables import credit_text, percent, print_table
from tui.jobs.show import Pace, span
from tui.printing import clean, quiet_libraries, say

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

FEW_STEPS = 20
"""Without a terminal, phases of so many steps print a line for each."""
LINE_EVERY_S = 5.0
"""Longer ones print one so often."""


def demo(
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same run.")] = 1,
    home: HomeOption = None,
    personas: Annotated[
        int | None, typer.Option(show_default="100, tiny 20; on a base that people use 10")
    ] = None,
    interactions: Annotated[
        int | None,
        typer.Option(
            help="Scored answers to spend.",
            show_default="10,000, tiny 1,200; on a base that people use 420",
        ),
    ] = None,
    tiny: Annotated[
        bool,
        typer.Option("--tiny", help="Smaller in everything: half a minute on the embedded base."),
    ] = False,
    base: BaseOption = None,
    tui: Annotated[
        bool | None, typer.Option("--tui/--no-tui", help="Open the screens when done.")
    ] = None,
    serve: Annotated[
        bool,
        typer.Option(
            "--serve", help="Instead: sixteen small layers answer sixteen clients at once."
        ),
    ] = False,
    _memory: MemoryOption = None,
) -> None:
    """Evolve 100 mediocre helpers into species, and sell what they learned."""
    where = resolve_home(home)
    if serve:
        _serve(where, base)
        return
    try:
        summary = _run(where, seed, personas, interactions, tiny, base or "")
    except KeyboardInterrupt:
        say("stopped; the same command goes on from here", err=True)
        raise typer.Exit(130) from None
    _print_summary(where, summary)
    _offer_tui(where, tui)


def _serve(home: Path, base: str | None) -> None:
    from seeds.bases import known_bases, load_base
    from tui.jobs.serving import run_serving

    quiet_libraries()
    model = load_base(home, base)
    name = known_bases(home).names()[model.fingerprint]
    found = run_serving(home, model, name, _LinesShow())
    rows = [
        (one.persona, one.question, one.answer, f"{one.first_s:.2f}", f"{one.whole_s:.2f}")
        for one in found.at_once
    ]
    columns = ("persona", "asked", "answered", "first token, s", "whole, s")
    print_table("sixteen clients at once", columns, rows)
    say(
        f"at once {found.at_once_s:.1f} s, one by one {found.one_by_one_s:.1f} s; "
        f"{found.n_same} of {len(rows)} answers the same either way",
        "they have studied 32 questions each: this shows the engine, not what they know",
    )
    hint("serve them: `continuum serve`; then any OpenAI client, base_url and model, reaches them")


def _run(
    home: Path, seed: int, personas: int | None, interactions: int | None, tiny: bool, base: str
) -> dict[str, Any]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    console = Console()
    columns = (
        TextColumn("{task.description:14}"),
        BarColumn(30),
        TextColumn("{task.completed:>6.0f}/{task.total:.0f}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with ExitStack() as shown:
        show: _Show = (
            _RichShow(shown.enter_context(Progress(*columns, console=console)))
            if console.is_terminal
            else _LinesShow()
        )
        show.phase("loading", 0, 1)
        from tui.jobs.demo import run_demo
        from tui.jobs.settings import DemoSettings

        quiet_libraries()
        show.phase("loading", 1, 1)
        return run_demo(DemoSettings(home, seed, personas, interactions, tiny, base), show)


class _Show:
    """Says what is going on; subclasses know where to."""

    def phase(self, name: str, done: float, total: float) -> None:
        """How far one phase has come."""
        raise NotImplementedError

    def note(self, text: str) -> None:
        """One line worth reading."""
        raise NotImplementedError

    def generation(self, record: Mapping[str, Any]) -> None:
        """One line per generation: who leads which niche."""
        species = sorted(record["species"], key=lambda s: -s["population"])
        named = [
            f"{s['name']} {s['accuracy']:.2f} x{s['population']}" for s in species if s["niche"]
        ]
        shown = ", ".join(named[:4]) + (f", +{len(named) - 4} more" if len(named) > 4 else "")
        self.note(
            f"generation {record['generation']:2d}  {record['interactions']:6d} interactions  "
            f"{record['living_lines']:3d} lines  {shown or 'helpers only'}"
        )


class _LinesShow(_Show):
    """Without a terminal: a line per step of a phase, or every few seconds of a long one."""

    def __init__(self) -> None:
        self._paces: dict[str, Pace] = {}
        self._printed_s = -math.inf

    def phase(self, name: str, done: float, total: float) -> None:
        """One line with the share done and the time left."""
        is_new = name not in self._paces
        pace = self._paces.setdefault(name, Pace())
        pace.report(done, total)
        is_step = is_new or total <= FEW_STEPS or done >= total
        if not is_step and time.monotonic() - self._printed_s < LINE_EVERY_S:
            return
        self._printed_s = time.monotonic()
        left = "" if pace.left_s is None else f", about {span(pace.left_s)} left"
        ended = f"done in {span(pace.elapsed_s)}" if done >= total else f"{done / total:.0%}{left}"
        self.note(f"{name}: {ended}")

    def note(self, text: str) -> None:
        """At once: whoever reads a pipe waits for it."""
        say(text)


class _RichShow(_Show):
    """Draws a job's events as progress bars and lines."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self._tasks: dict[str, TaskID] = {}

    def phase(self, name: str, done: float, total: float) -> None:
        """One bar per phase."""
        if name not in self._tasks:
            self._tasks[name] = self.progress.add_task(name, total=total)
        self.progress.update(self._tasks[name], completed=done, total=total)

    def note(self, text: str) -> None:
        """A line above the bars."""
        self.progress.console.print(clean(text), highlight=False, markup=False, soft_wrap=True)


def _print_summary(home: Path, summary: Mapping[str, Any]) -> None:
    few = ["few-shot base"] * any("few_shot_accuracy" in s for s in summary["species"])
    rows = [
        (
            s["name"],
            str(s["population"]),
            percent(s["test_accuracy"]),
            f"{100 * s['test_interval'][0]:.0f}-{100 * s['test_interval'][1]:.0f}",
            percent(s["base_accuracy"]),
            *[percent(s["few_shot_accuracy"]) if "few_shot_accuracy" in s else ""] * len(few),
            credit_text(s["price_nanos"]),
            str(s["sales"]),
        )
        for s in summary["species"]
    ]
    say("")
    columns = ("species", "personas", "test accuracy", "95 %", "base", *few, "credits", "sales")
    print_table("living species", columns, rows)
    say(
        "",
        f"{summary['extinct_lines']} of {summary['personas']} lines extinct after "
        f"{summary['interactions']} interactions in {summary['wall_s']:.0f} s",
    )
    _print_controls(summary["controls"])
    bought = summary["purchase"]
    if in_vain := bought.get("in_vain"):
        say(f"asked in vain, for nothing here is known to be good at it: {', '.join(in_vain)}")
    if "found" in bought:
        say(
            f'{bought["buyer"]} asked "{bought["question"]}", found and bought {bought["found"]}: '
            f"{percent(bought['accuracy_before'])} -> {percent(bought['accuracy_after'])} on "
            f"{bought['n_questions']} unseen questions"
        )
    market, speed = summary["market"], summary["throughput"]
    state = "balanced" if market["ledger_ok"] else "NOT BALANCED: " + "; ".join(market["problems"])
    say(f"ledger: {state}; {market['listings']} listings, {market['sales']} sold")
    say(f"scoring: {speed['evaluations_per_s']:.0f} answers/s, {speed['ratio']:.1f} x a PEFT loop")
    say("", f"report   {home / 'report.html'}", f"summary  {home / 'summary.json'}")
    say(f"layers   {home / 'layers'}", f"watch    continuum tui --home {home}")


def _print_controls(controls: Mapping[str, Any]) -> None:
    named = {
        "base alone": controls["base"],
        "one joint LoRA": controls["joint_lora"],
        "random search": controls["random_search"],
        "evolved, routed": controls["evolved"],
    }
    text = "; ".join(f"{name} {f['mean']:.2f} / {f['worst']:.2f}" for name, f in named.items())
    say(f"mean / worst skill on unseen questions, equal tokens: {text}")


def _offer_tui(home: Path, wanted: bool | None) -> None:
    interactive = sys.stdin.isatty() and sys.stdout.isatty()
    if wanted is None:
        wanted = interactive and typer.confirm("\nopen the screens on this run?", default=True)
    if wanted:
        from tui.app import run_app

        run_app(home)  # its own market, whichever CONTINUUM_MARKET names: it was just made
