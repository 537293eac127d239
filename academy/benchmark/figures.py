"""The benchmark's two figures: what methods know of themselves on the way, and who covers what."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from academy.benchmark.tracks import TRACKS
from academy.benchmark.verdict import Result, Row
from academy.plots import ACCENT, COLOURS, INK, QUIET, svg

OURS = "academy"


def plot_anytime(results: Sequence[Result]) -> str:
    """The incumbent's accuracy on selection questions against tokens spent, mean over seeds.

    Methods that search by loss have no accuracy on the way: they show as a mark at their end.
    """
    figure = Figure((10.0, 4.4))
    axes = figure.subplots(1, 2, sharey=True)
    everybody = sorted({r["method"] for r in results} - {OURS})
    for place, track in zip(axes, TRACKS, strict=True):
        mine = [r for r in results if r["track"] == track]
        for method in sorted({r["method"] for r in mine}):
            runs = [r for r in mine if r["method"] == method]
            colour = INK if method == OURS else COLOURS(everybody.index(method) % 20)
            width = 2.4 if method == OURS else 1.2
            at, values = _mean_curve(runs)
            if len(at):
                place.plot(at / 1e6, values, color=colour, linewidth=width, label=method)
            end = np.mean([r["tokens"] for r in runs]) / 1e6
            score = np.mean([r["select_mean"] for r in runs])
            place.plot(
                [end], [score], "o", color=colour, markersize=4,
                label=None if len(at) else method,
            )  # fmt: skip
        place.set(xlabel="million token-equivalents", title=f"track {track}", ylim=(0, 1))
    axes[0].set_ylabel("accuracy on selection questions")
    handles: dict[str, Any] = {}
    for place in axes:
        lines, labels = place.get_legend_handles_labels()
        handles |= dict(zip(labels, lines, strict=True))
    figure.legend(
        list(handles.values()), list(handles), loc="center left", bbox_to_anchor=(0.92, 0.5),
        frameon=False, fontsize=7,
    )  # fmt: skip
    return svg(figure)


def plot_coverage(rows: Sequence[Row], results: Sequence[Result]) -> str:
    """Share of skills that some member of each method's answer has at 0.9 or more, by track."""
    figure = Figure((10.0, 0.9 + 0.26 * max(1, len({r.method for r in rows}))))
    axes = figure.subplots(1, 2, sharey=True)
    order = [row.method for row in rows if row.track == "A"]
    order += [row.method for row in rows if row.track == "B" and row.method not in order]
    for place, track in zip(axes, TRACKS, strict=True):
        for y, method in enumerate(order):
            values = [
                r["covered"] for r in results if r["track"] == track and r["method"] == method
            ]
            if values:
                colour = ACCENT if method.startswith(OURS) else QUIET
                place.barh(y, np.mean(values), color=colour)
                place.plot(values, [y] * len(values), "|", color=INK, markersize=6)
        place.set(xlim=(0, 1), xlabel="skills at 0.9 or more on test questions")
        place.set_title(f"track {track}")
    axes[0].set_yticks(range(len(order)), order, fontsize=8)
    axes[0].invert_yaxis()
    return svg(figure)


def _mean_curve(runs: Sequence[Result], points: int = 60) -> tuple[np.ndarray, np.ndarray]:
    """Mean of step curves over runs; empty where merits are no accuracies."""
    curves: list[list[Any]] = [r["curve"] for r in runs if len(r["curve"]) > 1]
    if not curves or any(merit < 0 for curve in curves for _, merit in curve):
        return np.zeros(0), np.zeros(0)
    start = max(curve[0][0] for curve in curves)
    end = min(curve[-1][0] for curve in curves)
    if start >= end:
        return np.zeros(0), np.zeros(0)
    at = np.linspace(start, end, points)
    values = [
        [curve[max(0, int(np.searchsorted([p[0] for p in curve], x, "right")) - 1)][1] for x in at]
        for curve in curves
    ]
    return at, np.mean(values, axis=0)
