"""What can go wrong in selection.

AcademyError
└── SelectionError
    ├── ScoresError
    ├── ObjectivesError
    ├── UnknownMethodError
    └── DemandError
"""

from __future__ import annotations

from collections.abc import Iterable

from academy.errors import AcademyError, did_you_mean


class SelectionError(AcademyError):
    """Base of everything that selection refuses; its text is one line."""


class ScoresError(SelectionError):
    """Scores or fitness values have the wrong shape or hold something that is no number."""


class ObjectivesError(SelectionError):
    """The objectives of a multi-objective selection cannot be compared."""


class UnknownMethodError(SelectionError):
    """A survival method or an objective was named that does not exist."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        super().__init__(f"there is no {kind} {name!r}: {did_you_mean(name, known)}")


class DemandError(SelectionError):
    """A demand names no skill of ours, or weighs one with something other than a weight."""
