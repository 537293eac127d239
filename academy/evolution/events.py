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
from typing import TYPE_CHECKING, Any

from academy.errors import RunCorruptError
from academy.run_folder import append_line

if TYPE_CHECKING:
    from academy.trial import TrialResult

OUTSIDE = -1
"""Generation of what happens in no run, such as a trial that a person holds."""


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
class TrialHeld(Event):
    """Two answered the same questions and were compared."""

    a: str
    """A persona, or a candidate as the phylogeny names it (`c12`)."""
    b: str
    skill: str
    """Empty = several mixed."""
    verdict: str
    """`A better`, `B better` or `no difference shown`."""
    effect: float
    """Mean score of A less that of B."""
    low: float
    high: float
    """95 % interval of the effect."""
    p_value: float
    """After Holm, where several trials were judged together."""
    n_items: int
    method: str
    stopped_early: bool = False

    @classmethod
    def of(
        cls, generation: int, sides: tuple[str, str], skill: str, result: TrialResult
    ) -> TrialHeld:
        """The event of a trial's result."""
        p = result.p_value if result.p_adjusted is None else result.p_adjusted
        return cls(
            generation,
            *sides,
            skill,
            result.verdict,
            result.effect,
            result.low,
            result.high,
            p,
            result.n_items,
            result.method,
            result.stopped_early,
        )

    @property
    def text(self) -> str:
        """One line for a person."""
        return (
            f"trial {self.a} against {self.b}{f' at {self.skill}' if self.skill else ''}: "
            f"{self.verdict}, {100 * self.effect:+.1f} points ({100 * self.low:+.1f} to "
            f"{100 * self.high:+.1f}), p {self.p_value:.3f}, {self.n_items} questions"
        )


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


def append_event(path: Path, event: Event) -> None:
    """Add one event to a log that no run is writing; raises OSError if the disk refuses."""
    append_line(path, event.plain())


def read_log(path: Path) -> list[str]:
    """The lines of a run's log, the last perhaps torn; none if there is no log.

    Raises:
        RunCorruptError: It is no text.
    """
    try:
        return path.read_text().splitlines(keepends=True) if path.exists() else []
    except UnicodeDecodeError as error:
        raise RunCorruptError(
            f"the run's log {path} is no text (byte {error.start}): move it away, the run goes on "
            "without its past events"
        ) from None


def _lines_up_to(path: Path, generation: int) -> list[str]:
    kept = []
    for line in read_log(path):
        try:
            if json.loads(line)["generation"] <= generation and line.endswith("\n"):
                kept.append(line)
        except (ValueError, KeyError, TypeError):
            continue  # the torn last line of a killed process
    return kept
