"""A seccomp filter as bytes: a small assembler for the classic BPF that the kernel reads.

Written out because the two bindings of libseccomp need its C library at run time. Layouts are
from `linux/filter.h` and `linux/seccomp.h`: an instruction is (u16 code, u8 jump-if-true, u8
jump-if-false, u32 constant); the data it sees is (u32 number, u32 arch, u64 ip, u64 args[6]).
Arguments are compared by their low 32 bits, which is all the kernel reads of the ones used here.

What the kernel may be asked for by code that nobody trusts: an allowlist.

Everything a pure Python computation needs is here; whatever is missing (sockets, ptrace, mount,
unshare, bpf, io_uring, keyctl, userfaultfd, memfd_create, chmod, ...) fails with EPERM.
Numbers are the kernel's ABI and never change: x86-64 from its own table, aarch64 from the
generic one (`asm-generic/unistd.h`), where -1 marks a call that it never had.
"""

from __future__ import annotations

import errno
import functools
import platform
import struct
from collections.abc import Sequence
from dataclasses import dataclass

from academy.errors import SandboxUnavailableError

_LOAD, _RETURN = 0x20, 0x06
_IF_EQUAL, _IF_AT_LEAST, _IF_FLAGS = 0x15, 0x35, 0x45
_NUMBER_AT, _ARCH_AT, _ARGS_AT = 0, 4, 16
_KILL, _ERRNO, _ALLOWED = 0x80000000, 0x00050000, 0x7FFF0000
_X32 = 0x40000000
"""Bit of the x32 ABI's call numbers: a second door to the same kernel, kept shut."""

_DENY = _ERRNO | errno.EPERM


def _op(code: int, constant: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, constant)


def _load_argument(index: int) -> bytes:
    return _op(_LOAD, _ARGS_AT + 8 * index)


def _returned(value: int) -> bytes:
    return _op(_RETURN, value)


@dataclass(frozen=True, slots=True)
class Rule:
    """What happens to one system call; `body` runs with no way back and must return."""

    number: int

    def body(self) -> list[bytes]:
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Allow(Rule):
    def body(self) -> list[bytes]:
        return [_returned(_ALLOWED)]


@dataclass(frozen=True, slots=True)
class Missing(Rule):
    """Answer as a kernel without this call would, so that the C library takes the older one."""

    def body(self) -> list[bytes]:
        return [_returned(_ERRNO | errno.ENOSYS)]


@dataclass(frozen=True, slots=True)
class AllowIfEqual(Rule):
    argument: int
    values: tuple[int, ...]

    def body(self) -> list[bytes]:
        ops = [_load_argument(self.argument)]
        for value in self.values:
            ops += [_op(_IF_EQUAL, value, 0, 1), _returned(_ALLOWED)]
        return [*ops, _returned(_DENY)]


@dataclass(frozen=True, slots=True)
class AllowIfBetween(Rule):
    argument: int
    low: int
    high: int

    def body(self) -> list[bytes]:
        return [
            _load_argument(self.argument),
            _op(_IF_AT_LEAST, self.low, 1, 0),
            _returned(_DENY),
            _op(_IF_AT_LEAST, self.high + 1, 0, 1),
            _returned(_DENY),
            _returned(_ALLOWED),
        ]


@dataclass(frozen=True, slots=True)
class AllowUnlessFlags(Rule):
    argument: int
    flags: int

    def body(self) -> list[bytes]:
        return [
            _load_argument(self.argument),
            _op(_IF_FLAGS, self.flags, 0, 1),
            _returned(_DENY),
            _returned(_ALLOWED),
        ]


def program(audit_arch: int, rules: Sequence[Rule]) -> bytes:
    """The filter that lets through what the rules allow; the rest fails with EPERM.

    Args:
        audit_arch: AUDIT_ARCH_* of the machine; calls of any other kind kill the process.
    """
    ops = [
        _op(_LOAD, _ARCH_AT),
        _op(_IF_EQUAL, audit_arch, 1, 0),
        _returned(_KILL),
        _op(_LOAD, _NUMBER_AT),
        _op(_IF_AT_LEAST, _X32, 0, 1),
        _returned(_KILL),
    ]
    for rule in rules:
        body = rule.body()
        ops += [_op(_IF_EQUAL, rule.number, 0, len(body)), *body]
    return b"".join([*ops, _returned(_DENY)])


_CALLS = {
    # files: the only ones to be seen are the interpreter's own, read-only
    "read": (0, 63),
    "write": (1, 64),
    "close": (3, 57),
    "fstat": (5, 80),
    "newfstatat": (262, 79),
    "stat": (4, -1),
    "lstat": (6, -1),
    "statx": (332, 291),
    "lseek": (8, 62),
    "pread64": (17, 67),
    "readv": (19, 65),
    "writev": (20, 66),
    "access": (21, -1),
    "faccessat": (269, 48),
    "faccessat2": (439, 439),
    "open": (2, -1),
    "openat": (257, 56),
    "getdents64": (217, 61),
    "getcwd": (79, 17),
    "readlink": (89, -1),
    "readlinkat": (267, 78),
    "statfs": (137, 43),
    "fstatfs": (138, 44),
    "pipe": (22, -1),
    "pipe2": (293, 59),
    "dup": (32, 23),
    "dup2": (33, -1),
    "dup3": (292, 24),
    "close_range": (436, 436),
    "poll": (7, -1),
    "ppoll": (271, 73),
    "select": (23, -1),
    "pselect6": (270, 72),
    # memory
    "mmap": (9, 222),
    "mprotect": (10, 226),
    "munmap": (11, 215),
    "mremap": (25, 216),
    "madvise": (28, 233),
    "brk": (12, 214),
    # time
    "nanosleep": (35, 101),
    "clock_nanosleep": (230, 115),
    "clock_gettime": (228, 113),
    "clock_getres": (229, 114),
    "gettimeofday": (96, 169),
    "time": (201, -1),
    "times": (100, 153),
    # the process itself
    "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139),
    "sigaltstack": (131, 132),
    "restart_syscall": (219, 128),
    "getrusage": (98, 165),
    "getpid": (39, 172),
    "gettid": (186, 178),
    "getppid": (110, 173),
    "getuid": (102, 174),
    "geteuid": (107, 175),
    "getgid": (104, 176),
    "getegid": (108, 177),
    "getpgrp": (111, -1),
    "getpgid": (121, 155),
    "getsid": (124, 156),
    "getgroups": (115, 158),
    "exit": (60, 93),
    "exit_group": (231, 94),
    "uname": (63, 160),
    "sysinfo": (99, 179),
    "getrlimit": (97, 163),
    "setrlimit": (160, 164),
    "sched_yield": (24, 124),
    "sched_getaffinity": (204, 123),
    "arch_prctl": (158, -1),
    "set_tid_address": (218, 96),
    "set_robust_list": (273, 99),
    "rseq": (334, 293),
    "futex": (202, 98),
    "membarrier": (324, 283),
    "getrandom": (318, 278),
}
_SUPERVISOR_CALLS = {"fork": (57, -1), "wait4": (61, 260), "waitid": (247, 95)}
_CLONE, _CLONE3, _EXECVE, _SIGNAL = (56, 220), (435, 435), (59, 221), (62, 129)
_PRLIMIT, _IOCTL, _FCNTL = (302, 261), (16, 29), (72, 25)

_NEW_NAMESPACES = 0x7E020000  # every CLONE_NEW* flag that clone(2) takes
_IOCTLS = (0x5401, 0x5421, 0x5450, 0x5451)  # TCGETS, FIONBIO, FIONCLEX, FIOCLEX
_FCNTLS = (0, 1, 2, 3, 4, 1030)  # F_DUPFD, F_{GET,SET}FD, F_{GET,SET}FL, F_DUPFD_CLOEXEC
_FIRST_WORKER_PID = 2
"""In bubblewrap's process namespace our supervisor is process 1, and no target of any signal."""


@dataclass(frozen=True, slots=True)
class _Machine:
    column: int
    audit_arch: int


_MACHINES = {"x86_64": _Machine(0, 0xC000003E), "aarch64": _Machine(1, 0xC00000B7)}


def _machine(name: str) -> _Machine:
    if name not in _MACHINES:
        raise SandboxUnavailableError(
            f"the system call filter knows {', '.join(_MACHINES)}, this machine is {name!r}: "
            "run code challenges on one of those"
        )
    return _MACHINES[name]


def _common_rules(column: int) -> list[Rule]:
    always = [numbers[column] for numbers in _CALLS.values() if numbers[column] >= 0]
    return [
        *(Allow(number) for number in always),
        AllowIfEqual(_PRLIMIT[column], argument=0, values=(0,)),  # one's own limits only
        AllowIfEqual(_IOCTL[column], argument=1, values=_IOCTLS),
        AllowIfEqual(_FCNTL[column], argument=1, values=_FCNTLS),
        Missing(_CLONE3[column]),  # its flags lie in memory, where no filter can look
    ]


@functools.cache
def sandbox_filter(machine: str = "") -> bytes:
    """The filter for everything inside bubblewrap, supervisor included.

    Raises:
        SandboxUnavailableError: There is no table for this processor.
    """
    known = _machine(machine or platform.machine())
    column = known.column
    supervisor = [n[column] for n in _SUPERVISOR_CALLS.values() if n[column] >= 0]
    rules = [
        *_common_rules(column),
        *(Allow(number) for number in supervisor),
        Allow(_EXECVE[column]),  # bubblewrap starts the interpreter behind the filter
        AllowUnlessFlags(_CLONE[column], argument=0, flags=_NEW_NAMESPACES),
        AllowIfBetween(_SIGNAL[column], argument=0, low=_FIRST_WORKER_PID, high=0x7FFFFFFF),
    ]
    return program(known.audit_arch, rules)


@functools.cache
def worker_filter(machine: str = "") -> bytes:
    """The tighter filter for the one process that runs the answer: no fork, exec or signal.

    Raises:
        SandboxUnavailableError: There is no table for this processor.
    """
    known = _machine(machine or platform.machine())
    return program(known.audit_arch, _common_rules(known.column))
