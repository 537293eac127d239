"""Both walls, an attack's own throw-away victim, and a look at the host after every attack."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from academy.sandbox import confinement
from academy.sandbox.sandbox import Kind, Sandbox

Bare = Callable[[str, str], object]


@pytest.fixture(scope="session")
def sandboxes() -> dict[Kind, Sandbox]:
    """Bubblewrap must be there: without it these tests fail, they are not skipped."""
    found: dict[Kind, Sandbox] = {"bubblewrap": Sandbox.tried("bubblewrap")}
    if confinement.abi() > 0:
        found["landlock"] = Sandbox.tried("landlock")
    return found


@pytest.fixture(params=["bubblewrap", "landlock"])
def sandbox(request: pytest.FixtureRequest, sandboxes: dict[Kind, Sandbox]) -> Sandbox:
    if request.param == "landlock" and "landlock" not in sandboxes:
        pytest.skip("this kernel has no Landlock")
    return sandboxes[request.param]


def _sandbox_pids() -> set[int]:
    """Processes of our sandboxes, orphans included; other test runs have sandboxes of their own.

    The boot code is on the command line of each. A sandbox is ours if it was started by us, or by
    nobody who lives: then whoever adopts our orphans has it.
    """
    parents: dict[int, int] = {0: 0}
    boxed: set[int] = set()
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        with contextlib.suppress(OSError):  # it ended while we looked
            status = (folder / "stat").read_text()
            parents[int(folder.name)] = int(status.rpartition(")")[2].split()[1])
            if b"import marshal, posix" in (folder / "cmdline").read_bytes():
                boxed.add(int(folder.name))
    ours, pid = set(), os.getpid()
    while pid:
        ours.add(pid)
        pid = parents[pid]

    def starter(pid: int) -> int:
        while pid in boxed:
            pid = parents.get(pid, 0)
        return pid

    return {pid for pid in boxed if starter(pid) in ours}


def _our_children() -> set[int]:
    """Children of every thread of ours, zombies included."""
    pids: set[int] = set()
    for task in Path("/proc/self/task").iterdir():
        with contextlib.suppress(OSError):  # a thread that has just ended
            pids |= {int(pid) for pid in (task / "children").read_text().split()}
    return pids


@pytest.fixture(autouse=True)
def host_stays_as_it_was(canary: Path) -> Iterator[None]:
    """No process, zombie, descriptor or thread remains; the canary and its folder are untouched."""
    descriptors, children = len(os.listdir("/proc/self/fd")), _our_children()
    threads, others = threading.active_count(), _sandbox_pids()
    before = (canary.read_text(), canary.stat().st_mode, os.listdir(canary.parent))
    yield
    patience = time.monotonic() + 10
    while _sandbox_pids() - others and time.monotonic() < patience:
        time.sleep(0.02)
    assert not _sandbox_pids() - others
    assert _our_children() <= children
    assert threading.active_count() == threads
    assert len(os.listdir("/proc/self/fd")) == descriptors
    assert (canary.read_text(), canary.stat().st_mode, os.listdir(canary.parent)) == before


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    """A file that anybody may write to, in a folder that anybody may enter and write to."""
    folder = tmp_path / "nest"
    folder.mkdir()
    for path in (folder, *folder.parents):
        if path.stat().st_uid == os.geteuid() and path != Path("/") and path != Path("/tmp"):
            path.chmod(0o755)
    folder.chmod(0o777)
    file = folder / "canary"
    file.write_text("sings")
    file.chmod(0o666)
    return file


@pytest.fixture
def bare() -> Bare:
    """Run one of our own harmless attacks outside any sandbox: does it do what it claims to?"""

    def run(code: str, call: str) -> object:
        text = f"{code}\nimport json\nprint(json.dumps({call}))"
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-c", text], capture_output=True, timeout=60
        )
        return json.loads(done.stdout.splitlines()[-1])

    return run
