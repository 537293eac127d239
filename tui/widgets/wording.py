"""How values are written and coloured, the same on every screen.

Screens show text built here, so that a credit, a share or a species looks alike everywhere.
"""

from __future__ import annotations

import itertools
import time
import zlib
from collections.abc import Sequence

from rich.style import Style
from rich.text import Text

from marketplace.money import short_credits
from tui.data.snapshot import RunSnapshot

LIVING = "#7fd88f"
EXTINCT = "#6b7785"
QUIET = "#8b98a5"
FAINT = "#3a4651"
GOOD = "#7fd88f"
BAD = "#f0788c"
ACCENT = "#f0c674"
BRIGHT = "#d8dee6"

# Twelve hues of like lightness, legible on the dark background, neighbours far apart.
PALETTE = (
    "#6cb6ff",
    "#f2a65a",
    "#8ddb8c",
    "#e685b5",
    "#c3a6ff",
    "#efd662",
    "#5fd7c4",
    "#ff8f80",
    "#a9c96f",
    "#8fa2ff",
    "#dcaa85",
    "#74d0f1",
)
SPARKS = " ▁▂▃▄▅▆▇█"
NOTHING = "–"


def species_colour(name: str, run: RunSnapshot | None) -> str:
    """A species' colour: by its number in the run, so that early species never share one."""
    species = run.species_named(name) if run else None
    return PALETTE[(species.id if species else zlib.crc32(name.encode())) % len(PALETTE)]


def credits(nanos: int | None) -> str:
    """Nano-credits as credits with four decimals."""
    return NOTHING if nanos is None else short_credits(nanos)


def percent(share: float | None) -> str:
    """A share in [0, 1] as whole per cent."""
    return NOTHING if share is None else f"{share * 100:.0f}%"


def whole(number: int | None) -> str:
    """A whole number, or a dash for one that nobody wrote down."""
    return NOTHING if number is None else str(number)


def count(number: int) -> str:
    """A whole number as commands print it; a gap in it would let a line break there."""
    return f"{number:,}"


def moment(epoch_s: float) -> str:
    """A point in time, local, as month-day hour:minute."""
    return time.strftime("%m-%d %H:%M", time.localtime(epoch_s))


def clock(epoch_s: float) -> str:
    """A time of today, local, to the second."""
    return time.strftime("%H:%M:%S", time.localtime(epoch_s))


def right(text: str, style: str = "") -> Text:
    """A cell of numbers."""
    return Text.assemble((text, style), justify="right", no_wrap=True)


def left(text: str, style: str = "") -> Text:
    """A cell of words; too long ones end in an ellipsis."""
    return Text.assemble((text, style), no_wrap=True, overflow="ellipsis")


def species_label(name: str, colour: str, *, living: bool = True) -> Text:
    """A green dot or a dim cross, and the name in the species' colour."""
    mark = ("● ", LIVING) if living else ("✗ ", EXTINCT)
    styled = (name, Style(color=colour, dim=not living))
    return Text.assemble(mark, styled, no_wrap=True, overflow="ellipsis")


def signed(nanos: int) -> Text:
    """An amount that comes in (green, plus) or goes out (red, minus)."""
    amount = credits(nanos)
    plus = "+" if amount[0].isdigit() and nanos > 0 else ""
    return right(plus + amount, GOOD if nanos > 0 else BAD)


def versus_base(accuracy: float | None, base: float | None) -> Text:
    """Accuracy, green above the base model's and red below it."""
    if accuracy is None or base is None:
        return right(percent(accuracy))
    ahead = round(accuracy * 100) - round(base * 100)
    return right(percent(accuracy), GOOD if ahead > 0 else BAD if ahead < 0 else "")


def spark(values: Sequence[float], width: int) -> str:
    """Values as one line of blocks; zero is blank, the largest value a full block."""
    if not values or max(values) <= 0:
        return " " * width
    n_cells = min(width, len(values))
    edges = [round(i * len(values) / n_cells) for i in range(n_cells + 1)]
    peaks = [max(values[a:b]) for a, b in itertools.pairwise(edges)]  # (n_cells,)
    top = max(peaks)
    steps = (0 if peak <= 0 else max(1, round(peak / top * 8)) for peak in peaks)
    return "".join(SPARKS[step] for step in steps)


def bar(share: float, width: int, colour: str, base: float | None = None) -> Text:
    """A share in [0, 1] as a line, with a tick where the base model stands."""
    filled = round(max(0.0, min(1.0, share)) * width)
    text = Text("━" * filled, style=colour, no_wrap=True)
    text.append("─" * (width - filled), style=FAINT)
    if base is None or width < 1:
        return text
    tick = min(width - 1, round(max(0.0, min(1.0, base)) * width))
    return Text.assemble(text[:tick], ("┃", BRIGHT), text[tick + 1 :], no_wrap=True)
