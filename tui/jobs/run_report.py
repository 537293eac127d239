"""The report of the run in a home.

Whose run a folder holds: the Academy's and the demo's look alike and count differently.

Apart from the jobs themselves, so that `academy status` need not load torch to tell.

Trials that a person holds, as events in the home's own log, beside its run's.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from academy.errors import RunMismatchError
from academy.evolution.config import RunConfig
from academy.evolution.events import OUTSIDE, TrialHeld, append_event, read_log
from academy.evolution.report import write_pages as write_demo_report
from academy.evolution.report import write_report
from academy.run_folder import RunFolder
from academy.trial import TrialResult


def write_run_report(home: Path) -> Path:
    """Write HOME/run-report.html, or a finished demo's HOME/report.html again; returns its path.

    Raises:
        RunError: There is no run yet, or one of its files is damaged.
    """
    folder = RunFolder(home)
    config = folder.path / "config.json"
    if not config.exists():
        raise RunMismatchError(
            f"there is no run in {home} to report on: `continuum academy run standard --home DIR`"
        )
    settings, generations = folder.read(config), folder.generations()
    if not is_evolution(settings):
        return _demo_report(folder, generations)
    if not generations:
        raise RunMismatchError(
            f"the run in {home} has begun, but has finished no generation to report on yet: "
            f"`continuum academy status --home {home}` says how far it is"
        )
    result = folder.path / "result.json"
    path = home / "run-report.html"
    write_report(
        path,
        settings,
        generations,
        folder.read(result) if result.exists() else None,
        [*_events(folder.path / "events.jsonl"), *_events(home / TRIAL_LOG)],
        at_work=folder.is_held(),
    )
    return path


def _demo_report(folder: RunFolder, generations: list[dict[str, Any]]) -> Path:
    """A demo counts interactions, not tokens, and has controls: it has a report of its own."""
    summary = folder.home / "summary.json"
    if not summary.exists():
        raise RunMismatchError(
            f"the demo in {folder.home} is not finished: {demo_command(folder)} goes on with it "
            "and writes its report in the end"
        )
    path = folder.home / "report.html"
    write_demo_report(path, folder.read(summary), generations)
    return path


def _events(path: Path) -> list[dict[str, Any]]:
    """All whole lines of the log."""
    events = []
    for line in read_log(path):
        try:
            event = json.loads(line)
        except ValueError:
            continue  # torn by a kill
        if isinstance(event, dict) and "event" in event:
            events.append(event)
    return events


SECTIONS = frozenset(field.name for field in fields(RunConfig))
"""What an evolution run's settings consist of."""


def is_evolution(settings: Mapping[str, Any]) -> bool:
    """Whether a run's `config.json` is the Academy's; the demo's has no sections."""
    return not SECTIONS.isdisjoint(settings)


def demo_command(folder: RunFolder) -> str:
    """The command that goes on with the demo in a folder."""
    known = folder.read(folder.path / "config.json")
    words = [
        f"--{key} {known[key]}"
        for key in ("seed", "personas", "interactions", "base")
        if key in known
    ]
    tiny = ["--tiny"] if known.get("tiny") else []
    return f"`{' '.join(['continuum', 'demo', *words, *tiny, '--home', str(folder.home)])}`"


TRIAL_LOG = Path("academy") / "events.jsonl"


def log_trials(
    home: Path, sides: tuple[str, str], skills: Sequence[str], results: Sequence[TrialResult]
) -> None:
    """Add one event a trial; a home that does not exist is not made for it.

    Args:
        skills: One for each result, or none where there is one trial of all skills.
    """
    if not home.is_dir():
        return
    (home / TRIAL_LOG).parent.mkdir(exist_ok=True)
    for skill, result in zip(skills or ("",), results, strict=True):
        append_event(home / TRIAL_LOG, TrialHeld.of(OUTSIDE, sides, skill, result))
