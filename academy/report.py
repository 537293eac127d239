"""A run as one HTML file that needs nothing else: numbers, plots, and the honest controls."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader

from academy.plots import (
    plot_controls,
    plot_market,
    plot_niche_accuracy,
    plot_skill_matrix,
    plot_species,
)
from genome.files import write_text

NANOS_PER_CREDIT = 1_000_000_000


def write_report(
    path: Path, summary: dict[str, Any], generations: Sequence[dict[str, Any]]
) -> None:
    """Write the report of a finished run.

    Args:
        summary: What `summary.json` holds.
        generations: The run's generation records, in order.
    """
    environment = Environment(loader=PackageLoader("academy", "."), autoescape=True)
    environment.filters["percent"] = lambda x: f"{100 * x:.1f} %"
    environment.filters["credits"] = lambda nanos: f"{nanos / NANOS_PER_CREDIT:.4f}"
    template = environment.get_template("report.html.j2")
    species = summary["species"]
    plots = [
        ("Species over generations", plot_species(generations)),
        ("Accuracy on the niche, unseen questions", plot_niche_accuracy(species)),
        (
            "Skill matrix: mean estimate of each species' members",
            plot_skill_matrix(generations[-1], summary["skills"], summary["base_accuracy"]),
        ),
        ("Against the controls, at equal tokens", plot_controls(summary)),
        ("Price and sales", plot_market(species)),
    ]
    write_text(path, template.render(summary=summary, plots=plots, methods=_methods(summary)))


def _methods(summary: dict[str, Any]) -> list[dict[str, Any]]:
    """One row per method for the table of controls."""
    controls = summary["controls"]
    rows = [("base alone", controls["base"])]
    for key, facts in controls["joint_lora"].items():
        if key.startswith("rank_"):
            name = f"one joint LoRA, rank {facts['rank']}, rate {facts['learning_rate']}"
            rows.append((name, facts))
    rows.append(("random search, routed", controls["random_search"]))
    rows.append(("evolved species, routed", controls["evolved"]))
    return [{"name": name, **facts} for name, facts in rows]
