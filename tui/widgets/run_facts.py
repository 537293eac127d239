"""How far the run has come, in a few lines of numbers."""

from __future__ import annotations

from rich.text import Text
from textual.reactive import reactive
from textual.widget import Widget

from tui.data.records import RunStep
from tui.data.snapshot import RunSnapshot
from tui.jobs.show import span
from tui.widgets.top_bar import phase_text
from tui.widgets.wording import BRIGHT, LIVING, QUIET, bar, clock, count, percent, whole

LABEL_WIDTH = 13


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
