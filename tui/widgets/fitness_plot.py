"""Best and mean fitness over the generations."""

from __future__ import annotations

import math

from textual.color import Color
from textual.reactive import reactive
from textual_plotext import PlotextPlot

from tui.data.records import GenerationRecord
from tui.widgets.wording import ACCENT, PALETTE

MAX_TICKS = 8


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
