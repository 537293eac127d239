"""Answers that try to use up the machine, or to outlive their time."""

from __future__ import annotations

import signal
import time

import pytest

from academy.sandbox.answers import Failure
from academy.sandbox.interpreter import SandboxLimits
from academy.sandbox.sandbox import Sandbox

LIMITS = SandboxLimits(cpu_s=5, wall_s=10, output_bytes=4096)
SHORT = SandboxLimits(cpu_s=1, wall_s=0.35, output_bytes=4096)

BOMBS = {
    "fork bomb": """
import os
def attack():
    try:
        while True:
            os.fork()
    except OSError:
        return "no fork"
""",
    "vfork and exec bomb": """
import subprocess, sys
def attack():
    try:
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(99)"])
    except OSError:
        return "no fork"
""",
    "daemon that stays": """
import os, time
def attack():
    try:
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                time.sleep(99)
            os._exit(0)
    except OSError:
        return "no fork"
""",
    "thread bomb": """
import threading, time
def attack():
    try:
        for _ in range(1000):
            threading.Thread(target=time.sleep, args=(99,), daemon=True).start()
    except RuntimeError:
        return "no thread"
""",
    "memory bomb": """
def attack():
    try:
        return len(bytearray(1 << 30))
    except MemoryError:
        return "no memory"
""",
    "memory in small pieces": """
def attack():
    pieces = []
    try:
        while True:
            pieces.append(bytearray(1 << 20))
    except MemoryError:
        pieces.clear()
        return "no memory"
""",
    "descriptor bomb": """
import os
def attack():
    try:
        while True:
            os.pipe()
    except OSError:
        return "no descriptor"
""",
    "more memory by raising the limit": """
import resource
def attack():
    most = resource.RLIM_INFINITY
    for name in (resource.RLIMIT_AS, resource.RLIMIT_CPU, resource.RLIMIT_NPROC):
        try:
            resource.setrlimit(name, (most, most))
            return "raised"
        except ValueError:
            pass
    return "no higher"
""",
    "output bomb on stdout": """
def attack():
    for _ in range(99):
        print('x' * 10**6)
    return 'unread'
""",
    "output bomb on stderr": """
import sys
def attack():
    for _ in range(99):
        sys.stderr.write('x' * 10**6)
    return 'unread'
""",
    "input wanted": """
def attack():
    try:
        input()
    except EOFError:
        return 'no input'
""",
    "deep recursion": """
def attack():
    try:
        return attack()
    except RecursionError:
        return 'too deep'
""",
}

FATAL = {
    "endless loop": "def attack():\n    while True:\n        pass\n",
    "endless loop while loading": "while True:\n    pass\n",
    "endless sleep": "import time\ndef attack():\n    time.sleep(99)\n",
    "endless number": "def attack():\n    return len(str(10 ** 10 ** 9))\n",
    "deaf to signals": """
import signal
for n in range(1, 32):
    try:
        signal.signal(n, signal.SIG_IGN)
    except (OSError, ValueError):
        pass
def attack():
    while True:
        pass
""",
    "pipe closed, then a loop": """
import os
def attack():
    os.close(3)
    while True:
        pass
""",
    "output bomb on the pipe": """
import os
def attack():
    while True:
        os.write(3, b'x' * 65536)
""",
    "output bomb by the value": "def attack():\n    return 'x' * 10**6\n",
    "stack overflow in C": """
import sys
def attack():
    sys.setrecursionlimit(10**9)
    def down(f): return f(f)
    class A:
        def __getattr__(self, name): return getattr(self, name + "x")
    return repr(A().x)
""",
    "null pointer": "import ctypes\ndef attack():\n    return ctypes.string_at(0)\n",
    "abort": "import os\ndef attack():\n    os.abort()\n",
    "evil repr while failing": """
class E(Exception):
    def __str__(self):
        while True: pass
    __repr__ = __str__
def attack():
    raise E()
""",
    "evil pattern": "import re\ndef attack():\n    return bool(re.match('(a*)*b', 'a' * 40))\n",
    "null byte": "def attack():\n    return '\0'\n",
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_does_not_go_off(sandbox: Sandbox, name: str) -> None:
    """The kernel refuses the first step too many, and the answer goes on without it."""
    refusals = {"no fork", "no thread", "no memory", "no descriptor", "no higher", "unread"}
    [value] = sandbox.run(BOMBS[name], ["attack()"], LIMITS).values or [None]
    assert value in refusals | {"no input", "too deep"}


@pytest.mark.parametrize("name", FATAL)
def test_what_does_not_end_is_ended(sandbox: Sandbox, name: str) -> None:
    """A call that will not stop, or falls apart, fails; its sandbox is gone afterwards."""
    result = sandbox.run(FATAL[name], ["attack()"], SHORT)
    assert result.values is None or isinstance(result.values[0], Failure)


def test_processor_time_and_wall_time_are_both_limited(sandbox: Sandbox) -> None:
    """A loop dies of its CPU limit, a sleep of the wall limit; the reasons say so."""
    loop = sandbox.run("def f():\n    while True: pass\n", ["f()"], SandboxLimits(1, 30))
    assert loop.values == [Failure(f"ended by signal {int(signal.SIGKILL)}")]
    sleep = sandbox.run(
        "import time\ndef f():\n    time.sleep(30)\n", ["f()"], SandboxLimits(9, 0.5)
    )
    assert sleep.values == [Failure("took too long")]


def test_the_wall_limit_is_for_all_calls_together(sandbox: Sandbox) -> None:
    """Calls after the end of the time fail at once instead of having a time of their own."""
    code = "import time\ndef f(s):\n    time.sleep(s)\n    return s\n"
    started = time.monotonic()
    values = sandbox.run(code, ["f(0)", *["f(30)"] * 5], SandboxLimits(wall_s=3.0)).values
    assert values == [0, *[Failure("took too long")] * 5]
    assert time.monotonic() - started < 15  # five times 30 s if it were otherwise


def test_an_answer_that_is_too_long_is_not_even_started(sandbox: Sandbox) -> None:
    """The limit is the answer's bytes, not its characters."""
    result = sandbox.run("# é\n" * 100, ["1"], SandboxLimits(code_bytes=450))
    assert result.values is None
    assert "500 bytes, at most 450" in str(result.error)
