"""What a job tells whoever watches it; jobs print nothing themselves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol


class Show(Protocol):
    """Receives a job's events; every method may be called from the job's thread only."""

    def phase(self, name: str, done: float, total: float) -> None:
        """How far one phase has come; the first call opens it, done = total closes it."""

    def generation(self, record: Mapping[str, Any]) -> None:
        """A generation was finished and written."""

    def note(self, text: str) -> None:
        """One line worth reading."""
