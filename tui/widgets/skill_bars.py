"""A number per skill as bars, with a tick where the base model stands."""

from __future__ import annotations

from rich.text import Text
from textual.reactive import reactive
from textual.widget import Widget

from tui.widgets.wording import ACCENT, BAD, GOOD, QUIET, bar, percent

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
