"""What every kind of sandbox starts with: the interpreter and the folders it needs, the plan of a
start, and how much of the machine an answer may use before it counts as wrong.
"""

from __future__ import annotations

import dataclasses
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path

from academy.errors import SandboxLimitsError

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
        for one in dataclasses.fields(self):
            value = getattr(self, one.name)
            if not value > 0:
                raise SandboxLimitsError(
                    f"sandbox limits are positive, {one.name} is {value!r}: give a larger number"
                )


NOBODY = 65534
"""User and group of untrusted code when we are root: the kernel's own overflow id."""

_SYSTEM_LIBRARIES = ("/lib", "/lib64", "/usr/lib", "/usr/lib64")


@dataclass(frozen=True, slots=True)
class Interpreter:
    """A Python without its environment: the program itself and the folders of its libraries."""

    home: Path
    program: Path
    libraries: tuple[Path, ...]
    """Its own standard library, then the system's; links such as /lib -> usr/lib are kept."""

    @classmethod
    def current(cls) -> Interpreter:
        """The one behind this process, outside any virtual environment."""
        base = getattr(sys, "_base_executable", "") or sys.executable
        home = Path(sys.base_prefix)
        own = [home / "lib", home / sys.platlibdir]
        system = [Path(path) for path in _SYSTEM_LIBRARIES]
        libraries = dict.fromkeys(path for path in (*own, *system) if path.exists())
        return cls(home, Path(base).resolve(), tuple(libraries))

    @property
    def open_to_all(self) -> bool:
        """Whether a user without rights may enter the folder it lives in."""
        return all(
            path.stat().st_mode & 0o001 for path in (self.program, *self.program.parents)
        ) and all(path.stat().st_mode & 0o001 for path in (self.home, *self.home.parents))

    def command(self, text: str, program: Path | None = None) -> list[str]:
        """Run `text` with no site packages, no user folder and no byte code written."""
        flags = ["-P", "-s", "-S", "-B", "-X", "utf8"]
        return [str(program or self.program), *flags, "-c", text]


def moved(path: Path, home: Path, shelter: Path | None) -> Path:
    """Where `path` is found once `home` has been bound to `shelter`."""
    if shelter is None or not path.is_relative_to(home):
        return path
    return shelter / path.relative_to(home)


def is_root() -> bool:
    return os.geteuid() == 0
