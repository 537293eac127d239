"""The species of a run, living ones first."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import BindingType
from textual.reactive import reactive

from tui.data.snapshot import RunSnapshot, SpeciesLine
from tui.widgets.rows_table import OPEN, Column, Row, RowsTable
from tui.widgets.wording import (
    EXTINCT,
    NOTHING,
    QUIET,
    left,
    percent,
    right,
    spark,
    species_colour,
    species_label,
    versus_base,
    whole,
)

SPARK_WIDTH = 10


class SpeciesTable(RowsTable):
    """One row per species; the key is its number in the run."""

    BINDINGS: ClassVar[list[BindingType]] = [OPEN]
    COLUMNS = (
        Column("species", "Species", 15, flexible=True),
        Column("niche", "Niche", 8),
        Column("populations", "Population", SPARK_WIDTH),
        Column("population", "Now", 3, number=True),
        Column("accuracy", "Acc", 4, number=True),
        Column("base", "Base", 4, number=True),
        Column("born", "Born", 4, number=True),
        Column("extinct", "Extinct", 14),
    )

    run: reactive[RunSnapshot | None] = reactive(None)
    pattern: reactive[str] = reactive("")

    def watch_run(self) -> None:
        """Show the new state."""
        self._show()

    def watch_pattern(self) -> None:
        """Show what matches."""
        self._show()

    def _show(self) -> None:
        lines = self.run.species if self.run else ()
        wanted = self.pattern.casefold()
        self.show_rows([self._row(line) for line in lines if wanted in _searchable(line)])

    def _row(self, line: SpeciesLine) -> Row:
        colour = species_colour(line.name, self.run)
        ended = line.extinct
        return Row(
            str(line.id),
            (
                species_label(line.name, colour, living=line.living),
                left(line.niche or NOTHING, "" if line.niche else QUIET),
                left(spark(line.populations, SPARK_WIDTH), colour if line.living else EXTINCT),
                right(whole(line.population) if line.living else NOTHING),
                versus_base(line.accuracy, line.base_accuracy),
                right(percent(line.base_accuracy), QUIET),
                right(whole(line.born)),
                left(f"{ended.generation} {ended.cause}" if ended else "", EXTINCT),
            ),
        )


def _searchable(line: SpeciesLine) -> str:
    words = (line.name, line.niche or "", line.extinct.cause if line.extinct else "living")
    return " ".join(words).casefold()
