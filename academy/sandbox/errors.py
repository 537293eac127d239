"""What can go wrong around the sandbox.

AcademyError
└── SandboxError
    ├── SandboxUnavailableError
    └── SandboxLimitsError
"""

from __future__ import annotations

from academy.errors import AcademyError


class SandboxError(AcademyError):
    """Untrusted code cannot be run as asked."""


class SandboxUnavailableError(SandboxError):
    """Neither bubblewrap nor Landlock works here, so nothing untrusted is run at all."""


class SandboxLimitsError(SandboxError):
    """A limit is not a positive number."""
