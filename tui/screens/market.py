"""View 3: what is for sale, at which price, and why at that price."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual import on, work
from textual.app import ComposeResult
from textual.message import Message
from textual.reactive import reactive
from textual.timer import Timer
from textual.widget import Widget

from tui.data.fields import RecordError
from tui.data.source import Source
from tui.screens.view import View
from tui.widgets.listing_table import ListingDetail, ListingTable

if TYPE_CHECKING:
    from marketplace.listing.listing import ListingView

SETTLE_S = 0.08
"""A held arrow key passes many rows; only the one it stops on is asked for."""


class MarketScreen(View):
    """Table of listings, and the price of the one under the cursor explained."""

    VIEW = "market"

    listing: reactive[ListingView | None] = reactive(None)
    quote: reactive[tuple[str, ...]] = reactive(())

    @dataclass
    class QuoteRead(Message):
        """The explanation of a listing's price arrived."""

        name: str
        lines: tuple[str, ...]

    def __init__(self, source: Source) -> None:
        super().__init__()
        self.source = source
        self._settling: Timer | None = None

    def compose_body(self) -> ComposeResult:
        """Table beside detail, or above it where it is narrow."""
        yield ListingTable(id="listings").data_bind(
            MarketScreen.run, MarketScreen.market, MarketScreen.pattern
        )
        yield ListingDetail(id="detail").data_bind(
            MarketScreen.run, MarketScreen.listing, MarketScreen.quote
        )

    def empty_text(self) -> str:
        """A market without listings is another thing than no market."""
        if self.market is not None and self.market.exists:
            return (
                "nothing is for sale here yet: `continuum market publish LAYER --name NAME --skill "
                "SKILL` lists a layer"
            )
        return "no market here yet: `continuum demo` evolves layers and lists them"

    def nothing_to_show(self) -> bool:
        """Nothing is listed; a damaged market has its notice instead."""
        return self.market is not None and not (self.market.listings or self.market.notices)

    def main_widget(self) -> Widget:
        """The table."""
        return self.query_one(ListingTable)

    @on(ListingTable.Chosen)
    def _show_chosen(self, event: ListingTable.Chosen) -> None:
        found = self.market.listing(event.key) if self.market and event.key else None
        if found is None or self.listing is None or found.name != self.listing.name:
            self.quote = ()
        self.listing = found
        if self._settling:
            self._settling.stop()
        if found:
            name = found.name
            self._settling = self.set_timer(SETTLE_S, lambda: self._read_quote(name))

    @on(ListingTable.Opened)
    def _go_to_detail(self) -> None:
        self.query_one(ListingDetail).focus()

    @work(thread=True, exclusive=True, group="quote")
    def _read_quote(self, name: str) -> None:
        try:
            lines = self.source.quote(name)
        except RecordError as error:
            lines = (str(error),)
        self.post_message(self.QuoteRead(name, lines))

    @on(QuoteRead)
    def _take_quote(self, event: QuoteRead) -> None:
        if self.listing and self.listing.name == event.name:
            self.quote = event.lines
