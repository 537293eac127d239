"""A seccomp filter as bytes: a small assembler for the classic BPF that the kernel reads.

Written out because the two bindings of libseccomp need its C library at run time. Layouts are
from `linux/filter.h` and `linux/seccomp.h`: an instruction is (u16 code, u8 jump-if-true, u8
jump-if-false, u32 constant); the data it sees is (u32 number, u32 arch, u64 ip, u64 args[6]).
Arguments are compared by their low 32 bits, which is all the kernel reads of the ones used here.
"""

from __future__ import annotations

import errno
import struct
from collections.abc import Sequence
from dataclasses import dataclass

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
