"""What the four views share: top bar, notices, filter line, empty state, and the data itself."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.reactive import reactive
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Footer, Input, Static

from tui.data.snapshot import MarketSnapshot, RunSnapshot
from tui.widgets.top_bar import TopBar
from tui.widgets.wording import ACCENT, QUIET

SHOWN_NAMES = 8


class View(Screen[None]):
    """One view of the home folder; subclasses compose its body and say when it is empty."""

    VIEW: ClassVar[str]
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "filter", "Filter", key_display="/"),
        Binding("escape", "back", "Back", show=False),
    ]

    run: reactive[RunSnapshot | None] = reactive(None)
    market: reactive[MarketSnapshot | None] = reactive(None)
    pattern: reactive[str] = reactive("")

    def compose(self) -> ComposeResult:
        """The frame around the body."""
        yield TopBar(self.VIEW).data_bind(View.run)
        yield Static(id="notices")
        with Container(id="body"):
            yield from self.compose_body()
        yield Static(id="empty")
        yield Input(placeholder="show only what contains…", id="filter", compact=True)
        yield Footer()

    def compose_body(self) -> ComposeResult:
        """The view's own widgets."""
        raise NotImplementedError

    def nothing_to_show(self) -> bool:
        """Whether the data was read and holds nothing for this view."""
        raise NotImplementedError

    def empty_text(self) -> str:
        """What to say when there is nothing to show; a command stands in backquotes."""
        raise NotImplementedError

    def main_widget(self) -> Widget | None:
        """What has the focus first, and again on Escape."""
        return None

    def on_mount(self) -> None:
        """Follow the app's data from now on."""
        self.watch(self.app, "run_snapshot", self._take_run)
        self.watch(self.app, "market_snapshot", self._take_market)
        self.action_back()

    def _take_run(self, run: RunSnapshot | None) -> None:
        self.run = run
        self._show_state()

    def _take_market(self, market: MarketSnapshot | None) -> None:
        self.market = market
        self._show_state()

    def _show_state(self) -> None:
        notices = (self.run.notices if self.run else ()) + (
            self.market.notices if self.market else ()
        )
        lines = (Text(f"! {notice}", no_wrap=True, overflow="ellipsis") for notice in notices)
        bar = self.query_one("#notices", Static)
        bar.update(Text("\n").join(lines))
        bar.display = bool(notices)
        self.query_one("#empty", Static).update(_with_command(self.empty_text()))
        self.set_class(self.nothing_to_show(), "-nothing")

    def action_filter(self) -> None:
        """Open the filter line."""
        line = self.query_one("#filter", Input)
        line.display = True
        self.set_focus(line)

    def action_back(self) -> None:
        """Drop the filter, and return to the main table."""
        line = self.query_one("#filter", Input)
        line.value = ""
        line.display = False
        main = self.main_widget()
        if main is not None:
            self.set_focus(main)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer the filter only where there is a table to filter."""
        return action != "filter" or self.main_widget() is not None

    @on(Input.Changed, "#filter")
    def _filter_changed(self, event: Input.Changed) -> None:
        event.stop()
        self.pattern = event.value.strip()

    @on(Input.Submitted, "#filter")
    def _filter_submitted(self, event: Input.Submitted) -> None:
        """Keep the filter and go on in the table."""
        event.stop()
        event.input.display = bool(event.value.strip())
        main = self.main_widget()
        if main is not None:
            self.set_focus(main)


def no_run(run: RunSnapshot | None) -> str:
    """What a home without a run says: how to start one, and what it has instead."""
    if run is None or not (run.layers or run.personas):
        return "no run here yet: start one with `continuum demo`"
    layers = "1 layer" if run.layers == 1 else f"{run.layers} layers"
    if not run.personas:
        return f"no run here, but {layers}: `continuum layer list` shows them"
    named = ", ".join(run.personas[:SHOWN_NAMES])
    more = f" and {len(run.personas) - SHOWN_NAMES} more" * (len(run.personas) > SHOWN_NAMES)
    return (
        f"no run here, but {layers} and the personas {named}{more}: "
        f"`continuum persona ask {run.personas[0]} QUESTION`"
    )


def _with_command(sentence: str) -> Text:
    """The sentence, with the command in backquotes set apart."""
    text = Text(justify="center")
    for index, part in enumerate(sentence.split("`")):
        text.append(part, f"bold {ACCENT}" if index % 2 else QUIET)
    return text
