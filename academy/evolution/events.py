"""What happened in a run, as typed facts for screens and logs.

Observers are called in the order of events. `EventLog` writes each as one JSON line; on resume
it drops the lines of the generation that was lost, so a resumed run's log is the uninterrupted
one's.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Event:
    """Anything that happened; `generation` says when."""

    generation: int

    def plain(self) -> dict[str, Any]:
        """As JSON, with the kind of event first."""
        return {"event": type(self).__name__, **asdict(self)}


@dataclass(frozen=True, slots=True)
class GenerationEnded(Event):
    """A generation is complete and saved next."""

    tokens: int
    """Token-equivalents spent so far."""
    best_by_skill: tuple[float, ...]
    n_alive: int
    n_species: int


@dataclass(frozen=True, slots=True)
class AncestorTrained(Event):
    """One stretch of the common ancestor's training is done."""

    tokens: int
    steps: int
    accuracy: float
    """Mean over skills on select questions before the stretch."""


@dataclass(frozen=True, slots=True)
class Born(Event):
    """A child was made and scored."""

    candidate: int
    parents: tuple[int, ...]
    operator: str
    niche: str
    gain: float
    """What it adds to the archive."""


@dataclass(frozen=True, slots=True)
class Discarded(Event):
    """A child was thrown away before it lived."""

    candidate: int
    operator: str
    cause: str


@dataclass(frozen=True, slots=True)
class Died(Event):
    """A candidate is no longer in the population."""

    candidate: int
    cause: str


@dataclass(frozen=True, slots=True)
class SpeciesBorn(Event):
    """A species was founded or split off."""

    species: int
    name: str
    parent: int | None


@dataclass(frozen=True, slots=True)
class SpeciesExtinct(Event):
    """A species ended."""

    species: int
    name: str
    cause: str


@dataclass(frozen=True, slots=True)
class Migrated(Event):
    """A clone went to another island."""

    candidate: int
    clone: int
    origin: int
    target: int


@dataclass(frozen=True, slots=True)
class ScoringFailed(Event):
    """Items whose evaluator raised; they count as wrong."""

    failures: int
    cause: str


@dataclass(frozen=True, slots=True)
class AuditTaken(Event):
    """The teacher's estimates were checked on the frozen audit set."""

    accuracy: float
    drift: float
    """Growth on the audit set less the estimates' growth; negative = the estimates flatter."""


@dataclass(frozen=True, slots=True)
class Notice(Event):
    """Something the user should know."""

    text: str


Observer = Callable[[Event], None]


def silent(_event: Event) -> None:
    """Observes nothing."""


class EventLog:
    """Appends events to a JSONL file, one line each."""

    def __init__(self, path: Path, resumed_after: int | None) -> None:
        """Open the log; keep only generations up to `resumed_after` (None: start anew)."""
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        kept = _lines_up_to(path, resumed_after) if resumed_after is not None else []
        temporary = path.with_suffix(".tmp")
        temporary.write_text("".join(kept))
        os.replace(temporary, path)
        self._file = path.open("a")

    def __call__(self, event: Event) -> None:
        """Write one event."""
        self._file.write(json.dumps(event.plain()) + "\n")
        self._file.flush()

    def close(self) -> None:
        """No more events."""
        self._file.close()


def _lines_up_to(path: Path, generation: int) -> list[str]:
    if not path.exists():
        return []
    kept = []
    for line in path.read_text().splitlines(keepends=True):
        try:
            if json.loads(line)["generation"] <= generation and line.endswith("\n"):
                kept.append(line)
        except (ValueError, KeyError, TypeError):
            continue  # the torn last line of a killed process
    return kept
