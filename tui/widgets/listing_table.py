"""The layers for sale.

One listing, and how the market comes to its price.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.reactive import reactive
from textual.widgets import Static

from tui.data.snapshot import MarketSnapshot, RunSnapshot
from tui.widgets.rows_table import OPEN, Column, Row, RowsTable
from tui.widgets.wording import (
    ACCENT,
    NOTHING,
    QUIET,
    bar,
    credits,
    left,
    percent,
    right,
    species_colour,
    versus_base,
)

if TYPE_CHECKING:
    from marketplace.listing.listing import ListingView

BAR_WIDTH = 16
DIGEST_LENGTH = 16


class ListingDetail(VerticalScroll):
    """Price explanation first, then what the layer is."""

    BORDER_TITLE = "listing"
    run: reactive[RunSnapshot | None] = reactive(None)
    listing: reactive[ListingView | None] = reactive(None)
    quote: reactive[tuple[str, ...]] = reactive(())

    def compose(self) -> ComposeResult:
        """Two texts; the scroll bar is the container's."""
        yield Static(id="price")
        yield Static(id="facts")

    def on_mount(self) -> None:
        """Show what was known before there was a place for it."""
        self._show()

    def watch_listing(self) -> None:
        """Show another listing, or new numbers of the same."""
        self._show()

    def watch_quote(self) -> None:
        """Show the explanation that arrived."""
        self._show()

    def watch_run(self) -> None:
        """Colours come from the run."""
        self._show()

    def _show(self) -> None:
        if not self.children:
            return
        self.set_class(self.listing is None, "-empty")
        if self.listing is None:
            self.border_title = "listing"
            return
        colour = species_colour(self.listing.name, self.run)
        self.border_title = Content.styled(self.listing.name, colour)
        self.query_one("#price", Static).update(self._price(self.listing))
        self.query_one("#facts", Static).update(self._facts(self.listing, colour))

    def _price(self, listing: ListingView) -> Text:
        text = Text.assemble(
            (credits(listing.price_nanos), f"bold {ACCENT}"),
            " credits",
            (f", owner asks {credits(listing.ask_nanos)}", QUIET),
        )
        for line in self.quote:
            text.append(f"\n{line}")
        return text

    def _facts(self, listing: ListingView, colour: str) -> Text:
        base = listing.base_accuracy
        pairs = {
            "accuracy": bar(listing.accuracy, BAR_WIDTH, colour, base).append(
                f" {percent(listing.accuracy)}"
            ),
            "reputation": bar(listing.reputation, BAR_WIDTH, ACCENT).append(
                f" {percent(listing.reputation)}"
            ),
            "measured": Text(f"on {listing.n_questions} questions"),
            "base model": Text(f"{listing.base_model}, {percent(base)}"),
            "owner": Text(listing.owner),
            "digest": Text(listing.digest[:DIGEST_LENGTH], QUIET),
            "about": Text(listing.description),
        }
        lines = (Text.assemble((f"{name:<11}", QUIET), value) for name, value in pairs.items())
        return Text("\n").join(lines)


class ListingTable(RowsTable):
    """One row per listing; the key is its name."""

    BINDINGS: ClassVar[list[BindingType]] = [OPEN]
    COLUMNS = (
        Column("name", "Listing", 14, flexible=True),
        Column("niche", "Niche", 8),
        Column("owner", "Owner", 10),
        Column("price", "Price", 9, number=True),
        Column("reputation", "Rep", 4, number=True),
        Column("accuracy", "Acc", 4, number=True),
        Column("base", "Base", 4, number=True),
        Column("sales", "Sales", 5, number=True),
    )

    run: reactive[RunSnapshot | None] = reactive(None)
    market: reactive[MarketSnapshot | None] = reactive(None)
    pattern: reactive[str] = reactive("")

    def watch_run(self) -> None:
        """Colours come from the run."""
        self._show()

    def watch_market(self) -> None:
        """Show the new state."""
        self._show()

    def watch_pattern(self) -> None:
        """Show what matches."""
        self._show()

    def _show(self) -> None:
        listings = self.market.listings if self.market else ()
        wanted = self.pattern.casefold()
        self.show_rows([self._row(item) for item in listings if wanted in _searchable(item)])

    def _row(self, item: ListingView) -> Row:
        return Row(
            item.name,
            (
                left(item.name, species_colour(item.name, self.run)),
                left(item.niche or NOTHING, "" if item.niche else QUIET),
                left(item.owner, QUIET),
                right(credits(item.price_nanos), ACCENT),
                right(percent(item.reputation)),
                versus_base(item.accuracy, item.base_accuracy),
                right(percent(item.base_accuracy), QUIET),
                right(str(item.sales)),
            ),
        )


def _searchable(item: ListingView) -> str:
    return " ".join((item.name, item.niche or "", item.owner, item.description)).casefold()
