"""What can go wrong in selection.

AcademyError
└── SelectionError
    ├── ScoresError
    ├── ObjectivesError
    ├── UnknownMethodError
    └── DemandError
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from academy.errors import AcademyError


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


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The remedy for a misspelt name: the nearest known one, or the list of all."""
    names = list(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    return f"did you mean {close[0]!r}?" if close else f"choose one of {', '.join(names)}"
