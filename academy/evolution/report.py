"""A run as one HTML file that needs nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader

from academy.plots import plot_best_by_skill, plot_skill_matrix, plot_species
from genome.files import write_text


def write_report(
    path: Path,
    settings: dict[str, Any],
    generations: Sequence[dict[str, Any]],
    result: dict[str, Any] | None,
    events: Sequence[dict[str, Any]],
    *,
    at_work: bool = False,
) -> None:
    """Write the report of a run, finished or not.

    Args:
        settings: The run's `config.json`.
        generations: Its generation records, in order.
        result: Its `result.json`, once it is finished.
        events: Lines of its `events.jsonl`, and trials held in its home.
        at_work: Whether a process goes on with it right now.
    """
    environment = Environment(loader=PackageLoader("academy", "."), autoescape=True)
    environment.filters["percent"] = lambda x: f"{100 * x:.1f} %"
    skills = settings["skills"]
    plots = [("Best of the living, skill by skill", plot_best_by_skill(generations, skills))]
    peopled = [g for g in generations if any(s["population"] for s in g["species"])]
    if peopled:
        base = peopled[-1].get("base_by_skill") or (result or {}).get("base_accuracy") or ()
        plots += [
            ("Species over generations", plot_species(peopled)),
            ("Skill matrix", plot_skill_matrix(peopled[-1], skills, base)),
        ]
    template = environment.get_template("run_report.html.j2")
    write_text(
        path,
        template.render(
            settings=settings, last=generations[-1], result=result, plots=plots,
            state="Finished run" if result else "Run in progress" if at_work else "Unfinished run",
            operators=_operators(events), trials=_trials(events),
            notices=[event["text"] for event in events if event["event"] == "Notice"],
        ),
    )  # fmt: skip


def _operators(events: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Children and archive gain of every operator, most children first."""
    counted: dict[str, dict[str, Any]] = {}
    for event in events:
        if event["event"] in ("Born", "Discarded"):
            row = counted.setdefault(
                event["operator"],
                {"name": event["operator"], "born": 0, "discarded": 0, "gain": 0.0},
            )
            row["born" if event["event"] == "Born" else "discarded"] += 1
            row["gain"] += event["gain"] if event["event"] == "Born" else 0.0
    return sorted(counted.values(), key=lambda row: -row["born"])


def _trials(events: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Every trial held, those that showed a difference first."""
    trials = [event for event in events if event["event"] == "TrialHeld"]
    return sorted(trials, key=lambda trial: trial["verdict"] == "no difference shown")
