"""Runs inside the fallback sandbox: Landlock for files, then seccomp for all other calls.

Its text is executed by the supervisor, so it imports the standard library only. Each worker puts
both on itself, and the supervisor stays out of that Landlock domain: the kernel then denies the
worker every ptrace-like look at it (`/proc/PID/fd`, `/proc/PID/mem`), with or without a filter.
Numbers and layouts are from `linux/landlock.h`, `linux/prctl.h` and `linux/seccomp.h`.
"""

from __future__ import annotations

import ctypes
import os
import signal
from collections.abc import Callable, Sequence

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION_FLAG, _PATH_BENEATH = 1, 1
_READ_FILE, _READ_DIR = 1 << 2, 1 << 3
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 1, 4, 22, 38
_FILTER_MODE = 2


class _Ruleset(ctypes.Structure):
    _fields_ = (("fs", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("parent_fd", ctypes.c_int32))


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_uint16), ("filter", ctypes.c_char_p))


_libc = ctypes.CDLL(None, use_errno=True)


def _done(result: int) -> int:
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return result


def abi() -> int:
    """Landlock's version in this kernel; 0 where it is missing or switched off."""
    version: int = _libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _VERSION_FLAG)
    return max(version, 0)


def _ruleset(version: int) -> int:
    """A ruleset that takes away everything this kernel can take away."""
    rights = {1: 13, 2: 14, 3: 15, 4: 15}.get(version, 16)  # number of file rights per version
    attributes = _Ruleset((1 << rights) - 1, 3 if version >= 4 else 0, 3 if version >= 6 else 0)
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    pointer = ctypes.byref(attributes)
    return _done(_libc.syscall(_CREATE_RULESET, pointer, ctypes.c_size_t(size), 0))


def _let_read(ruleset: int, path: str) -> None:
    folder = os.path.isdir(path)
    fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    rule = _PathBeneath(_READ_FILE | _READ_DIR if folder else _READ_FILE, fd)
    _done(_libc.syscall(_ADD_RULE, ruleset, _PATH_BENEATH, ctypes.byref(rule), 0))
    os.close(fd)


def _prctl(option: int, value: int) -> None:
    _done(_libc.prctl(option, ctypes.c_ulong(value), None, None, None))


def _lock_files(readable: Sequence[str]) -> None:
    ruleset = _ruleset(abi())
    for path in readable:
        _let_read(ruleset, path)
    _done(_libc.syscall(_RESTRICT_SELF, ruleset, 0))
    os.close(ruleset)


def prepare(readable: Sequence[str], program: bytes) -> Callable[[], None]:
    """Shield the supervisor; return what a worker calls to lock itself in for good.

    Args:
        readable: Files and folders that stay readable; nothing stays writable.
        program: The worker's seccomp filter, instructions of 8 bytes.
    """
    _prctl(_PR_SET_DUMPABLE, 0)

    def confine() -> None:
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        _prctl(_PR_SET_NO_NEW_PRIVS, 1)
        _lock_files(readable)
        filter_of = _Program(len(program) // 8, program)
        _done(_libc.prctl(_PR_SET_SECCOMP, _FILTER_MODE, ctypes.byref(filter_of), None, None))

    return confine
