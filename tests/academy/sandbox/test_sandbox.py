"""What the sandbox promises to those who use it, and when it refuses to start."""

from __future__ import annotations

import contextlib
import ctypes
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from academy.errors import SandboxLimitsError, SandboxUnavailableError
from academy.sandbox import bubblewrap, confinement, interpreter, shelter
from academy.sandbox.answers import Failure
from academy.sandbox.interpreter import Interpreter, SandboxLimits
from academy.sandbox.sandbox import Sandbox


def test_bubblewrap_is_the_first_choice() -> None:
    """Where both work, the stronger wall is taken."""
    assert Sandbox.available().kind == "bubblewrap"


def test_landlock_is_the_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without bubblewrap falls back, and the fallback says what it is."""
    if confinement.abi() < 1:
        pytest.skip("this kernel has no Landlock")
    monkeypatch.setattr(bubblewrap.shutil, "which", lambda name: None)
    assert Sandbox.available().kind == "landlock"


def test_without_either_nothing_is_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Refused in one line with both reasons and remedies; the answer's file is never made."""
    monkeypatch.setattr(bubblewrap, "program", lambda: str(tmp_path / "bwrap"))
    monkeypatch.setattr(confinement, "abi", lambda: 0)
    with pytest.raises(SandboxUnavailableError) as caught:
        Sandbox.available()
    message = str(caught.value)
    assert "install bubblewrap" in message and "Linux 5.13" in message and "\n" not in message
    made = tmp_path / "made"
    for kind in ("bubblewrap", "landlock"):
        sandbox = Sandbox(kind, Interpreter.current())  # type: ignore[arg-type]
        with contextlib.suppress(SandboxUnavailableError):
            assert sandbox.run(f"open({str(made)!r}, 'w')", ["1"]).values is None
    assert not made.exists()


def test_an_old_bubblewrap_is_no_bubblewrap(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """One that does not know an option is told apart by trying, and its complaint is passed on."""
    tmp_path.chmod(0o755)
    old = tmp_path / "bwrap"
    old.write_text("#!/bin/sh\necho 'bwrap: Unknown option --disable-userns' >&2\nexit 1\n")
    old.chmod(0o755)
    monkeypatch.setattr(bubblewrap, "program", lambda: str(old))
    with pytest.raises(SandboxUnavailableError, match=r"0\.8 or later"):
        Sandbox.tried("bubblewrap")


def test_a_kernel_that_refuses_landlock_runs_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that cannot lock itself in ends before it has seen the answer's first line."""
    if confinement.abi() < 1:
        pytest.skip("this kernel has no Landlock")
    text = Path(confinement.__file__).read_text(encoding="utf-8")
    broken = text.replace("_RESTRICT_SELF = 444, 445, 446", "_RESTRICT_SELF = 444, 445, 9999")
    assert broken != text
    read_text = Path.read_text
    monkeypatch.setattr(
        Path,
        "read_text",
        lambda self, **k: broken if self.name == "confinement.py" else read_text(self, **k),
    )
    result = Sandbox("landlock", Interpreter.current()).run("", ["1 + 1"])
    assert result.values == [Failure("ended without a value")]


def test_same_answer_same_values(sandbox: Sandbox) -> None:
    """The order of a set of words does not change from run to run."""
    code = "def f():\n    return list({'one', 'two', 'three', 'four', 'five', 'six'})\n"
    runs = [sandbox.run(code, ["f()"]).values for _ in range(4)]
    assert runs == [runs[0]] * 4


def test_useful_parts_of_python_work(sandbox: Sandbox) -> None:
    """An honest answer may import the standard library, C modules included."""
    code = """
import bisect, collections, dataclasses, datetime, decimal, fractions, functools, hashlib, heapq
import itertools, json, math, operator, random, re, statistics, string, typing, zlib
def f():
    return len(hashlib.sha256(zlib.compress(b"x")).hexdigest()), str(decimal.Decimal("0.1") * 3)
"""
    assert sandbox.run(code, ["f()"]).values == [(64, "0.3")]


def test_many_at_once(sandbox: Sandbox) -> None:
    """Threads may share one sandbox; nobody gets another's values."""
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda n: sandbox.run("", [f"{n} * 2"]).values, range(24)))
    assert results == [[2 * n] for n in range(24)]


def test_many_descriptors_of_ours_do_no_harm(sandbox: Sandbox) -> None:
    """Descriptors far beyond a worker's own limit, and beyond what select() can take."""
    held = [os.open(os.devnull, os.O_RDONLY) for _ in range(1100)]
    try:
        assert sandbox.run("", ["6 * 7"]).values == [42]
    finally:
        for fd in held:
            os.close(fd)


def test_no_calls_no_values(sandbox: Sandbox) -> None:
    """An empty list is answered by an empty list."""
    assert sandbox.run("x = 1", []).values == []


def test_large_answers_and_values_come_through(sandbox: Sandbox) -> None:
    """More than a pipe holds, in both directions."""
    limits = SandboxLimits(code_bytes=2**21, output_bytes=2**20)
    code = f"X = {'y' * 500_000!r}\n"
    assert sandbox.run(code, ["X", "X[:3]"], limits).values == ["y" * 500_000, "yyy"]


@pytest.mark.parametrize("field", ["cpu_s", "wall_s", "memory_bytes", "output_bytes"])
@pytest.mark.parametrize("value", [0, -1, float("nan")])
def test_limits_are_positive(field: str, value: float) -> None:
    """The message names the limit and what it was."""
    with pytest.raises(SandboxLimitsError, match=field):
        SandboxLimits(**{field: value})  # type: ignore[arg-type]


def test_a_private_interpreter_is_shown_to_the_sandbox_only() -> None:
    """Root's thread has mounts of its own; the rest of our process never sees them."""
    place = shelter.public_place()
    before = (os.listdir(place), Path("/proc/self/mounts").read_text())
    home = Path(os.__file__).parent
    try:
        inside = shelter.sheltered(home, lambda found: (found / "os.py").exists())
    except OSError:
        assert not _may_mount()
    else:
        assert inside
    assert (os.listdir(place), Path("/proc/self/mounts").read_text()) == before


def _may_mount() -> bool:
    """Whether this process may have mounts of its own, asked in a child that then ends."""
    pid = os.fork()
    if pid == 0:
        os._exit(0 if ctypes.CDLL(None).unshare(0x20000) == 0 else 1)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_an_interpreter_behind_a_closed_door_is_noticed(tmp_path: Path) -> None:
    """One folder on the way that others may not enter is enough."""
    program = tmp_path / "door" / "python"
    program.parent.mkdir(mode=0o700)
    program.write_text("")
    program.chmod(0o755)
    assert not Interpreter(tmp_path, program, ()).open_to_all
    moved = interpreter.moved(program, tmp_path, Path("/mnt"))
    assert moved == Path("/mnt/door/python")
    assert interpreter.moved(Path("/usr/lib"), tmp_path, Path("/mnt")) == Path("/usr/lib")
