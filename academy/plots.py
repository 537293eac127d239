"""The report's plots, each as one inline SVG element."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
from markupsafe import Markup
from matplotlib.figure import Figure

INK, QUIET, ACCENT = "#22313f", "#9aa5b1", "#2a7de1"
COLOURS = mpl.colormaps["tab20"]
UNNAMED = mpl.colormaps["Greys"].resampled(12)
"""Species without a niche: light greys."""
WIDE, NARROW = (9.0, 3.6), (9.0, 3.0)
SHOWN_SHARE = 0.1
"""Of the largest population: a dead species that ever had more stands in the legend."""


def plot_species(generations: Sequence[dict[str, Any]]) -> Markup:
    """Members of every species by generation, as a stacked area.

    A species is drawn under the name it had at the time: the helpers of generation 0 are no
    specialists yet, whatever became of them.
    """
    present = [{(s["id"], s["name"]): s["population"] for s in r["species"]} for r in generations]
    niches = {(s["id"], s["name"]): s["niche"] for r in generations for s in r["species"]}
    keys = sorted(niches)  # a species' names side by side, so that its area goes on
    sizes = [[record.get(key, 0) for record in present] for key in keys]
    figure = Figure(WIDE)
    axes = figure.subplots()
    colours = [COLOURS(i % 20) if niches[key] else UNNAMED(2 + i % 4) for i, key in enumerate(keys)]
    axes.stackplot([r["generation"] for r in generations], sizes, colors=colours)
    largest = max(sum(record.values()) for record in present)
    for (_, name), colour, size in zip(keys, colours, sizes, strict=True):
        if size[-1] or max(size) > SHOWN_SHARE * largest:
            axes.plot([], [], color=colour, linewidth=6, label=name)
    axes.margins(0)
    axes.set(xlabel="generation", ylabel="personas")
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False, fontsize=8)
    return svg(figure)


def plot_niche_accuracy(species: Sequence[dict[str, Any]]) -> Markup:
    """Champion beside base on the niche, with 95 % intervals and the 90 % line."""
    figure = Figure(WIDE)
    axes = figure.subplots()
    rows = range(len(species))
    for key, colour, shift, label in (
        ("base", QUIET, 0.2, "base"),
        ("test", ACCENT, -0.2, "champion"),
    ):
        values = [s[f"{key}_accuracy"] for s in species]
        low = [max(0.0, v - s[f"{key}_interval"][0]) for v, s in zip(values, species, strict=True)]
        high = [max(0.0, s[f"{key}_interval"][1] - v) for v, s in zip(values, species, strict=True)]
        places = [row + shift for row in rows]
        axes.barh(places, values, 0.38, color=colour, xerr=[low, high], label=label)
    axes.axvline(0.9, color=INK, linewidth=0.8, linestyle=":")
    axes.set_yticks(list(rows), [f"{s['name']} ({s['niche']})" for s in species])
    axes.invert_yaxis()
    axes.set(xlim=(0, 1), xlabel="exact-match accuracy, unseen test questions")
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False, fontsize=8)
    return svg(figure)


def plot_skill_matrix(
    last: dict[str, Any], skills: Sequence[str], base_accuracy: Sequence[float]
) -> Markup:
    """Species that have members, by skill; the base in the last row, if it was measured."""
    species = sorted(
        (s for s in last["species"] if s["population"]), key=lambda s: -s["population"]
    )
    names = [s["name"] for s in species] + ["base"] * bool(base_accuracy)
    matrix = [s["profile"] for s in species] + [list(base_accuracy)] * bool(base_accuracy)
    figure = Figure((9.0, 1.2 + 0.32 * len(names)))
    axes = figure.subplots()
    image = axes.imshow(matrix, vmin=0, vmax=1, cmap="viridis", aspect="auto")
    axes.set_xticks(range(len(skills)), skills, rotation=40, ha="right")
    axes.set_yticks(range(len(names)), names)
    for y, row in enumerate(matrix):
        for x, value in enumerate(row):
            ink = "black" if value > 0.6 else "white"
            axes.text(x, y, f"{100 * value:.0f}", ha="center", va="center", fontsize=7, color=ink)
    figure.colorbar(image, ax=axes, label="estimated accuracy", pad=0.02)
    return svg(figure)


def plot_best_by_skill(generations: Sequence[dict[str, Any]], skills: Sequence[str]) -> Markup:
    """The best estimate of every skill against what was spent."""
    figure = Figure(WIDE)
    axes = figure.subplots()
    spent = [g["interactions"] / 1e6 for g in generations]
    for k, skill in enumerate(skills):
        values = [g["best_by_skill"][k] for g in generations]
        axes.plot(spent, values, color=COLOURS(k % 20), linewidth=1.4, label=skill)
    axes.axhline(0.9, color=INK, linewidth=0.8, linestyle=":")
    axes.set(ylim=(0, 1.02), xlabel="million token-equivalents", ylabel="estimated accuracy")
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False, fontsize=8)
    return svg(figure)


def plot_controls(summary: dict[str, Any]) -> Markup:
    """Mean and worst skill of every method on the same general test exam."""
    controls = summary["controls"]
    named = {
        "base": controls["base"],
        "joint LoRA": controls["joint_lora"],
        "random search": controls["random_search"],
        "evolved": controls["evolved"],
    }
    figure = Figure(NARROW)
    axes = figure.subplots()
    for key, colour, shift in (("mean", ACCENT, -0.2), ("worst", QUIET, 0.2)):
        values = [facts[key] for facts in named.values()]
        label = f"{key} skill" if key == "worst" else "mean over skills"
        bars = axes.bar([i + shift for i in range(len(named))], values, 0.38, color=colour)
        bars.set_label(label)
        axes.bar_label(bars, fmt="%.2f", fontsize=8)
    axes.set_xticks(range(len(named)), list(named))
    axes.set(ylim=(0, 1.08), ylabel="accuracy")
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False, fontsize=8)
    return svg(figure)


def plot_market(species: Sequence[dict[str, Any]]) -> Markup:
    """Price of every listing before and after its sales, with the number sold."""
    figure = Figure(NARROW)
    axes = figure.subplots()
    listed = [s for s in species if "price_nanos" in s]
    prices = [s["price_nanos"] / 1e9 for s in listed]
    first = [s["price_history"][0]["price_nanos"] / 1e9 for s in listed]
    axes.bar(range(len(listed)), prices, color=ACCENT, label="price now")
    axes.plot(
        range(len(listed)), first, "_", color=INK, markersize=16, label="price at publication"
    )
    for i, s in enumerate(listed):
        sold = f"{s['sales']} sold" if s["sales"] else ""
        axes.text(i, prices[i], sold, ha="center", va="bottom", fontsize=8)
    axes.set_xticks(range(len(listed)), [s["name"] for s in listed], rotation=30, ha="right")
    axes.margins(y=0.15)
    axes.set(ylabel="credits")
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False, fontsize=8)
    return svg(figure)


def svg(figure: Figure) -> Markup:
    """The figure as an SVG element, the same bytes for the same data."""
    out = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": "continuum", "svg.fonttype": "none"}):
        figure.savefig(out, format="svg", bbox_inches="tight", metadata={"Date": None})
    text = out.getvalue()
    return Markup(text[text.index("<svg") :])
