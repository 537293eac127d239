"""The line above every view: which view this is, and what the run is doing."""

from __future__ import annotations

from rich.style import Style
from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.reactive import reactive
from textual.widgets import Label, Static

from tui.data.snapshot import RunSnapshot
from tui.widgets.wording import ACCENT, BAD, GOOD, LIVING, QUIET

VIEWS = {"species": "Species", "academy": "Academy run", "market": "Market", "wallet": "Wallet"}
"""Views in the order of their keys 1 to 4."""


class TopBar(Horizontal):
    """Name, views, and the run's phase."""

    run: reactive[RunSnapshot | None] = reactive(None)

    def __init__(self, view: str) -> None:
        super().__init__()
        self.view = view

    def compose(self) -> ComposeResult:
        """Views to the left, phase to the right."""
        with Horizontal(id="tabs"):
            yield Label("Continuum", id="product")
            for number, (view, title) in enumerate(VIEWS.items(), start=1):
                classes = "tab -current" if view == self.view else "tab"
                yield Label(f"[@click=app.view('{view}')]{number} {title}[/]", classes=classes)
        yield Static(id="phase")

    def on_mount(self) -> None:
        """Show what was known before there was a place for it."""
        self.watch_run()

    def watch_run(self) -> None:
        """Show the phase."""
        if self.children and self.run is not None:
            self.query_one("#phase", Static).update(phase_text(self.run))


def phase_text(run: RunSnapshot) -> Text:
    """Phase and generation, with a mark that tells a live run from a finished or a lost one."""
    if run.status is None:
        return Text("no run" if run.empty else "run", style=QUIET)
    generation = "" if run.status.generation is None else f" gen {run.status.generation}"
    if run.live:
        return Text.assemble(("● ", Style(color=LIVING)), run.status.phase, (generation, ACCENT))
    if run.status.phase == "done":
        return Text.assemble(("✓ ", GOOD), "done", (generation, QUIET))
    return Text.assemble(("■ ", BAD), "stopped", (generation, QUIET))
