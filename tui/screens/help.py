"""Every key, and what the marks mean."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from tui.widgets.wording import ACCENT, EXTINCT, GOOD, LIVING, QUIET

KEYS = (
    ("1 2 3 4", "Species, Academy run, Market, Wallet"),
    ("↑ ↓ PgUp PgDn", "move in a table; what is chosen shows beside it"),
    ("Enter", "go into what is chosen, to scroll it"),
    ("Tab", "next panel"),
    ("/", "filter the table; Enter keeps the filter"),
    ("Esc", "back to the table, filter off"),
    ("r", "read everything again now (it is read every second)"),
    ("?", "this help"),
    ("q", "quit"),
)
MARKS = (
    ("●", LIVING, "living species, or a run that is going"),
    ("✗", EXTINCT, "extinct species, with generation and cause"),
    ("┃", "", "where the base model stands on a bar"),
    ("83%", GOOD, "accuracy above the base model's"),
    ("▁▄█", QUIET, "population over the generations, scaled to its own peak"),
)


class HelpScreen(ModalScreen[None]):
    """A panel over the view; any of Esc, q and ? closes it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,question_mark", "dismiss", "Close"),
    ]

    def __init__(self, title: str) -> None:
        super().__init__()
        self._home = title

    def compose(self) -> ComposeResult:
        """One text; it scrolls where the terminal is small."""
        with VerticalScroll(id="help") as panel:
            panel.border_title = "Continuum"
            panel.border_subtitle = "Esc closes"
            yield Static(self._text())

    def _text(self) -> Text:
        text = Text()
        for key, meaning in KEYS:
            text.append(f"{key:<15}", ACCENT).append(f"{meaning}\n")
        text.append("\n")
        for mark, style, meaning in MARKS:
            text.append(f"{mark:<15}", style).append(f"{meaning}\n")
        return text.append(f"\nreading {self._home}", QUIET)
