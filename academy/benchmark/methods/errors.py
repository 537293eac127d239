"""What can go wrong with a method of the benchmark.

AcademyError
└── MissingOptimiserError
"""

from __future__ import annotations

from academy.errors import AcademyError


class MissingOptimiserError(AcademyError):
    """A method needs a library that is not installed."""

    def __init__(self, package: str, method: str) -> None:
        super().__init__(
            f"{method} needs the package {package!r}, which is not installed: pip install {package}"
        )
        self.package = package
