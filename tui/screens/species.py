"""View 1: which species there are, which are gone, and what the chosen one is good at."""

from __future__ import annotations

from textual import on
from textual.app import ComposeResult
from textual.reactive import reactive
from textual.widget import Widget

from tui.screens.view import View, no_run
from tui.widgets.species_table import SpeciesDetail, SpeciesTable


class SpeciesScreen(View):
    """Table of species, and all about the one under the cursor."""

    VIEW = "species"

    chosen: reactive[str | None] = reactive(None)

    def compose_body(self) -> ComposeResult:
        """Table beside detail, or above it where it is narrow."""
        yield SpeciesTable(id="species").data_bind(SpeciesScreen.run, SpeciesScreen.pattern)
        yield SpeciesDetail(id="detail").data_bind(
            SpeciesScreen.run, SpeciesScreen.market, key=SpeciesScreen.chosen
        )

    def empty_text(self) -> str:
        """How to start a run, or what the home has without one."""
        return no_run(self.run)

    def nothing_to_show(self) -> bool:
        """There is neither a species nor anything that would bring one."""
        return self.run is not None and self.run.empty

    def main_widget(self) -> Widget:
        """The table."""
        return self.query_one(SpeciesTable)

    @on(SpeciesTable.Chosen)
    def _show_chosen(self, event: SpeciesTable.Chosen) -> None:
        self.chosen = event.key

    @on(SpeciesTable.Opened)
    def _go_to_detail(self) -> None:
        self.query_one(SpeciesDetail).focus()
