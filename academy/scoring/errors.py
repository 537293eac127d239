"""What can go wrong with scoring.

AcademyError
└── ScoringError
    ├── ScoringRefusedError
    ├── UnreadableAnswerError
    ├── ExamFailedError
    └── RatingsError
        └── RatingsCorruptError
"""

from __future__ import annotations

from academy.errors import AcademyError


class ScoringError(AcademyError):
    """Something cannot be scored as asked."""


class ScoringRefusedError(ScoringError):
    """A kind of challenge is not scored at all here; no score of 0 would be the truth."""


class UnreadableAnswerError(ScoringError):
    """A right answer with a tolerance that is not one number."""


class ExamFailedError(ScoringError):
    """Most answers could not be scored: a result would be about the cause, not about a genome."""


class RatingsError(ScoringError):
    """Ratings do not allow what was asked of them."""


class RatingsCorruptError(RatingsError):
    """A ratings file holds a line that cannot be read."""
