"""What can go wrong when a child is made.

AcademyError
└── OperatorError
    └── SearchStateError
"""

from __future__ import annotations

from academy.errors import AcademyError


class OperatorError(AcademyError):
    """An operator was asked for something that makes no sense; its text is one line."""


class SearchStateError(OperatorError):
    """The saved state of a search is damaged, or does not lead to the same point here."""


def check_between(name: str, value: float, low: float, high: float) -> None:
    """Refuse a setting outside its bounds, NaN included.

    Raises:
        OperatorError: It is.
    """
    if not low <= value <= high:
        raise OperatorError(f"{name} is {value}: choose a number from {low} to {high}")
