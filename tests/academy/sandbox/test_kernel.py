"""Doors of the kernel that answers have no business at, knocked at directly.

The arguments are nonsense, so that the call does no harm where it gets through; it got through
if the kernel complains about the arguments and not about the caller.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import textwrap

import pytest

from academy.errors import SandboxUnavailableError
from academy.sandbox import seccomp
from academy.sandbox.sandbox import Sandbox
from academy.sandbox.seccomp import sandbox_filter, worker_filter

_COLUMN = {"x86_64": 0, "aarch64": 1}.get(platform.machine(), 0)
_NEWUSER_BUT_SHARED = 0x10000000 | 0x200  # CLONE_NEWUSER | CLONE_FS is refused before any fork

DOORS: dict[str, tuple[tuple[int, int], tuple[int, ...]]] = {
    "socket": ((41, 198), (-1,)),
    "socketpair": ((53, 199), (-1,)),
    "bind": ((49, 200), (-1,)),
    "connect": ((42, 203), (-1,)),
    "unshare": ((272, 97), (0,)),
    "setns": ((308, 268), (-1,)),
    "clone3": ((435, 435), ()),
    "clone NEWUSER": ((56, 220), (_NEWUSER_BUT_SHARED,)),
    "mount": ((165, 40), ()),
    "umount2": ((166, 39), ()),
    "pivot_root": ((155, 41), ()),
    "chroot": ((161, 51), ()),
    "fsopen": ((430, 430), ()),
    "open_tree": ((428, 428), (-1,)),
    "move_mount": ((429, 429), (-1,)),
    "ptrace": ((101, 117), (0x4206, -1)),
    "process_vm_readv": ((310, 270), (-1,)),
    "process_vm_writev": ((311, 271), (-1,)),
    "pidfd_open": ((434, 434), (-1,)),
    "pidfd_getfd": ((438, 438), (-1,)),
    "pidfd_send_signal": ((424, 424), (-1,)),
    "kill all": ((62, 129), (-1, 0)),
    "kill init": ((62, 129), (1, 0)),
    "kill group": ((62, 129), (0, 0)),
    "tgkill": ((234, 131), (-1, -1)),
    "tkill": ((200, 130), (-1,)),
    "rt_sigqueueinfo": ((129, 138), (-1,)),
    "prlimit of init": ((302, 261), (1, 0)),
    "bpf": ((321, 280), (99,)),
    "perf_event_open": ((298, 241), ()),
    "keyctl": ((250, 219), (99,)),
    "add_key": ((248, 217), ()),
    "request_key": ((249, 218), ()),
    "userfaultfd": ((323, 282), (-1,)),
    "memfd_create": ((319, 279), ()),
    "io_uring_setup": ((425, 425), ()),
    "shmget": ((29, 194), (0, 0)),
    "msgget": ((68, 186), (0x7FFFFFFF,)),
    "semget": ((64, 190), (0x7FFFFFFF,)),
    "mq_open": ((240, 180), ()),
    "personality": ((135, 92), (0xFFFFFFFF,)),
    "seccomp": ((317, 277), (99,)),
    "prctl": ((157, 167), (3,)),
    "capset": ((126, 91), ()),
    "setuid": ((105, 146), (-1,)),
    "setgid": ((106, 144), (-1,)),
    "setresuid": ((117, 147), (-1, -1, -1)),
    "execveat": ((322, 281), (-1,)),
    "inotify_init1": ((294, 26), (-1,)),
    "timerfd_create": ((283, 85), (-1,)),
    "epoll_create1": ((291, 20), (-1,)),
    "eventfd2": ((290, 19), (0, -1)),
    "splice": ((275, 76), (-1,)),
    "sendfile": ((40, 71), (-1,)),
    "setitimer": ((38, 103), (-1,)),
    "fchmod": ((91, 52), (-1,)),
    "fchmodat": ((268, 53), (-1,)),
    "fchownat": ((260, 54), (-1,)),
    "mknodat": ((259, 33), (-1,)),
    "symlinkat": ((266, 36), ()),
    "linkat": ((265, 37), (-1,)),
    "unlinkat": ((263, 35), (-1,)),
    "mkdirat": ((258, 34), (-1,)),
    "truncate": ((76, 45), ()),
    "ftruncate": ((77, 46), (-1, -1)),
    "setxattr": ((188, 5), ()),
    "name_to_handle_at": ((303, 264), ()),
    "landlock_create_ruleset": ((444, 444), (0, 0, 0xFFFF)),
    "setpriority": ((141, 140), (-1,)),
    "sched_setscheduler": ((144, 119), (-1,)),
    "kcmp": ((312, 272), (-1,)),
    "push into the terminal": ((16, 29), (-1, 0x5412)),
    "grow a pipe": ((72, 25), (-1, 1031)),
    "be sent signals": ((72, 25), (-1, 8)),
}

NEED_ROOT = {
    "init_module": ((175, 105), ()),
    "delete_module": ((176, 106), ()),
    "reboot": ((169, 142), ()),
    "settimeofday": ((164, 170), ()),
    "sethostname": ((170, 161), (0, -1)),
    "setgroups": ((116, 159), (-1,)),
    "swapon": ((167, 224), ()),
    "syslog": ((103, 116), (99,)),
    "open_by_handle_at": ((304, 265), (-1,)),
    "fanotify_init": ((300, 262), (-1,)),
}

KNOCK = """
import ctypes
def knock(doors):
    libc = ctypes.CDLL(None, use_errno=True)
    reached = []
    for name, (number, arguments) in doors.items():
        ctypes.set_errno(0)
        given = [ctypes.c_long(a) for a in (*arguments, 0, 0, 0, 0, 0, 0)[:6]]
        if libc.syscall(ctypes.c_long(number), *given) >= 0 or ctypes.get_errno() not in (1, 38):
            reached.append(name)
    return reached
"""

FILTERED = """
import ctypes, sys
program = bytes.fromhex(sys.argv[1])
class P(ctypes.Structure):
    _fields_ = (("length", ctypes.c_uint16), ("filter", ctypes.c_char_p))
if program:
    libc = ctypes.CDLL(None)
    assert libc.prctl(38, 1, 0, 0, 0) == 0
    assert libc.prctl(22, 2, ctypes.byref(P(len(program) // 8, program)), 0, 0) == 0
"""


def _doors() -> dict[str, tuple[int, tuple[int, ...]]]:
    known = {**DOORS, **NEED_ROOT} if os.geteuid() == 0 else DOORS
    return {name: (numbers[_COLUMN], given) for name, (numbers, given) in known.items()}


def _reached_behind(program: bytes, knock: str = "") -> set[str] | int:
    """What an ordinary process of ours reaches behind nothing but this filter."""
    text = f"{FILTERED}\nimport json\n{KNOCK}\n{knock or f'print(json.dumps(knock({_doors()!r})))'}"
    done = subprocess.run([sys.executable, "-c", text, program.hex()], capture_output=True)
    return set(json.loads(done.stdout)) if done.returncode == 0 else done.returncode


def test_no_door_of_the_kernel_opens_in_a_sandbox(sandbox: Sandbox) -> None:
    """One process of one answer knocks at all of them."""
    assert sandbox.run(KNOCK, [f"knock({_doors()!r})"]).values == [[]]


def test_the_filters_alone_keep_them_shut() -> None:
    """Every door that is open to us without a filter is shut by each of the two filters."""
    open_to_us = _reached_behind(b"")
    assert isinstance(open_to_us, set)
    not_in_this_kernel = set(_doors()) - open_to_us
    assert len(not_in_this_kernel) <= 8, not_in_this_kernel
    assert _reached_behind(sandbox_filter()) == set()
    assert _reached_behind(worker_filter()) == set()


def test_the_worker_filter_also_stops_fork_exec_and_every_signal() -> None:
    """What the supervisor needs is one table, what an answer needs another."""
    doors = {
        "fork": (((57, 220)[_COLUMN]), (17,)),
        "execve": ((59, 221)[_COLUMN], ()),
        "kill": ((62, 129)[_COLUMN], (0x7FFFFFF0, 0)),
        "wait4": ((61, 260)[_COLUMN], (-1,)),
    }
    print_reached = (
        f"import os\nme = os.getpid()\nfound = knock({doors!r})\n"
        "print(json.dumps(found)) if os.getpid() == me else os._exit(0)"
    )
    assert _reached_behind(b"", print_reached) == set(doors)
    assert _reached_behind(sandbox_filter(), print_reached) == set(doors)
    assert _reached_behind(worker_filter(), print_reached) == set()


@pytest.mark.skipif(platform.machine() != "x86_64", reason="x32 is a second ABI of x86-64 only")
def test_the_second_abi_is_deadly(sandbox: Sandbox) -> None:
    """getpid by its x32 number: a filter that looked at numbers only would miss such calls."""
    code = "import ctypes\ndef attack():\n    return ctypes.CDLL(None).syscall(0x40000000 + 39)\n"
    [value] = sandbox.run(code, ["attack()"]).values or [None]
    assert "signal 31" in str(value)  # SIGSYS


def test_a_call_of_another_architecture_is_deadly() -> None:
    """A filter for the other machine kills at the first call instead of guessing."""
    other = {"x86_64": "aarch64", "aarch64": "x86_64"}[platform.machine()]
    assert _reached_behind(sandbox_filter(other)) == -31


def test_an_unknown_processor_is_refused() -> None:
    """No table, no filter, no run: the message names the processors that have one."""
    with pytest.raises(SandboxUnavailableError, match="x86_64, aarch64, this machine is 'm68k'"):
        sandbox_filter("m68k")


def test_programs_are_as_the_kernel_reads_them() -> None:
    """Whole instructions of 8 bytes, fewer than the kernel's 4096, and no jump over the end."""
    for machine in ("x86_64", "aarch64"):
        for program in (sandbox_filter(machine), worker_filter(machine)):
            assert len(program) % 8 == 0 and len(program) // 8 < 4096
            last = len(program) // 8 - 1
            for index in range(last + 1):
                code, yes, no = program[8 * index], program[8 * index + 2], program[8 * index + 3]
                assert code & 7 != 5 or index + 1 + max(yes, no) <= last
    assert len(seccomp.program(0, [])) == 7 * 8


def test_namespaces_cannot_be_made_in_bubblewrap(sandboxes: dict[str, Sandbox]) -> None:
    """`--disable-userns` holds even for one who gets around the filter: a second lock, tried alone.

    The command line is run with an empty filter, and `unshare --user` must still fail.
    """
    from academy.sandbox import bubblewrap
    from academy.sandbox.launch import launch, memory_file
    from academy.sandbox.shelter import sheltered

    sandbox = sandboxes["bubblewrap"]
    text = textwrap.dedent("""
        import ctypes
        libc = ctypes.CDLL(None, use_errno=True)
        print(libc.unshare(0x10000000), ctypes.get_errno())
    """)

    def start(shelter: object) -> bytes:
        allow_all = memory_file("filter", b"\x06\0\0\0\0\0\xff\x7f")
        plan = bubblewrap.plan(sandbox.interpreter, shelter, text, allow_all)  # type: ignore[arg-type]
        try:
            return launch(
                plan.command,
                job=b"",
                keep_fds=(allow_all,),
                environment={},
                timeout_s=10,
                max_bytes=999,
            ).output
        finally:
            os.close(allow_all)

    private = os.geteuid() == 0 and not sandbox.interpreter.open_to_all
    output = sheltered(sandbox.interpreter.home, start) if private else start(None)
    assert output.startswith(b"-1 ")
