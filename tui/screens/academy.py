"""View 2: how the run is going, live while it goes."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.widgets import Static

from tui.data.snapshot import RunSnapshot
from tui.screens.view import View, no_run
from tui.widgets.fitness_plot import FitnessPlot
from tui.widgets.history import History
from tui.widgets.run_facts import RunFacts
from tui.widgets.skill_bars import SkillBars
from tui.widgets.wording import BRIGHT, PALETTE, QUIET, count


class AcademyScreen(View):
    """Progress, fitness, living lines, and the best of every skill."""

    VIEW = "academy"

    def compose_body(self) -> ComposeResult:
        """Facts on top, plot to the left, skills to the right."""
        yield RunFacts(id="run-facts").data_bind(AcademyScreen.run)
        with Horizontal(id="charts"):
            with Vertical(id="plots"):
                yield FitnessPlot(id="fitness")
                yield History(id="lines")
            with VerticalScroll(id="side"):
                yield SkillBars(id="skills")
                yield Static(id="outcome")

    def on_mount(self) -> None:
        """Name the panels."""
        lines = self.query_one("#lines", History)
        lines.border_title = "living lines"
        lines.colour = PALETTE[6]
        self.query_one("#side").border_title = "best by skill, ┃ base"

    def empty_text(self) -> str:
        """How to start a run, or what the home has without one."""
        return no_run(self.run)

    def nothing_to_show(self) -> bool:
        """There is no run."""
        return self.run is not None and self.run.empty

    def watch_run(self, run: RunSnapshot | None) -> None:
        """Hand the panels their numbers."""
        if run is None:
            return
        self.query_one(FitnessPlot).generations = run.generations
        lines = tuple(record.living_lines for record in run.generations)
        chart = self.query_one("#lines", History)
        chart.values = lines
        chart.border_subtitle = f"now {lines[-1]}" if lines else ""
        bars = self.query_one("#skills", SkillBars)
        bars.names = run.skills
        bars.base = run.base_by_skill
        bars.values = run.generations[-1].best_by_skill if run.generations else ()
        self.query_one("#outcome", Static).update(_outcome(run))


def _outcome(run: RunSnapshot) -> Text:
    """What the finished run reports beside its controls."""
    if run.summary is None:
        return Text("")
    summary = run.summary
    minutes, seconds = divmod(round(summary.wall_s), 60)
    rows = [
        ("generations", count(summary.generations)),
        ("took", f"{minutes} min {seconds:02d} s"),
        *(
            []
            if summary.extinct_lines is None
            else [("extinct lines", count(summary.extinct_lines))]
        ),
        *((name, _short(value)) for name, value in summary.controls),
    ]
    return Text("\n").join(_rows(rows))


def _rows(rows: Sequence[tuple[str, str]]) -> list[Text]:
    width = max(len(name) for name, _ in rows)
    return [Text.assemble((f"{name:<{width}}  ", QUIET), (value, BRIGHT)) for name, value in rows]


def _short(value: float) -> str:
    return count(int(value)) if value.is_integer() and abs(value) >= 2 else f"{value:.3f}"
