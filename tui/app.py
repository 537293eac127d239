"""`continuum tui`: four views of one home folder.

The app reads the source in a thread, once a second, and holds the two snapshots that every view
follows. It writes nothing, and neither torch nor SQLAlchemy is imported to open it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from textual import on, work
from textual.app import App
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.reactive import reactive
from textual.theme import Theme

from tui.data.snapshot import MarketSnapshot, RunSnapshot
from tui.data.source import HomeSource, Source
from tui.screens.academy import AcademyScreen
from tui.screens.help import HelpScreen
from tui.screens.market import MarketScreen
from tui.screens.species import SpeciesScreen
from tui.screens.wallet import WalletScreen
from tui.widgets.top_bar import VIEWS
from tui.widgets.wording import ACCENT, BAD, BRIGHT, GOOD

POLL_S = 1.0
WIDTHS = [(0, "-narrow"), (120, "-wide")]
"""Classes that screens get from so many columns on; `app.tcss` lays them out by these. Beside a
detail of 40 columns the widest table needs the other 80."""
THEME = Theme(
    name="continuum",
    primary="#5fd7c4",
    secondary="#6cb6ff",
    accent=ACCENT,
    success=GOOD,
    warning=ACCENT,
    error=BAD,
    foreground=BRIGHT,
    background="#10151a",
    surface="#10151a",
    panel="#1b232b",
    variables={
        "border": "#3a4651",
        "block-cursor-background": "#29404a",
        "block-cursor-foreground": BRIGHT,
        "block-cursor-blurred-background": "#1f2a32",
        "footer-key-foreground": ACCENT,
        "footer-background": "#1b232b",
    },
)
VIEW_KEYS = Binding.Group("Views", compact=True)


class ContinuumApp(App[None]):
    """Shows what a source holds; see the module docstring."""

    TITLE = "Continuum"
    CSS_PATH = "app.tcss"
    DEFAULT_MODE = "species"
    ENABLE_COMMAND_PALETTE = False
    HORIZONTAL_BREAKPOINTS = WIDTHS
    BINDINGS: ClassVar[list[BindingType]] = [
        *(
            Binding(str(number), f"view('{view}')", title, group=VIEW_KEYS)
            for number, (view, title) in enumerate(VIEWS.items(), start=1)
        ),
        Binding("r", "refresh", "Refresh"),
        Binding("question_mark", "help", "Help", key_display="?"),
        Binding("q", "quit", "Quit"),
    ]

    run_snapshot: reactive[RunSnapshot | None] = reactive(None)
    market_snapshot: reactive[MarketSnapshot | None] = reactive(None)

    @dataclass
    class RunRead(Message):
        """The run was read."""

        run: RunSnapshot

    @dataclass
    class MarketRead(Message):
        """The market was read; it is the last part of one reading."""

        market: MarketSnapshot

    def __init__(self, source: Source, *, poll_s: float = POLL_S) -> None:
        super().__init__()
        self.source = source
        self._poll_s = poll_s
        self._reading = False
        self.add_mode("species", SpeciesScreen)
        self.add_mode("academy", AcademyScreen)
        self.add_mode("market", lambda: MarketScreen(source))
        self.add_mode("wallet", lambda: WalletScreen(source))

    def on_mount(self) -> None:
        """Read now, and from now on."""
        self.register_theme(THEME)
        self.theme = THEME.name
        self.action_refresh()
        self.set_interval(self._poll_s, self.action_refresh)

    def action_refresh(self) -> None:
        """Read everything again, unless a slow reading is still under way."""
        if not self._reading:
            self._reading = True
            self._read()

    def action_view(self, view: str) -> None:
        """Switch to another view."""
        self.switch_mode(view)

    def action_help(self) -> None:
        """Show the keys."""
        self.push_screen(HelpScreen(self.source.title))

    @work(thread=True, group="read")
    def _read(self) -> None:
        """Read the run, then the market, which may have to be imported first."""
        self.post_message(self.RunRead(self.source.run()))
        self.post_message(self.MarketRead(self.source.market()))

    @on(RunRead)
    def _take_run(self, event: RunRead) -> None:
        self.run_snapshot = event.run

    @on(MarketRead)
    def _take_market(self, event: MarketRead) -> None:
        self.market_snapshot = event.market
        self._reading = False


def run_app(home: Path, market: str | None = None, account: str | None = None) -> None:
    """Open the app on a home folder, which need not exist yet.

    Args:
        market: Address of another market than the home's own.
        account: Whose wallet a service is asked for.
    """
    ContinuumApp(HomeSource(home, market, account)).run()
