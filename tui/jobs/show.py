"""What a job tells whoever watches it; jobs print nothing themselves."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol


class Show(Protocol):
    """Receives a job's events; every method may be called from the job's thread only."""

    def phase(self, name: str, done: float, total: float) -> None:
        """How far one phase has come; the first call opens it, done = total closes it."""

    def generation(self, record: Mapping[str, Any]) -> None:
        """A generation was finished and written."""

    def note(self, text: str) -> None:
        """One line worth reading."""


class Pace:
    """Follows one phase from its first report on.

    Args:
        clock: Seconds that only grow.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began: tuple[float, float] | None = None
        """Time and progress of the first report: a resumed phase begins in its middle."""
        self.elapsed_s = 0.0
        self.left_s: float | None = None
        """Seconds to go at the pace so far; None before there is one."""

    def report(self, done: float, total: float) -> None:
        """The phase has come so far."""
        now = self._clock()
        self._began = self._began or (now, done)
        start, first = self._began
        self.elapsed_s = now - start
        gone = done - first
        self.left_s = self.elapsed_s * (total - done) / gone if gone > 0 else None


def span(seconds: float) -> str:
    """A duration as a person says it: seconds, then minutes."""
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
