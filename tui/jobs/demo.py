"""The main job, end to end: helpers evolve into species, their layers are sold, all is reported.

    evolve -> controls -> exams -> market -> report
Every part keeps its result in HOME/run, so the same command goes on where a killed one stopped
and ends with the same `summary.json`, times apart.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

import torch

from academy.evolution.report import write_pages
from academy.evolution.run import RunResult, evolve
from academy.run_folder import RunFolder
from genome.base_model import BaseModel
from genome.bases import Bases
from genome.files import write_json
from seeds.bases import load_base, remember_base
from tui.jobs.comparison import compare
from tui.jobs.market import sell_champions
from tui.jobs.settings import DemoPlan, DemoSettings
from tui.jobs.show import Pace, Show
from tui.jobs.specialists import Specialists, examine_species


def run_demo(settings: DemoSettings, show: Show) -> dict[str, Any]:
    """Run or resume the demo; returns what `summary.json` holds.

    Raises:
        AcademyError, GenomeError, MarketError, PersonaError, OSError: With one line to show.
    """
    base = load_base(settings.out, settings.base or None)
    plan = settings.plan(base)
    summary_path = settings.out / "summary.json"
    folder = RunFolder(settings.out)
    with folder.claimed(plan.identity(), beside={"unit": "interactions"}):
        if summary_path.exists():
            show.note(f"{settings.out} holds this run, finished: nothing to do")
            return folder.read(summary_path)
        remember_base(Bases(settings.out), base)
        torch.set_num_threads(plan.evolution.run.threads)
        show.note(
            f"seed {plan.seed}: {plan.personas} helpers, {plan.interactions} interactions, "
            f"{len(plan.skills)} skills, into {plan.out}"
        )
        summary = _Demo(plan, show, folder, base).run()
        write_json(summary_path, summary)
        folder.write_status(
            "done", summary["generations"], summary["interactions"], plan.interactions
        )
    return summary


class _Watched:
    """Passes a job's events on, and keeps what phase it is in for who looks at the folder."""

    def __init__(self, show: Show, note_step: Callable[[dict[str, Any]], None]) -> None:
        self._show, self._note_step = show, note_step
        self.generation, self.note = show.generation, show.note
        self._paces: dict[str, Pace] = {}
        self._told: tuple[str, float] = ("", 0.0)

    def phase(self, name: str, done: float, total: float) -> None:
        """As `Show.phase`; the folder hears of it once a second, and of every new phase."""
        pace = self._paces.setdefault(name, Pace())
        pace.report(done, total)
        self._show.phase(name, done, total)
        before, at_s = self._told
        if name != before or done >= total or time.monotonic() - at_s >= 1.0:
            self._told = (name, time.monotonic())
            self._note_step({"name": name, "done": done, "total": total, "left_s": pace.left_s})


class _Demo:
    """The parts of one demo, sharing a base model and a folder."""

    def __init__(self, plan: DemoPlan, show: Show, folder: RunFolder, base: BaseModel) -> None:
        self.plan = plan
        self.show: Show = _Watched(show, self._note_step)
        self._phase, self._at = "", (0, 0)
        self.folder = folder
        self.base = base

    def run(self) -> dict[str, Any]:
        """All parts in order."""
        result = self._evolve()
        run = result.run
        self._at = run.generation, run.answers or 0
        self._status("exams")
        specialists = examine_species(self.base, run, self.plan, self.folder, self.show)
        self._status("controls")
        controls = compare(self.base, result, self.plan, self.folder, self.show)
        self._status("market")
        market = sell_champions(self.base, specialists, self.plan, self.folder, self.show)
        summary = self._summary(result, specialists, controls, market)
        write_pages(self.plan.out / "report.html", summary, self.folder.generations())
        return summary

    def _evolve(self) -> RunResult:
        """Run or resume the evolution until its budget is spent, saving every generation."""
        limit = self.plan.interactions
        before = self.folder.generations()
        spent = before[-1]["interactions"] if before else 0
        if before:
            self.show.note(f"evolving: resumed after generation {before[-1]['generation']}")
        self.show.phase("evolving", spent, limit)

        def kept(record: Mapping[str, Any]) -> None:
            self.show.phase("evolving", record["interactions"], limit)
            self.show.generation(record)

        return evolve(self.plan.evolution, base=self.base, folder=self.folder, kept=kept)

    def _status(self, phase: str) -> None:
        self._phase = phase
        self.folder.write_status(phase, *self._at, self.plan.interactions)

    def _note_step(self, step: dict[str, Any]) -> None:
        """After evolution the budget is spent: what is going on is told beside it."""
        if self._phase:
            self.folder.write_status(self._phase, *self._at, self.plan.interactions, step)

    def _summary(
        self,
        result: RunResult,
        specialists: Specialists,
        controls: dict[str, Any],
        market: dict[str, Any],
    ) -> dict[str, Any]:
        run, tokens = result.run, result.tokens
        living = len({candidate.line for candidate in run.population})
        ended = sum(n.kind == "species" and n.died is not None for n in run.phylogeny.nodes)
        return {
            "seed": self.plan.seed,
            "personas": self.plan.personas,
            "interactions": run.answers,
            "generations": run.generation,
            "wall_s": round(self.folder.elapsed_s, 1),
            "skills": list(self.plan.skills),
            "base_accuracy": controls["methods"]["base"]["by_skill"],
            "species": [
                {**species.facts(), **market["by_species"].get(species.name, {})}
                for species in specialists.species
            ],
            "extinct_lines": self.plan.personas - living,
            "extinct_species": ended,
            "controls": controls["methods"],
            "tokens": {**asdict(tokens), "equivalents": tokens.equivalents},
            "market": market["totals"],
            "purchase": market["purchase"],
            "throughput": controls["throughput"],
            "threads": self.plan.evolution.run.threads,
            "base_model": self.base.fingerprint,
        }
