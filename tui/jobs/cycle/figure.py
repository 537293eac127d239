"""Served accuracy with and without the link, and whom the linked Academy keeps alive."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

from academy.skills import SKILL_NAMES
from tui.jobs.cycle.scenario import CycleSettings, EpochRow

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


def _population(axes: object, rows: Sequence[EpochRow]) -> None:
    from matplotlib import colormaps
    from matplotlib.axes import Axes

    assert isinstance(axes, Axes)
    shown = [s for s in SKILL_NAMES if any(r.demand.get(s, 0) >= 0.1 for r in rows)]
    colours = colormaps["tab10"].colors  # type: ignore[attr-defined]
    for number, skill in enumerate(shown):
        axes.plot(
            [r.epoch for r in rows], [r.demand.get(skill, 0.0) for r in rows], "-",
            color=colours[number % 10], label=skill,
        )  # fmt: skip
    axes.set_ylabel("share of demand\nheard by the Academy")
    axes.set_xlabel("epoch")
    axes.legend(frameon=False, fontsize=8, ncol=2, loc="upper left", bbox_to_anchor=(1.0, 1.0))
