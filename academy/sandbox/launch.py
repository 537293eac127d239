"""Start a confined process as nobody, feed it, read a bounded answer, leave nothing behind."""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from academy.sandbox.interpreter import NOBODY, is_root

_READ_AT_ONCE = 1 << 16
_REAP_S = 10.0


@dataclass(frozen=True, slots=True)
class Finished:
    """What a confined process wrote; a process that had to be killed wrote nothing."""

    output: bytes
    complaint: str
    """Its standard error, first line."""
    killed: str = ""
    """Why it was killed; empty if it ended by itself."""


def memory_file(name: str, content: bytes = b"") -> int:
    """A descriptor of a file that lives in memory only, at its beginning."""
    fd = os.memfd_create(name)
    os.write(fd, content)
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


def as_nobody(command: Sequence[str]) -> list[str]:
    """The command without root's rights; `setpriv` spares a fork of our own, larger process."""
    tool = shutil.which("setpriv") if is_root() else None
    if tool is None:
        return list(command)
    return [tool, f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--", *command]


def launch(
    command: Sequence[str],
    *,
    job: bytes,
    keep_fds: Sequence[int],
    environment: Mapping[str, str],
    timeout_s: float,
    max_bytes: int,
) -> Finished:
    """Run the command as nobody if we are root, else as ourselves; kill its group in the end.

    Args:
        job: What it reads from standard input.
        keep_fds: Descriptors it inherits, by the same numbers.
        max_bytes: A longer output counts as an attack.

    Raises:
        OSError: The command cannot be started.
    """
    lowered = as_nobody(command)
    drop = is_root() and len(lowered) == len(command)
    with contextlib.ExitStack() as stack:
        given, complaints = memory_file("job", job), memory_file("complaints")
        stack.callback(os.close, given)
        stack.callback(os.close, complaints)
        process = subprocess.Popen(
            lowered,
            stdin=given,
            stdout=subprocess.PIPE,
            stderr=complaints,
            pass_fds=keep_fds,
            env=dict(environment),
            cwd="/",
            start_new_session=True,
            user=NOBODY if drop else None,
            group=NOBODY if drop else None,
            extra_groups=[] if drop else None,
        )
        try:
            output, killed = _read(process, time.monotonic() + timeout_s, max_bytes)
        finally:
            _end(process)
        text = os.pread(complaints, 400, 0).decode(errors="replace").strip()
        return Finished(b"" if killed else output, text.partition("\n")[0], killed)


def _read(process: subprocess.Popen[bytes], deadline: float, max_bytes: int) -> tuple[bytes, str]:
    """All output up to the end, or why there was no waiting for it."""
    assert process.stdout is not None
    fd, size = process.stdout.fileno(), 0
    parts: list[bytes] = []
    ready = select.poll()  # not select(): our own process may hold more than 1024 descriptors
    ready.register(fd, select.POLLIN)
    while size <= max_bytes:
        left = deadline - time.monotonic()
        if left <= 0 or not ready.poll(left * 1000):
            return b"", "took too long"
        part = os.read(fd, _READ_AT_ONCE)
        if not part:
            return b"".join(parts), ""
        parts.append(part)
        size += len(part)
    return b"", "wrote too much"


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill the whole group (after a normal end: whoever is left of it) and reap our child."""
    assert process.stdout is not None
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.stdout.close()
    process.wait(timeout=_REAP_S)
