"""View 2: how the run is going, live while it goes.

How far the run has come, in a few lines of numbers.

Best and mean fitness over the generations."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.text import Text
from textual.app import ComposeResult
from textual.color import Color
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.reactive import reactive
from textual.widget import Widget
from textual.widgets import Static
from textual_plotext import PlotextPlot

from tui.data.records import GenerationRecord, RunStep
from tui.data.snapshot import RunSnapshot
from tui.jobs.show import span
from tui.screens.view import View, no_run
from tui.widgets.skill_bars import History, SkillBars
from tui.widgets.top_bar import phase_text
from tui.widgets.wording import (
    ACCENT,
    BRIGHT,
    LIVING,
    PALETTE,
    QUIET,
    bar,
    clock,
    count,
    percent,
    whole,
)

MAX_TICKS = 8
LABEL_WIDTH = 13


class FitnessPlot(PlotextPlot):
    """Two lines, best above mean."""

    BORDER_TITLE = "fitness"
    generations: reactive[tuple[GenerationRecord, ...]] = reactive(())

    def watch_generations(self) -> None:
        """Draw again."""
        self._draw()

    def _draw(self) -> None:
        plot = self.plt
        plot.clear_data()
        if not self.generations:
            self.refresh()
            return
        numbers = [record.generation for record in self.generations]
        lines = {
            "best": ([record.fitness.best for record in self.generations], ACCENT),
            "mean": ([record.fitness.mean for record in self.generations], PALETTE[0]),
        }
        for label, (values, colour) in lines.items():
            rgb = Color.parse(colour).rgb
            plot.plot(numbers, values, label=label, color=rgb, marker="braille")
        plot.xticks(_whole_ticks(numbers[0], numbers[-1]))
        heights = _round_ticks(min(0.0, *lines["mean"][0]), max(lines["best"][0]))
        plot.ylim(heights[0], heights[-1])
        plot.yticks(heights, [f"{height:.2f}" for height in heights])
        self.refresh()


class RunFacts(Widget):
    """Phase, what was asked for, budget spent so far, and the newest generation."""

    run: reactive[RunSnapshot | None] = reactive(None, layout=True)

    def render(self) -> Text:
        """Three lines, or fewer where a file is missing."""
        if self.run is None:
            return Text("")
        found = (self._phase(self.run), self._progress(self.run), self._newest(self.run))
        return Text("\n", no_wrap=True).join(line for line in found if line)

    def _phase(self, run: RunSnapshot) -> Text:
        parts = [phase_text(run)]
        if run.config:
            parts.append(Text(f"seed {run.config.seed}", QUIET))
            parts.append(Text(f"{count(run.config.personas)} personas", QUIET))
            parts.append(Text(f"{len(run.config.skills)} skills", QUIET))
        if run.status:
            word = "updated" if run.live or run.status.phase == "done" else "last heard of"
            parts.append(Text(f"{word} {clock(run.status.updated_s)}", QUIET))
        return Text(" · ", QUIET, no_wrap=True).join(parts)

    def _progress(self, run: RunSnapshot) -> Text | None:
        if run.status is None:
            return None
        if run.status.step is not None and run.live:
            return self._step(run.status.step)
        if run.status.interactions is None or not run.status.interactions_total:
            return None
        done, total = run.status.interactions, run.status.interactions_total
        share = min(1.0, done / total)
        numbers = f" {count(done)} / {count(total)} {percent(share):>4}"
        width = max(4, self.size.width - LABEL_WIDTH - len(numbers))
        unit = (run.config.unit if run.config else None) or "spent"
        text = Text(f"{unit[: LABEL_WIDTH - 1]:<{LABEL_WIDTH}}", QUIET, no_wrap=True)
        return text.append_text(bar(share, width, LIVING)).append(numbers, BRIGHT)

    def _step(self, step: RunStep) -> Text:
        """The phase after the budget is spent: its own share, and the time it may take yet."""
        share = min(1.0, step.done / step.total) if step.total > 0 else 0.0
        left = "" if step.left_s is None else f", about {span(step.left_s)} left"
        numbers = f" {percent(share):>4}{left}"
        width = max(4, self.size.width - LABEL_WIDTH - len(numbers))
        text = Text(f"{step.name[: LABEL_WIDTH - 1]:<{LABEL_WIDTH}}", QUIET, no_wrap=True)
        return text.append_text(bar(share, width, LIVING)).append(numbers, BRIGHT)

    def _newest(self, run: RunSnapshot) -> Text | None:
        if not run.generations:
            return None
        record = run.generations[-1]
        living = sum(line.living for line in run.species)
        pairs = {
            "living lines": str(record.living_lines),
            "births": whole(record.births),
            "deaths": whole(record.deaths),
            "best": f"{record.fitness.best:.2f}",
            "mean": f"{record.fitness.mean:.2f}",
            "species": f"{living} of {len(run.species)}",
        }
        parts = (Text.assemble((f"{k} ", QUIET), (v, BRIGHT)) for k, v in pairs.items())
        return Text("  ", no_wrap=True).join(parts)


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


def _whole_ticks(first: int, last: int) -> list[float]:
    """Whole generations, evenly spaced, few enough to stay legible."""
    step = max(1, -(-(last - first) // (MAX_TICKS - 1)))
    return list(range(first, last + 1, step))


def _round_ticks(low: float, high: float) -> list[float]:
    """Round heights around [low, high], few enough to stay legible."""
    span = max(high - low, 0.01)
    size = 10.0 ** math.floor(math.log10(span / MAX_TICKS))
    step = next(size * times for times in (1, 2, 5, 10, 20) if span / (size * times) <= MAX_TICKS)
    return [step * n for n in range(math.floor(low / step), math.ceil(max(high, 0.01) / step) + 1)]
