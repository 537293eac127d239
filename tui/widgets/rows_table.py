"""A table that is shown again and again as data arrives, and keeps its place meanwhile.

The cursor stays on the row with the same key, wherever a new order puts it; cells that did not
change are left alone. One column takes up the width that the others leave.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.text import Text
from textual import events, on
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import DataTable


@dataclass(frozen=True, slots=True)
class Column:
    """A column's key, heading and width in cells; numbers stand right."""

    key: str
    heading: str
    width: int
    number: bool = False
    flexible: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """A row's key and its cells, one for each column.

    Cells carry their style as spans: rich leaves `Text.style` out when it compares.
    """

    key: str
    cells: tuple[Text, ...]


OPEN: BindingType = Binding("enter", "select_cursor", "Open")
"""For tables with something behind their rows."""


class RowsTable(DataTable[Text]):
    """Base of all tables here; subclasses name their `COLUMNS`."""

    COLUMNS: ClassVar[tuple[Column, ...]] = ()

    @dataclass
    class Chosen(Message):
        """The cursor came to a row, or the row under it changed; None: the table is empty."""

        table: RowsTable
        key: str | None

        @property
        def control(self) -> RowsTable:
            """The table, for selectors of handlers."""
            return self.table

    @dataclass
    class Opened(Message):
        """Enter was pressed on a row."""

        table: RowsTable
        key: str

        @property
        def control(self) -> RowsTable:
            """The table, for selectors of handlers."""
            return self.table

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id, cursor_type="row", cursor_foreground_priority="renderable")
        self._shown: tuple[Row, ...] = ()
        self._widths: tuple[int, ...] = ()

    def on_mount(self) -> None:
        """Show the headings before there is data."""
        self._fit()

    def on_resize(self, event: events.Resize) -> None:
        """Give the flexible column its share of the new width."""
        self._fit()

    @property
    def chosen(self) -> str | None:
        """Key of the row under the cursor."""
        in_range = 0 <= self.cursor_row < len(self._shown)
        return self._shown[self.cursor_row].key if in_range else None

    def show_rows(self, rows: Sequence[Row]) -> None:
        """Replace the rows; the cursor stays on the row it was on, if that is still there."""
        new = tuple(rows)
        if new == self._shown:
            return
        old, self._shown = self._shown, new
        if [row.key for row in old] == [row.key for row in new]:
            self._update_cells(old, new)
        else:
            self._refill(old[self.cursor_row].key if self.cursor_row < len(old) else None)
        self.post_message(self.Chosen(self, self.chosen))

    def _update_cells(self, old: Sequence[Row], new: Sequence[Row]) -> None:
        for before, after in zip(old, new, strict=True):
            cells = zip(self.COLUMNS, before.cells, after.cells, strict=True)
            for column, was, now in cells:
                if was != now:
                    self.update_cell(after.key, column.key, now)

    def _refill(self, key: str | None) -> None:
        """Write all rows, with the cursor on `key` or else as near as may be to where it was."""
        keys = [row.key for row in self._shown]
        place = keys.index(key) if key in keys else min(self.cursor_row, len(keys) - 1)
        scroll_y = self.scroll_y
        with self.prevent(DataTable.RowHighlighted), self.app.batch_update():
            self.clear()
            for row in self._shown:
                self.add_row(*row.cells, key=row.key)
            self.move_cursor(row=max(0, place), scroll=False)
            self.scroll_to(y=scroll_y, animate=False)
        self.call_after_refresh(self._bring_cursor_into_view)

    def _fit(self) -> None:
        """Lay the columns out for the present width."""
        taken = sum(column.width + 2 * self.cell_padding for column in self.COLUMNS)
        spare = max(0, self.scrollable_content_region.width - taken)
        widths = tuple(column.width + spare * column.flexible for column in self.COLUMNS)
        if widths == self._widths:
            return
        self._widths = widths
        key = self.chosen
        with self.prevent(DataTable.RowHighlighted):
            self.clear(columns=True)
            for column, width in zip(self.COLUMNS, widths, strict=True):
                heading = Text(column.heading, justify="right" if column.number else "left")
                self.add_column(heading, key=column.key, width=width)
        self._refill(key)

    def _bring_cursor_into_view(self) -> None:
        self.move_cursor(row=self.cursor_row, scroll=True, animate=False)

    @on(DataTable.RowHighlighted)
    def _report_chosen(self, event: DataTable.RowHighlighted) -> None:
        event.stop()
        self.post_message(self.Chosen(self, self.chosen))

    @on(DataTable.RowSelected)
    def _report_opened(self, event: DataTable.RowSelected) -> None:
        event.stop()
        if event.row_key.value is not None:
            self.post_message(self.Opened(self, event.row_key.value))
