"""A run as one HTML file that needs nothing else: numbers, plots, and the honest controls.

A generation's record is plain data, in the form that screens and reports read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader

from academy.evolution.society import profiles
from academy.evolution.state import Candidate, Evolution
from academy.plots import (
    plot_best_by_skill,
    plot_controls,
    plot_market,
    plot_niche_accuracy,
    plot_skill_matrix,
    plot_species,
)
from academy.selection.fitness import shared_fitness
from academy.training import TokenMeter
from genome.files import write_text

NANOS_PER_CREDIT = 1_000_000_000


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
            settings=settings,
            last=generations[-1],
            result=result,
            plots=plots,
            state="Finished run" if result else "Run in progress" if at_work else "Unfinished run",
            operators=_operators(events),
            trials=_trials(events),
            notices=[event["text"] for event in events if event["event"] == "Notice"],
        ),
    )


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


def record_of(run: Evolution, tokens: TokenMeter) -> dict[str, Any]:
    """A generation as plain data, ready for JSON."""
    everyone = run.population
    known = (run.skill_hits + run.base_accuracy) / (run.skill_asked + 1)
    accuracy = profiles(everyone) if everyone else known[None, :]
    shares = shared_fitness(accuracy**6) * len(accuracy) / len(run.skills)  # mean 1
    born = [c for c in everyone if c.born == run.generation and c.parents]
    return {
        "generation": run.generation,
        "phase": run.phase,
        "interactions": tokens.equivalents if run.answers is None else run.answers,
        "births": len(born),
        "deaths": sum(
            n.kind == "candidate" and n.died == run.generation for n in run.phylogeny.nodes
        ),
        "living_lines": len({c.line for c in everyone}) if everyone else 1,
        "fitness": {
            "best": _rounded(shares.max()),
            "mean": _rounded(shares.mean()),
            "worst": _rounded(shares.min()),
        },
        "best_by_skill": [_rounded(x) for x in accuracy.max(0)],
        "mean_by_skill": [_rounded(x) for x in accuracy.mean(0)],
        "base_by_skill": [_rounded(x) for x in run.base_accuracy],
        "species": [_species(run, everyone, s.id) for s in run.taxonomy.species],
        "extinct": [
            {
                "id": int(n.id.rpartition("-")[2]),
                "name": n.name,
                "niche": None,
                "born": n.born,
                "generation": run.generation,
                "cause": n.cause or "",
            }
            for n in run.phylogeny.nodes
            if n.kind == "species" and n.died == run.generation
        ],
        "failures": run.failures,
        "tokens": asdict(tokens),
    }


def _species(run: Evolution, everyone: Sequence[Candidate], number: int) -> dict[str, Any]:
    species = run.taxonomy.by_id(number)
    members = [c for c in everyone if c.species == number]
    niche = run.skills.index(species.niche) if species.niche else None
    profile = np.mean([c.profile for c in members], axis=0) if members else run.reference
    shown = [c.profile for c in members] or [profile]  # nobody may be left until the next census
    best = max(p.mean() if niche is None else p[niche] for p in shown)
    return {
        "id": number,
        "name": species.name,
        "niche": species.niche,
        "population": len(members),
        "born": species.born,
        "parent": species.parent,
        "accuracy": _rounded(best),
        "base_accuracy": _rounded(
            run.base_accuracy.mean() if niche is None else run.base_accuracy[niche]
        ),
        "profile": [_rounded(x) for x in profile],
    }


def _rounded(x: float) -> float:
    return round(float(x), 4)


def write_pages(path: Path, summary: dict[str, Any], generations: Sequence[dict[str, Any]]) -> None:
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
