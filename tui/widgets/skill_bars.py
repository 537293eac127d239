"""A number per skill as bars, with a tick where the base model stands.

A quantity over the generations as columns that stand on zero.

Textual's own sparkline starts at the smallest value, which makes a population that shrank from
100 to 90 look like one that died out.
"""

from __future__ import annotations

from rich.text import Text
from textual.reactive import reactive
from textual.widget import Widget

from tui.widgets.wording import ACCENT, BAD, GOOD, QUIET, SPARKS, bar, percent

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


NAME_WIDTH = 10


class SkillBars(Widget):
    """One line per skill: name, bar, share, and how far it is from the base model."""

    names: reactive[tuple[str, ...]] = reactive(())
    values: reactive[tuple[float, ...]] = reactive((), layout=True)
    base: reactive[tuple[float, ...]] = reactive(())
    colour: reactive[str] = reactive(ACCENT)

    def render(self) -> Text:
        """All lines; skills without a name are numbered."""
        width = max(4, self.size.width - NAME_WIDTH - 12)
        return Text("\n", no_wrap=True).join(
            self._line(index, value, width) for index, value in enumerate(self.values)
        )

    def _line(self, index: int, value: float, width: int) -> Text:
        name = self.names[index] if index < len(self.names) else f"skill {index + 1}"
        base = self.base[index] if index < len(self.base) else None
        text = Text(f"{name[:NAME_WIDTH]:<{NAME_WIDTH}} ", no_wrap=True)
        text.append_text(bar(value, width, self.colour, base))
        text.append(f" {percent(value):>4}")
        if base is not None:
            ahead = round(value * 100) - round(base * 100)
            style = GOOD if ahead > 0 else BAD if ahead < 0 else QUIET
            text.append(f" {ahead:+4d}", style)
        return text
