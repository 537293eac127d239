"""What can go wrong with where challenges come from.

AcademyError
└── SourceError
    ├── UnknownSourceError
    ├── SourceUnavailableError
    ├── ChallengeSetError
    ├── SplitOverlapError
    ├── TooFewQuestionsError
    └── TeacherStateError
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from academy.errors import AcademyError


def nearest(name: str, known: Iterable[str]) -> str:
    """A few words naming the known name that comes nearest, or listing what there is."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, 1, 0.5)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"choose one of {', '.join(names[:20])}" if names else "none is installed"


class SourceError(AcademyError):
    """A challenge source cannot be used as asked."""


class UnknownSourceError(SourceError):
    """A source, or a part of one, was named that does not exist."""

    def __init__(self, what: str, name: str, known: Iterable[str]) -> None:
        super().__init__(f"there is no {what} {name!r}: {nearest(name, known)}")
        self.name = name


class SourceUnavailableError(SourceError):
    """A source exists but cannot be opened here."""


class ChallengeSetError(SourceError):
    """A file of challenges breaks a rule; the message names file and line."""

    def __init__(self, path: object, line: int | None, cause: str) -> None:
        where = f"{path}" if line is None else f"{path}, line {line}"
        super().__init__(f"{where}: {cause}")
        self.line = line


class SplitOverlapError(SourceError):
    """Splits share a question, or a sample holds one twice."""


class TooFewQuestionsError(SourceError):
    """A finite source has fewer questions of a skill and split than it takes."""


class TeacherStateError(SourceError):
    """A stored teacher's state does not fit its source."""
