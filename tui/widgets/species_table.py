"""The species of a run, living ones first.

All that is known of one species.
"""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.reactive import reactive
from textual.widgets import Label, Static

from tui.data.snapshot import MarketSnapshot, RunSnapshot, SpeciesLine
from tui.widgets.rows_table import OPEN, Column, Row, RowsTable
from tui.widgets.skill_bars import History, SkillBars
from tui.widgets.wording import (
    ACCENT,
    EXTINCT,
    NOTHING,
    QUIET,
    credits,
    left,
    percent,
    right,
    spark,
    species_colour,
    species_label,
    versus_base,
    whole,
)


class SpeciesDetail(VerticalScroll):
    """Facts, population over generations, and skill profile of the chosen species."""

    BORDER_TITLE = "species"
    run: reactive[RunSnapshot | None] = reactive(None)
    market: reactive[MarketSnapshot | None] = reactive(None)
    key: reactive[str | None] = reactive(None)

    def compose(self) -> ComposeResult:
        """Facts and population beside (or, where it is narrow, above) the skills."""
        with Vertical(id="about"):
            yield Static(id="facts")
            yield History(id="population")
            yield Label(id="population-note")
        yield SkillBars(id="profile")

    def on_mount(self) -> None:
        """Show what was known before there was a place for it."""
        self._show()

    def watch_run(self) -> None:
        """Show the new state."""
        self._show()

    def watch_market(self) -> None:
        """Show the new price and sales."""
        self._show()

    def watch_key(self) -> None:
        """Show another species."""
        self._show()
        self.scroll_home(animate=False)

    def _show(self) -> None:
        if not self.children or self.run is None:
            return
        line = next((item for item in self.run.species if str(item.id) == self.key), None)
        self.set_class(line is None, "-empty")
        if line is None:
            self.border_title = "species"
            return
        colour = species_colour(line.name, self.run) if line.living else EXTINCT
        label = species_label(line.name, colour, living=line.living)
        self.border_title = Content.from_rich_text(label)
        self.query_one("#facts", Static).update(self._facts(line))
        self._show_population(line, colour)
        self._show_profile(line, colour)

    def _show_population(self, line: SpeciesLine, colour: str) -> None:
        chart = self.query_one("#population", History)
        chart.colour = colour
        chart.values = line.populations
        chart.display = len(line.populations) > 0
        peak = max(line.populations, default=0)
        note = f"peak {peak} in {len(line.populations)} generations"
        self.query_one("#population-note", Label).update(note if line.populations else "")

    def _show_profile(self, line: SpeciesLine, colour: str) -> None:
        bars = self.query_one(SkillBars)
        bars.names = self.run.skills if self.run else ()
        bars.base = self.run.base_by_skill if self.run else ()
        bars.colour = colour
        bars.values = line.profile

    def _facts(self, line: SpeciesLine) -> Text:
        text = Text()
        for name, value in self._pairs(line):
            text.append(f"{name:<9}", QUIET).append_text(value).append("\n")
        text.right_crop(1)
        return text

    def _pairs(self, line: SpeciesLine) -> list[tuple[str, Text]]:
        parent = f", from {line.parent}" if line.parent else ""
        pairs = [("niche", Text(line.niche or "none yet"))]
        if line.born is not None:
            pairs.append(("born", Text(f"generation {line.born}{parent}")))
        if line.extinct:
            ended = f"generation {line.extinct.generation}, {line.extinct.cause}"
            pairs.append(("extinct", Text(ended)))
        accuracy = f"{percent(line.accuracy)}, base {percent(line.base_accuracy)}"
        pairs.append(("accuracy", Text(accuracy)))
        if line.outcome:
            low, high = line.outcome.test_interval
            tested = f"{percent(line.outcome.test_accuracy)}, {percent(low)} to {percent(high)}"
            pairs.append(("test", Text(tested)))
        pairs.append(("price", self._price(line)))
        return pairs

    def _price(self, line: SpeciesLine) -> Text:
        """What the market asks now; else what the finished run noted."""
        offer = self.market.listing(line.name) if self.market else None
        price = offer.price_nanos if offer else line.outcome.price_nanos if line.outcome else None
        sales = offer.sales if offer else line.outcome.sales if line.outcome else None
        if price is None:
            return Text("not for sale", QUIET)
        sold = "" if sales is None else ", 1 sale" if sales == 1 else f", {sales} sales"
        return Text.assemble((credits(price), ACCENT), f" credits{sold}")


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
