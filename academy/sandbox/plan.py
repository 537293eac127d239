"""What one kind of sandbox starts, and what it asks of the supervisor."""

from __future__ import annotations

from dataclasses import dataclass, field

FIXED_ENVIRONMENT = {"PYTHONHASHSEED": "0"}
"""All an answer sees; a fixed seed, so that the order of a set is the same on every machine."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A command, and the confinement that workers put on themselves, if the command has none."""

    command: tuple[str, ...]
    environment: dict[str, str] = field(default_factory=dict)
    confinement: str = ""
    """Text of the module whose `prepare` confines workers; empty if the command confines all."""
    readable: tuple[str, ...] = ()
    program: bytes = b""
    """The workers' own system call filter."""
