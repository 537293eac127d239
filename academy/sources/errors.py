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

from collections.abc import Iterable

from academy.errors import AcademyError, did_you_mean


class SourceError(AcademyError):
    """A challenge source cannot be used as asked."""


class UnknownSourceError(SourceError):
    """A source, or a part of one, was named that does not exist."""

    def __init__(self, what: str, name: str, known: Iterable[str]) -> None:
        super().__init__(f"there is no {what} {name!r}: {did_you_mean(name, sorted(known))}")
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
