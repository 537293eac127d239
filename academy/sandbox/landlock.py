"""The fallback: a bare interpreter whose workers lock themselves in with Landlock and seccomp.

Weaker than bubblewrap in one way: paths outside can still be asked for their metadata (does it
exist, how large is it), which Landlock does not cover. Nothing outside can be read or written.
"""

from __future__ import annotations

from pathlib import Path

from academy.errors import SandboxUnavailableError
from academy.sandbox import confinement
from academy.sandbox.interpreter import FIXED_ENVIRONMENT, Interpreter, Plan, moved
from academy.sandbox.seccomp import worker_filter


def plan(interpreter: Interpreter, shelter: Path | None, text: str) -> Plan:
    """How to run `text` so that its workers confine themselves.

    Raises:
        SandboxUnavailableError: This kernel has no Landlock.
    """
    if confinement.abi() < 1:
        raise SandboxUnavailableError(
            "without bubblewrap answers run behind Landlock, this kernel has none: "
            "install bubblewrap, or use Linux 5.13 or later with landlock switched on"
        )
    seen = [moved(path, interpreter.home, shelter) for path in interpreter.libraries]
    program = moved(interpreter.program, interpreter.home, shelter)
    environment = dict(FIXED_ENVIRONMENT)
    if shelter is not None:  # its run path still names the folder that nobody may enter
        environment["LD_LIBRARY_PATH"] = str(
            moved(interpreter.home / "lib", interpreter.home, shelter)
        )
    return Plan(
        tuple(interpreter.command(text, program)),
        environment,
        Path(confinement.__file__).read_text(encoding="utf-8"),
        tuple(str(path) for path in (program, *seen)),
        worker_filter(),
    )
