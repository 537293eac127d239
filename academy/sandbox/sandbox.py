"""Code that nobody trusts, run where it can do no harm, or not run at all.

The parent keeps what is right. The child gets the answer and the calls, evaluates each call in a
process of its own that knows no other call, and sends one JSON line with a nonce back (see
`supervisor.py`). Bubblewrap
is the wall; where it cannot be used, Landlock with seccomp; where neither works, nothing is run.
"""

from __future__ import annotations

import contextlib
import functools
import marshal
import math
import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from academy.errors import SandboxUnavailableError
from academy.sandbox import answers, bubblewrap, landlock, seccomp, supervisor
from academy.sandbox.interpreter import Interpreter, Plan, SandboxLimits, is_root
from academy.sandbox.launch import Finished, launch, memory_file
from academy.sandbox.shelter import sheltered

Kind = Literal["bubblewrap", "landlock"]
KINDS: tuple[Kind, ...] = ("bubblewrap", "landlock")

_GRACE_S = 2.0
"""For starting and ending; the supervisor inside watches the limit itself."""
_LINE_BYTES = 4096


@dataclass(frozen=True, slots=True)
class SandboxResult:
    """What came out of a sandbox."""

    values: list[object] | None
    """One per call, a plain value or a `Failure`; None if the run as a whole failed."""
    error: str | None
    """Why the run as a whole failed."""


_BOOT = (
    "import marshal, posix; n = posix.read(0, 16); "
    "exec(marshal.loads(posix.read(0, int(n))), {'__name__': '__main__'})"
)
"""Reads the supervisor's code, which is compiled once here and not in every sandbox."""


@functools.cache
def _supervisor() -> bytes:
    text = Path(supervisor.__file__).read_text(encoding="utf-8")
    return _framed(marshal.dumps(compile(text, "<supervisor>", "exec", dont_inherit=True)))


def _framed(content: bytes) -> bytes:
    """16 digits of length, then the content."""
    return b"%016d" % len(content) + content


@dataclass(frozen=True, slots=True)
class Sandbox:
    """One way to run untrusted Python that has been tried on this machine.

    `available()` gives the best one; `tried(kind)` a certain one.
    """

    kind: Kind
    interpreter: Interpreter

    @classmethod
    def available(cls) -> Sandbox:
        """The best sandbox that works here.

        Raises:
            SandboxUnavailableError: None works; code must then not be run.
        """
        reasons = []
        for kind in KINDS:
            try:
                return cls.tried(kind)
            except SandboxUnavailableError as error:
                reasons.append(str(error))
        raise SandboxUnavailableError("; ".join(reasons))

    @classmethod
    def tried(cls, kind: Kind) -> Sandbox:
        """The sandbox of this kind, after it has run a harmless answer.

        Raises:
            SandboxUnavailableError: It does not work here.
        """
        sandbox = cls(kind, Interpreter.current())
        result = sandbox.run("def probe(a, b):\n    return a * b", ["probe(6, 7)"])
        if result.values == [42]:
            return sandbox
        reason = result.error or str(result.values)
        remedy = {
            "bubblewrap": "install bubblewrap 0.8 or later and allow user namespaces",
            "landlock": "use Linux 5.13 or later with landlock among its security modules",
        }[kind]
        raise SandboxUnavailableError(
            f"answers run in {kind} only, here it says {reason!r}: {remedy}"
        )

    def run(
        self, code: str, calls: Sequence[str], limits: SandboxLimits | None = None
    ) -> SandboxResult:
        """Execute the answer and evaluate each call after it, every call in a fresh process.

        Args:
            calls: Expressions, such as `add(2, 3)`; only these leave the parent.

        Raises:
            SandboxUnavailableError: This kind is not to be had here (any more).
        """
        bounds = limits or SandboxLimits()
        size = len(code.encode(errors="surrogatepass"))
        if size > bounds.code_bytes:
            return SandboxResult(None, f"the answer has {size} bytes, at most {bounds.code_bytes}")
        nonce = secrets.token_hex(16)
        try:
            finished = self._finished(code, calls, bounds, nonce)
        except OSError as error:
            return SandboxResult(None, f"cannot start: {error}")
        values = answers.outcomes(finished.output, nonce, len(calls))
        if values is None:
            return SandboxResult(
                None, finished.killed or finished.complaint or "it was ended early"
            )
        return SandboxResult(values, None)

    def _finished(
        self, code: str, calls: Sequence[str], limits: SandboxLimits, nonce: str
    ) -> Finished:
        """Started from where the interpreter can be seen by nobody's processes."""

        def start(shelter: Path | None) -> Finished:
            with contextlib.ExitStack() as stack:
                null_fd = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
                stack.callback(os.close, null_fd)
                filter_fd = memory_file("filter", seccomp.sandbox_filter())
                stack.callback(os.close, filter_fd)
                fds = (null_fd, filter_fd)
                plan = self._plan(shelter, filter_fd)
                return launch(
                    plan.command,
                    job=_job(code, calls, limits, plan, fds) + nonce.encode(),
                    keep_fds=fds,
                    environment=plan.environment,
                    timeout_s=limits.wall_s + _GRACE_S,
                    max_bytes=_LINE_BYTES + len(calls) * 2 * (limits.output_bytes + _LINE_BYTES),
                )

        if is_root() and not self.interpreter.open_to_all:
            return sheltered(self.interpreter.home, start)
        return start(None)

    def _plan(self, shelter: Path | None, filter_fd: int) -> Plan:
        if self.kind == "bubblewrap":
            return bubblewrap.plan(self.interpreter, shelter, _BOOT, filter_fd)
        return landlock.plan(self.interpreter, shelter, _BOOT)


def _job(
    code: str, calls: Sequence[str], limits: SandboxLimits, plan: Plan, fds: tuple[int, int]
) -> bytes:
    """The supervisor's code and the facts of this run, then call by call for its workers."""
    facts = marshal.dumps(
        {
            "code": code,
            "n_calls": len(calls),
            "cpu_s": math.ceil(limits.cpu_s),
            "wall_s": float(limits.wall_s),
            "memory_bytes": int(limits.memory_bytes),
            "output_bytes": int(limits.output_bytes),
            "open_files": int(limits.open_files),
            "null_fd": fds[0],
            "last_fd": max(fds),
            "confinement": plan.confinement,
            "readable": list(plan.readable),
            "filter": plan.program,
        }
    )
    framed = [_framed(call.encode(errors="surrogatepass")) for call in calls]
    return b"".join([_supervisor(), _framed(facts), *framed])
