"""Served accuracy with and without the link, and whom the linked Academy keeps alive."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from academy.skills import SKILL_NAMES
from economy.cycle.scenario import FIRST, THEN, CycleSettings, EpochRow

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = {"linked": "#1b7837", "cut": "#b2182b", "even": "#2166ac"}
WORDS = {
    "linked": "Academy hears the market",
    "cut": "link cut at the shift",
    "even": "never linked (all skills alike)",
}


def plot_cycle(settings: CycleSettings, found: Mapping[str, Sequence[EpochRow]]) -> str:
    """The figure as SVG text."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, (above, below) = plt.subplots(
        2, 1, figsize=(8, 7), sharex=True, layout="constrained", height_ratios=(3, 2)
    )
    for link, rows in found.items():
        above.plot(
            [r.epoch for r in rows], [r.served for r in rows], "o-", ms=4,
            color=COLOURS[link], label=WORDS[link],
        )  # fmt: skip
    some = next(iter(found.values()))
    above.plot(
        [r.epoch for r in some],
        [r.base for r in some],
        ":",
        color="0.5",
        label="base model",
    )
    for axes in (above, below):
        axes.axvline(settings.shift - 0.5, color="0.6", lw=1, ls="--")
    above.set_ylabel("questions answered right")
    above.set_ylim(0, 1)
    above.legend(frameon=False, fontsize=9, loc="lower right")
    above.set_title("Demand changes at the dashed line", fontsize=11, loc="left")
    _population(below, found.get("linked", some))
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None})
    plt.close(figure)
    return text.getvalue()


def _population(axes: Axes, rows: Sequence[EpochRow]) -> None:
    """Stacked bars: whose skill the living personas serve, wanted skills named."""
    from matplotlib import colormaps

    named = [s for s in SKILL_NAMES if s in {*FIRST, *THEN}]
    colours = dict(zip(named, colormaps["tab10"](range(len(named))), strict=True))
    floor = [0.0] * len(rows)
    for skill in (*named, "others"):
        share = [_share(row, named, skill) for row in rows]
        colour = colours.get(skill, (0.85, 0.85, 0.85, 1.0))
        axes.bar([r.epoch for r in rows], share, bottom=floor, color=colour, label=skill)
        floor = [low + part for low, part in zip(floor, share, strict=True)]
    axes.set_ylabel("living personas\n(linked)")
    axes.set_xlabel("epoch")
    axes.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0))


def _share(row: EpochRow, named: Sequence[str], skill: str) -> float:
    whole = sum(row.population.values()) or 1
    if skill == "others":
        return sum(n for s, n in row.population.items() if s not in named) / whole
    return row.population.get(skill, 0) / whole
