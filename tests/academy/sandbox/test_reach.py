"""Answers that reach for the world outside: files, environment, network, other processes.

Every attack returns True if it got what it wanted, and the test would score that as right. Each
is also run once without a sandbox, where it must succeed: else its failure would prove nothing.
"""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from academy.sandbox.answers import Failure
from academy.sandbox.sandbox import Sandbox
from academy.scoring.code import unit_test_report

Bare = Callable[[str, str], object]

REFUSALS = {
    "returned another value",
    *("PermissionError", "FileNotFoundError", "OSError", "BlockingIOError", "ProcessLookupError"),
    "RuntimeError",  # no thread
}


def _returning(expression: str) -> str:
    return f"import os, signal, socket\ndef attack(target):\n    return {expression}\n"


FILE_ATTACKS = {
    "read a file": _returning("open(target).read() == 'sings'"),
    "read by descriptor": """
import os
def attack(target):
    return os.read(os.open(target, os.O_RDONLY), 99) == b"sings"
""",
    "list a folder": _returning("'canary' in os.listdir(os.path.dirname(target))"),
    "climb out with dots": """
def attack(target):
    return open("/usr/lib/../../../../../.." + target).read() == "sings"
""",
    "read the users": _returning("'root' in open('/etc/passwd').read()"),
    "read the parent's command line": """
import os
def attack(target):
    return len(open(f"/proc/{os.getppid()}/cmdline").read()) > 0
""",
    "read the parent's environment": """
import os
def attack(target):
    return len(open(f"/proc/{os.getppid()}/environ").read()) > 0
""",
    "open the parent's descriptors": """
import os
def attack(target):
    return len(os.listdir(f"/proc/{os.getppid()}/fd")) > 0
""",
    "open a parent's descriptor": """
import os
def attack(target):
    for fd in range(8):
        try:
            os.open(f"/proc/{os.getppid()}/fd/{fd}", os.O_RDONLY | os.O_NONBLOCK)
            return True
        except OSError:
            pass
    return False
""",
    "see other processes": _returning("any(n.isdigit() for n in os.listdir('/proc'))"),
    "read own memory map": _returning("len(open('/proc/self/maps').read()) > 0"),
    "read the kernel's settings": _returning("bool(open('/proc/sys/kernel/pid_max').read())"),
    "open a device": _returning("len(open('/dev/zero', 'rb').read(1)) == 1"),
}

WRITE_ATTACKS = {
    "overwrite a file": _returning("open(target, 'w').write('x') == 1"),
    "append to a file": _returning("open(target, 'a').write('x') == 1"),
    "make a file beside it": _returning("open(target + '2', 'w').write('x') == 1"),
    "make a file in /tmp": """
import tempfile
def attack(target):
    with tempfile.NamedTemporaryFile() as file:
        return file.write(b"x") == 1
""",
    "make a folder": _returning("os.mkdir(target + '2') is None"),
    "remove a file": _returning("os.remove(target) is None"),
    "rename a file": _returning("os.rename(target, target + '2') is None"),
    "truncate a file": _returning("os.truncate(target, 0) is None"),
    "open rights to a file": _returning("os.chmod(target, 0o4777) is None"),
    "touch a file": _returning("os.utime(target, (1, 1)) is None"),
    "symbolic link to a file": """
import os
def attack(target):
    os.symlink(target, target + "2")
    return open(target + "2").read() == "sings"
""",
    "hard link to a file": _returning("os.link(target, target + '2') is None"),
    "named pipe": _returning("os.mkfifo(target + '2') is None"),
}

NETWORK_ATTACKS = {
    "tcp": """
import socket
def attack(target):
    return socket.create_connection(("127.0.0.1", target), 2).recv(2) == b"hi"
""",
    "udp": """
import socket
def attack(target):
    return socket.socket(type=socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", target)) == 1
""",
    "own server": """
import socket
def attack(target):
    socket.create_server(("127.0.0.1", 0)).close()
    return True
""",
    "abstract unix socket": """
import socket
def attack(target):
    socket.socket(socket.AF_UNIX).bind("\\0continuum-" + str(target))
    return True
""",
    "netlink": """
import socket
def attack(target):
    socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0).close()
    return True
""",
    "socket pair": _returning("len(socket.socketpair()) == 2"),
    "event loop": """
import asyncio
def attack(target):
    return asyncio.run(asyncio.sleep(0, True))
""",
}

PROCESS_ATTACKS = {
    "signal": _returning("os.kill(target, signal.SIGCONT) is None"),
    "signal by handle": """
import os, signal
def attack(target):
    return signal.pidfd_send_signal(os.pidfd_open(target), signal.SIGCONT) is None
""",
    "signal the supervisor": _returning("os.kill(os.getppid(), 0) is None"),
    "signal everybody in the group": _returning("os.kill(0, 0) is None"),
    "queue a signal to a thread": """
import ctypes, os
def attack(target):
    return ctypes.CDLL(None).tgkill(os.getppid(), os.getppid(), 0) == 0
""",
    "trace": """
import ctypes
def attack(target):
    seize = 0x4206
    return ctypes.CDLL(None).ptrace(seize, target, None, None) == 0
""",
    "read memory": """
import ctypes
def attack(target):
    return ctypes.CDLL(None).process_vm_readv(target, None, 0, None, 0, 0) == 0
""",
    "change limits": """
import os, resource
def attack(target):
    return len(resource.prlimit(os.getppid(), resource.RLIMIT_CPU)) == 2
""",
    "fork": _returning("os.fork() > 0 or os._exit(0)"),
    "thread": """
import threading
def attack(target):
    threading.Thread(target=int).start()
    return True
""",
    "another program": _returning("os.system('true') == 0"),
    "own group": _returning("os.setpgid(0, 0) is None"),
}


@pytest.fixture
def port() -> Iterator[int]:
    """A server on this machine that says hi."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def victim() -> Iterator[int]:
    """A process of whoever the answer would be outside bubblewrap: nobody, or ourselves."""
    nobody = 65534 if os.geteuid() == 0 else None
    command = ["sleep", "60"]
    with subprocess.Popen(command, user=nobody, group=nobody, start_new_session=True) as process:
        yield process.pid
        assert process.poll() is None  # nobody has killed it
        process.kill()


def _lost(sandbox: Sandbox, code: str, call: str) -> None:
    """The attack ran, said that it failed or raised the system's refusal, and scored 0."""
    report = unit_test_report(code, [f"{call} == True"], sandbox)
    assert report.score == 0.0
    assert report.reasons[0] in REFUSALS


@pytest.mark.parametrize("name", FILE_ATTACKS)
def test_reading_works_outside(name: str, canary: Path, bare: Bare) -> None:
    """The self-check: without a sandbox this attack gets what it wants."""
    assert bare(FILE_ATTACKS[name], f"attack({str(canary)!r})") is True


@pytest.mark.parametrize("name", FILE_ATTACKS)
def test_nothing_outside_can_be_read(sandbox: Sandbox, name: str, canary: Path) -> None:
    """Only the interpreter's own files exist for an answer, though outside all could be read."""
    _lost(sandbox, FILE_ATTACKS[name], f"attack({str(canary)!r})")


@pytest.mark.parametrize("name", WRITE_ATTACKS)
def test_writing_works_outside(name: str, tmp_path: Path, bare: Bare) -> None:
    """The self-check, on another file."""
    (tmp_path / "sacrifice").write_text("sings")
    assert bare(WRITE_ATTACKS[name], f"attack({str(tmp_path / 'sacrifice')!r})") is True


@pytest.mark.parametrize("name", WRITE_ATTACKS)
def test_nothing_anywhere_can_be_written(sandbox: Sandbox, name: str, canary: Path) -> None:
    """Not even a folder that is open to everybody, such as /tmp."""
    _lost(sandbox, WRITE_ATTACKS[name], f"attack({str(canary)!r})")


def test_no_file_of_the_interpreter_can_be_changed(sandbox: Sandbox) -> None:
    """The standard library is there, read-only, and so is every folder above it."""
    code = """
import os
def attack():
    folder = os.path.dirname(os.__file__)
    while True:
        for act in (lambda: open(folder + "/x", "w"), lambda: os.chmod(folder, 0o777)):
            try:
                act()
                return True
            except OSError:
                pass
        if folder == "/":
            return False
        folder = os.path.dirname(folder)
"""
    _lost(sandbox, code, "attack()")


def test_the_environment_is_empty(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """A secret in our environment is not in the answer's."""
    monkeypatch.setenv("CANARY", "sings")
    code = "import os\ndef attack():\n    return sorted(os.environ)\n"
    [names] = sandbox.run(code, ["attack()"]).values or [None]
    assert isinstance(names, list)
    assert set(names) <= {"PYTHONHASHSEED", "PWD", "LC_CTYPE", "LD_LIBRARY_PATH"}


def test_an_answer_is_nobody(sandbox: Sandbox) -> None:
    """No root, no group of ours, and no way back: neither rights nor a way to regain them."""
    code = """
import os
def who():
    return os.getuid(), os.geteuid(), os.getgid(), 0 in os.getgroups()
def attack():
    return os.setuid(0) is None
"""
    result = sandbox.run(code, ["who()", "attack()"]).values or []
    assert result[0][:3] == (65534, 65534, 65534) or sandbox.kind == "landlock"  # type: ignore[index]
    assert result[0][0] != 0 and result[0][3] is False  # type: ignore[index]
    assert result[1] == Failure("PermissionError")


@pytest.mark.parametrize("name", [name for name in NETWORK_ATTACKS if name != "tcp"])
def test_sockets_work_outside(name: str, port: int, bare: Bare) -> None:
    """The self-check; for tcp it is enough that the server listens."""
    assert bare(NETWORK_ATTACKS[name], f"attack({port})") is True


@pytest.mark.parametrize("name", NETWORK_ATTACKS)
def test_there_is_no_network(sandbox: Sandbox, name: str, port: int) -> None:
    """No socket of any family, so neither this machine's services nor anything beyond."""
    _lost(sandbox, NETWORK_ATTACKS[name], f"attack({port})")


@pytest.mark.parametrize("name", PROCESS_ATTACKS)
def test_touching_processes_works_outside(name: str, victim: int, bare: Bare) -> None:
    """The self-check; the signals are those that do nothing."""
    assert bare(PROCESS_ATTACKS[name], f"attack({victim})") is True


@pytest.mark.parametrize("name", PROCESS_ATTACKS)
def test_no_other_process_can_be_touched(sandbox: Sandbox, name: str, victim: int) -> None:
    """Neither a process of the same user outside, nor the supervisor inside."""
    _lost(sandbox, PROCESS_ATTACKS[name], f"attack({victim})")


def test_what_is_printed_or_left_in_memory_stays_inside(
    sandbox: Sandbox, capfd: pytest.CaptureFixture[str]
) -> None:
    """Neither standard output nor standard error of an answer reaches ours."""
    code = "import sys\ndef f():\n    print('x'); sys.stderr.write('y')\n    return 1\n"
    assert sandbox.run(code, ["f()"]).values == [1]
    assert capfd.readouterr() == ("", "")


def test_inherited_descriptors_are_closed(sandbox: Sandbox, canary: Path) -> None:
    """An open, even inheritable, file of ours is not open for an answer."""
    fd = os.open(canary, os.O_RDWR)
    os.set_inheritable(fd, True)
    code = """
import os
def attack():
    found = []
    for fd in range(4, 1024):
        try:
            os.fstat(fd)
            found.append(fd)
        except OSError:
            pass
    return found
"""
    try:
        assert sandbox.run(code, ["attack()"]).values == [[]]
    finally:
        os.close(fd)
