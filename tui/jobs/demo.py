"""The main job, end to end: helpers evolve into species, their layers are sold, all is reported.

    evolve -> controls -> exams -> market -> report
Every part keeps its result in HOME/run, so the same command goes on where a killed one stopped
and ends with the same `summary.json`, times apart.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import torch

from academy.apprenticeship.apprenticeship import Apprenticeship, Workshop
from academy.apprenticeship.checkpoint import load_checkpoint, save_checkpoint
from academy.apprenticeship.config import ApprenticeshipConfig
from academy.apprenticeship.lineage import extinct_lines
from academy.apprenticeship.record import record_of
from academy.evaluator import LocalEvaluator
from academy.report import write_report
from academy.run_folder import RunFolder
from academy.skills import SKILL_NAMES
from academy.training import TokenMeter
from genome.base_model import BaseModel
from genome.files import write_json
from seeds.bases import load_base
from tui.jobs.comparison import compare
from tui.jobs.market import sell_champions
from tui.jobs.settings import DemoSettings
from tui.jobs.show import Pace, Show
from tui.jobs.specialists import Specialists, examine_species

THREADS = 2
"""Fixed, because the number of threads can change the last bit of a sum."""


def run_demo(settings: DemoSettings, show: Show) -> dict[str, Any]:
    """Run or resume the demo; returns what `summary.json` holds.

    Raises:
        AcademyError, GenomeError, MarketError, PersonaError, OSError: With one line to show.
    """
    settings.evolution.check()
    summary_path = settings.out / "summary.json"
    folder = RunFolder(settings.out)
    config = {**settings.identity(), "skills": list(SKILL_NAMES)}
    with folder.claimed(config, beside={"unit": "interactions"}):
        if summary_path.exists():
            show.note(f"{settings.out} holds this run, finished: nothing to do")
            return folder.read(summary_path)
        torch.set_num_threads(THREADS)
        base = load_base(settings.out, settings.base_path or None)
        summary = _Demo(settings, show, folder, base).run()
        write_json(summary_path, summary)
        folder.write_status(
            "done", summary["generations"], summary["interactions"], settings.interactions
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

    def __init__(
        self, settings: DemoSettings, show: Show, folder: RunFolder, base: BaseModel
    ) -> None:
        self.settings = settings
        self.show: Show = _Watched(show, self._note_step)
        self._phase, self._at = "evolving", (0, 0)
        self.folder = folder
        self.base = base

    def run(self) -> dict[str, Any]:
        """All parts in order."""
        run, tokens = self._evolve("evolving", "checkpoint", self.settings.evolution)
        self._status("exams", run)
        specialists = examine_species(self.base, run, self.settings, self.folder, self.show)
        self._status("controls", run)
        controls = compare(
            self.base, run, tokens, specialists, self.settings, self.folder, self.show, self._evolve
        )
        self._status("market", run)
        market = sell_champions(self.base, specialists, self.settings, self.folder, self.show)
        summary = self._summary(run, tokens, specialists, controls, market)
        write_report(self.settings.out / "report.html", summary, self.folder.generations())
        return summary

    def _evolve(
        self, phase: str, checkpoint: str, config: ApprenticeshipConfig
    ) -> tuple[Apprenticeship, TokenMeter]:
        """Run or resume one evolution until its budget is spent, saving every generation."""
        evaluator = LocalEvaluator(self.base)
        academy = Workshop(self.base, evaluator)
        path = self.folder.path / f"{checkpoint}.safetensors"
        main = checkpoint == "checkpoint"
        if path.exists():
            run, evaluator.tokens = load_checkpoint(path, self.base.fingerprint)
            self.show.note(f"{phase}: resumed after generation {run.generation}")
        else:
            self.show.phase(phase, 0, config.interactions)
            run, generation = academy.found(config, self.settings.seed)
            self._keep(run, evaluator.tokens, record_of(run, generation), path, main)
        while not academy.finished(run):
            self.show.phase(phase, run.interactions, config.interactions)
            generation = academy.advance(run)
            self._keep(run, evaluator.tokens, record_of(run, generation), path, main)
        self.show.phase(phase, config.interactions, config.interactions)
        return run, evaluator.tokens

    def _keep(
        self, run: Apprenticeship, tokens: TokenMeter, record: dict[str, Any], path: Any, main: bool
    ) -> None:
        record["tokens"] = asdict(tokens)
        if main:
            self.folder.write_generation(record)
        save_checkpoint(path, run, tokens)
        if main:
            self._status("evolving", run)
            self.show.generation(record)

    def _status(self, phase: str, run: Apprenticeship) -> None:
        self._phase, self._at = phase, (run.generation, run.interactions)
        self.folder.write_status(phase, *self._at, self.settings.interactions)

    def _note_step(self, step: dict[str, Any]) -> None:
        """After evolution the budget is spent: what is going on is told beside it."""
        if self._phase != "evolving":
            self.folder.write_status(self._phase, *self._at, self.settings.interactions, step)

    def _summary(
        self,
        run: Apprenticeship,
        tokens: TokenMeter,
        specialists: Specialists,
        controls: dict[str, Any],
        market: dict[str, Any],
    ) -> dict[str, Any]:
        return {
            "seed": self.settings.seed,
            "personas": self.settings.personas,
            "interactions": run.interactions,
            "generations": run.generation,
            "wall_s": round(self.folder.elapsed_s, 1),
            "skills": list(SKILL_NAMES),
            "base_accuracy": specialists.base_by_skill,
            "species": [
                {**species.facts(), **market["by_species"].get(species.name, {})}
                for species in specialists.species
            ],
            "extinct_lines": extinct_lines(self.settings.personas, run.population),
            "extinct_species": len(run.extinctions),
            "controls": controls["methods"],
            "tokens": {**asdict(tokens), "equivalents": tokens.equivalents},
            "market": market["totals"],
            "purchase": market["purchase"],
            "throughput": controls["throughput"],
            "threads": THREADS,
            "base_model": self.base.fingerprint,
        }
