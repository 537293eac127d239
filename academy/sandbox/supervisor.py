"""Runs inside the sandbox: one process per call, watched by one that never runs the answer.

Its code is handed to a bare interpreter, so it imports the standard library only, and little of
it: `os` or `json` would cost every answer milliseconds, hence `posix` and C functions.

Why nobody can forge a line: the answer runs in a forked worker whose only way out is its own
pipe; the supervisor passes those bytes on unread, as hex. The nonce is still unread in standard
input while workers run (they have that descriptor closed), so it is in no memory that an answer
shares. And what is right is known outside only.

Why no answer sees the other tests: each worker reads its own call from standard input, after the
fork and before the answer; those to come are unread, and what came out of earlier ones is written
out at once and kept by nobody.
"""

from __future__ import annotations

import marshal
import posix
import resource
import select
import time

try:
    import _json as quoting
except ImportError:
    import json.encoder as quoting  # type: ignore[no-redef]

MYPY = False
if MYPY:  # typing alone takes as long to import as the whole interpreter to start
    from typing import Any

NONCE_HEX = 32
_SIGKILL = 9  # by number: the signal module imports enum


_NULL = 3  # where /dev/null is kept for workers
_PIPES_END = 16  # a worker's pipe is the only descriptor opened after it


def read_exactly(fd: int, size: int) -> bytes:
    parts = []
    while size > 0:
        part = posix.read(fd, min(size, 1 << 16))
        if not part:
            raise EOFError
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def read_rest(fd: int) -> bytes:
    parts = []
    while part := posix.read(fd, 1 << 16):
        parts.append(part)
    return b"".join(parts)


def quoted(text: str) -> str:
    """A JSON string; the C function behind `json.dumps`, without the time to import json."""
    return str(quoting.encode_basestring_ascii(text))


def encoded(value: Any) -> str:
    """A value as JSON that keeps Python's types apart; TypeError for all but plain literals."""
    kind = type(value)
    if value is None:
        return "null"
    if kind is bool:
        return "true" if value else "false"
    if kind is int:
        return str(value)
    if kind is float:
        text = repr(value)
        return {"inf": "Infinity", "-inf": "-Infinity", "nan": "NaN"}.get(text, text)
    if kind is str:
        return quoted(value)
    if kind is list:
        return "[" + ",".join([encoded(item) for item in value]) + "]"
    if kind is bytes:
        return '{"bytes":"' + bytes.hex(value) + '"}'
    if kind is dict:
        items = [encoded(list(pair)) for pair in value.items()]
    elif kind in (tuple, set, frozenset):
        items = [encoded(item) for item in value]
    else:
        raise TypeError("the returned value is not a plain literal")
    return '{"' + kind.__name__ + '":[' + ",".join(items) + "]}"


def answer_to(job: dict[str, Any], call: str) -> bytes:
    """Run the answer, evaluate the call; `=` and the value, or `!` and what went wrong."""
    try:
        namespace: dict[str, Any] = {"__name__": "answer"}
        exec(compile(job["code"], "<answer>", "exec"), namespace)
        text = encoded(eval(compile(call, "<test>", "eval"), namespace))
        if len(text) > job["output_bytes"]:
            return b"!returned value is too long"
        return b"=" + text.encode("ascii")
    except BaseException as error:
        return b"!" + type(error).__name__[:80].encode("ascii", "replace")


def bound(job: dict[str, Any]) -> None:
    """The kernel's own limits, hard ones: nothing here can raise them again."""
    for name, value in (
        (resource.RLIMIT_CORE, 1),  # 1, not 0: keeps core-dump helpers on the host asleep as well
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_MEMLOCK, 0),
        (resource.RLIMIT_MSGQUEUE, 0),
        (resource.RLIMIT_NOFILE, job["open_files"]),
        (resource.RLIMIT_CPU, job["cpu_s"]),
        (resource.RLIMIT_AS, job["memory_bytes"]),
        (resource.RLIMIT_NPROC, 0),  # no further process or thread
    ):
        inherited = resource.getrlimit(name)[1]
        most = value if inherited == resource.RLIM_INFINITY else min(value, inherited)
        resource.setrlimit(name, (most, most))


def write_all(fd: int, data: bytes) -> None:
    while data:
        data = data[posix.write(fd, data) :]


def work(job: dict[str, Any], out: int, confine: Any) -> None:
    """The worker's whole life; never returns."""
    try:
        call = read_exactly(0, int(read_exactly(0, 16))).decode("utf-8", "surrogatepass")
        for fd in (0, 1, 2):
            posix.dup2(_NULL, fd)
        posix.dup2(out, 3)
        posix.closerange(4, _PIPES_END)
        bound(job)
        if confine is not None:
            confine()
        write_all(3, answer_to(job, call))
    finally:
        posix._exit(0)


def collected(job: dict[str, Any], fd: int, deadline: float) -> bytes:
    """What a worker writes until it ends; `!` and the reason if that is too much or too late."""
    parts: list[bytes] = []
    size = 0
    while size <= job["output_bytes"] + 1:
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([fd], [], [], left)[0]:
            return b"!took too long"
        part = posix.read(fd, 1 << 16)
        if not part:
            return b"".join(parts)
        parts.append(part)
        size += len(part)
    return b"!wrote too much"


def outcome(job: dict[str, Any], deadline: float, confine: Any) -> bytes:
    """The next call in one worker, which is dead when this returns.

    When the time is over the rest of the calls stays unread, and so it is for all that follow.
    """
    if time.monotonic() >= deadline:
        return b"!took too long"
    inside, outside = posix.pipe()
    pid = posix.fork()
    if pid == 0:
        work(job, outside, confine)
    posix.close(outside)
    said = collected(job, inside, deadline)
    posix.close(inside)
    posix.kill(pid, _SIGKILL)
    status = posix.waitpid(pid, 0)[1]
    if said:
        return said
    died = posix.WTERMSIG(status) if posix.WIFSIGNALED(status) else 0
    return b"!ended by signal %d" % died if died else b"!ended without a value"


def main() -> None:
    job = marshal.loads(read_exactly(0, int(read_exactly(0, 16))))
    posix.dup2(job["null_fd"], _NULL)
    posix.closerange(_NULL + 1, job["last_fd"] + 1)
    deadline = time.monotonic() + job["wall_s"]
    confine = None
    if job["confinement"]:
        namespace: dict[str, Any] = {"__name__": "confinement"}
        exec(job["confinement"], namespace)
        confine = namespace["prepare"](job["readable"], job["filter"])
    write_all(1, b'{"outcomes":[')
    for number in range(job["n_calls"]):
        write_all(1, b"," * (number > 0) + b'"')
        write_all(1, outcome(job, deadline, confine).hex().encode("ascii") + b'"')
    write_all(1, b'],"nonce":"' + read_rest(0)[-NONCE_HEX:] + b'"}\n')


if __name__ == "__main__":
    main()
    posix._exit(0)  # nothing to tidy up, and no time to lose
