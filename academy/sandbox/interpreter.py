"""The interpreter that runs answers, and the few folders it needs to start."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

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
