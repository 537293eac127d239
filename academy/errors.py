"""What can go wrong in the Academy.

AcademyError
├── UnknownSkillError
├── ConfigError
├── EmptyChallengesError
└── RunError
    ├── RunSettingsError
    ├── RunBusyError
    ├── RunMismatchError
    └── RunCorruptError
"""

from __future__ import annotations

import difflib
import errno
from collections.abc import Iterable, Sequence


class AcademyError(Exception):
    """Base of every error the Academy raises on purpose; its text is one line for the user."""


class UnknownSkillError(AcademyError):
    """A skill was named that does not exist."""

    def __init__(self, name: str, known: Sequence[str]) -> None:
        super().__init__(f"there is no skill {name!r}: choose one of {', '.join(known)}")
        self.name = name
        self.known = tuple(known)


class ConfigError(AcademyError):
    """A configuration has an unknown key or an impossible value."""


class EmptyChallengesError(AcademyError):
    """A skill has no question where one is needed."""


class RunError(AcademyError):
    """A run cannot start or go on."""


class RunSettingsError(RunError):
    """A run's settings make no sense together."""


class RunBusyError(RunError):
    """Another process is at the same run."""


class RunMismatchError(RunError):
    """The folder holds a run with other settings."""


class RunCorruptError(RunError):
    """A run's folder holds a file that cannot be read."""


def ends_run(error: BaseException) -> bool:
    """Whether an error has to stop a run: a refusal, a damaged run, a disk that takes no more."""
    full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
    return isinstance(error, AcademyError) or full


def cause_of(error: BaseException, most: int = 200) -> str:
    """An error as part of one line, of so many characters at most."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:most]


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The remedy for a misspelt name: the nearest known one, or what there is."""
    names = list(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"choose one of {', '.join(names[:20])}" if names else "there is none to choose"
