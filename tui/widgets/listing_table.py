"""The layers for sale."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import BindingType
from textual.reactive import reactive

from tui.data.snapshot import ListingRecord, MarketSnapshot, RunSnapshot
from tui.widgets.rows_table import OPEN, Column, Row, RowsTable
from tui.widgets.wording import (
    ACCENT,
    NOTHING,
    QUIET,
    credits,
    left,
    percent,
    right,
    species_colour,
    versus_base,
)


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

    def _row(self, item: ListingRecord) -> Row:
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


def _searchable(item: ListingRecord) -> str:
    return " ".join((item.name, item.niche or "", item.owner, item.description)).casefold()
