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

from collections.abc import Sequence


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
