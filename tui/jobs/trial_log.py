"""Trials that a person holds, as events in the home's own log, beside its run's."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from academy.evolution.events import OUTSIDE, TrialHeld, append_event
from academy.trials.trial import TrialResult

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
