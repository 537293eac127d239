"""A quantity over the generations as columns that stand on zero.

Textual's own sparkline starts at the smallest value, which makes a population that shrank from
100 to 90 look like one that died out.
"""

from __future__ import annotations

from rich.text import Text
from textual.reactive import reactive
from textual.widget import Widget

from tui.widgets.wording import ACCENT, SPARKS

STEPS = len(SPARKS) - 1


class History(Widget):
    """Columns as wide as the widget allows, the largest value as high as the widget."""

    values: reactive[tuple[int, ...]] = reactive(())
    colour: reactive[str] = reactive(ACCENT)

    def render(self) -> Text:
        """Rows from the top down."""
        width, height = self.size
        top = max(self.values, default=0)
        if top <= 0 or width <= 0:
            return Text("")
        levels = [self._level(cell, width, top, height) for cell in range(width)]  # (width,)
        rows = (
            "".join(SPARKS[max(0, min(STEPS, level - STEPS * below))] for level in levels)
            for below in range(height - 1, -1, -1)
        )
        return Text("\n".join(rows), self.colour, no_wrap=True)

    def _level(self, cell: int, width: int, top: int, height: int) -> int:
        """Height of one cell's column in eighths of a row; what is not zero stays visible."""
        n = len(self.values)
        start = cell * n // width
        peak = max(self.values[start : max(start + 1, (cell + 1) * n // width)])
        return max(1, round(peak / top * height * STEPS)) if peak > 0 else 0
