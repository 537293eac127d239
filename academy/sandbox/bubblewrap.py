"""Bubblewrap: an empty file system, own namespaces for everything, no rights, a filter.

Inside there is only the interpreter and the system's shared libraries, read-only: no /proc, no
/dev, no /tmp, no /etc, no home, nothing writable. The network namespace has no address.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from academy.errors import SandboxUnavailableError
from academy.sandbox.interpreter import FIXED_ENVIRONMENT, NOBODY, Interpreter, Plan, moved

_FIXED = (
    "--unshare-all",
    "--unshare-user",
    "--disable-userns",
    "--clearenv",
    "--die-with-parent",
    "--as-pid-1",  # no reaper: workers cannot fork, and process 1 cannot be killed from inside
    "--uid",
    str(NOBODY),
    "--gid",
    str(NOBODY),
    "--cap-drop",
    "ALL",
    "--hostname",
    "sandbox",
)


def program() -> str | None:
    """Where bubblewrap is installed, if it is."""
    return shutil.which("bwrap")


def _mounts(interpreter: Interpreter, shelter: Path | None) -> list[str]:
    arguments: list[str] = []
    for path in (interpreter.program, *interpreter.libraries):
        if path.is_symlink():
            arguments += ["--symlink", os.readlink(path), str(path)]
        elif not any(
            path.is_relative_to(other) for other in interpreter.libraries if other != path
        ):
            source = moved(path, interpreter.home, shelter)
            arguments += ["--ro-bind", str(source), str(path)]
    return arguments


def plan(interpreter: Interpreter, shelter: Path | None, text: str, filter_fd: int) -> Plan:
    """How to run `text` in a fresh bubblewrap.

    Args:
        shelter: Where the interpreter's home is to be seen from, if not at its own place.
        filter_fd: An inherited descriptor that gives the system call filter.

    Raises:
        SandboxUnavailableError: Bubblewrap is not installed.
    """
    found = program()
    if found is None:
        raise SandboxUnavailableError(
            "answers run in bubblewrap, no bwrap is on the path: install bubblewrap 0.8 or later"
        )
    command = [found, *_FIXED, *_mounts(interpreter, shelter)]
    for name, value in FIXED_ENVIRONMENT.items():
        command += ["--setenv", name, value]
    command += ["--remount-ro", "/", "--chdir", "/", "--seccomp", str(filter_fd), "--"]
    return Plan((*command, *interpreter.command(text)))
