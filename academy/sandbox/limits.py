"""How much of the machine an answer may use before it counts as wrong."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from academy.errors import SandboxLimitsError


@dataclass(frozen=True, slots=True)
class SandboxLimits:
    """Bounds for one answer; each call of a hidden test has its own process.

    Raises:
        SandboxLimitsError: A limit is not positive.
    """

    cpu_s: float = 2.0
    """CPU seconds per call, rounded up to whole seconds (the kernel counts no finer)."""
    wall_s: float = 5.0
    """Seconds for all calls together; those that come too late fail."""
    memory_bytes: int = 256 * 2**20
    """Address space per call; a bare interpreter takes about 30 MiB of it."""
    output_bytes: int = 64 * 2**10
    """Encoded size of one returned value; what is printed is thrown away unread."""
    code_bytes: int = 64 * 2**10
    """Size of the answer itself."""
    open_files: int = 32

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if not value > 0:
                raise SandboxLimitsError(
                    f"sandbox limits are positive, {field.name} is {value!r}: give a larger number"
                )
