"""The report of the run in a home."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from academy.errors import RunMismatchError
from academy.evolution.events import read_log
from academy.evolution.report import write_report
from academy.run_folder import RunFolder
from tui.jobs.trial_log import TRIAL_LOG


def write_run_report(home: Path) -> Path:
    """Write HOME/run-report.html; returns its path.

    Raises:
        RunError: There is no run yet, or one of its files is damaged.
    """
    folder = RunFolder(home)
    config = folder.path / "config.json"
    generations = folder.generations() if config.exists() else []
    if config.exists() and not generations:
        raise RunMismatchError(
            f"the run in {home} has begun, but has finished no generation to report on yet: "
            "`continuum academy status` says how far it is"
        )
    if not generations:
        raise RunMismatchError(
            f"there is no run in {home} to report on: `continuum academy run standard --home DIR`"
        )
    result = folder.path / "result.json"
    path = home / "run-report.html"
    write_report(
        path,
        folder.read(config),
        generations,
        folder.read(result) if result.exists() else None,
        [*_events(folder.path / "events.jsonl"), *_events(home / TRIAL_LOG)],
    )
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
