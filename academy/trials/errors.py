"""What can go wrong when two personas are compared.

AcademyError
└── TrialError
    ├── SameGenomeError
    ├── TrialItemsError
    └── TrialScoresError
"""

from __future__ import annotations

from academy.errors import AcademyError


class TrialError(AcademyError):
    """A trial cannot be held."""


class SameGenomeError(TrialError):
    """Both sides are one and the same genome."""

    def __init__(self, name_a: str = "A", name_b: str = "B") -> None:
        super().__init__(
            f"{name_a} and {name_b} are the same genome, so that no question can tell them apart: "
            "name two that differ"
        )


class TrialItemsError(TrialError):
    """The questions of a trial make no sense."""


class TrialScoresError(TrialError):
    """The evaluator gave scores that are none."""
