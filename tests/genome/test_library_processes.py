"""Several processes at one library, and processes that die in it: it stays valid."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from genome.library import Library
from tests.support.genome import random_layer, tiny_llama

MODEL = tiny_llama()

KILLED = """
# kills itself at its n-th access to the file system, for every n until an import gets through
import os, signal, sys
from pathlib import Path
import genome.validate, genome.adapter.card, genome.adapter.archive
import numpy
from genome.library import Library

home, source = Path(sys.argv[1]), Path(sys.argv[2])
watched = ("open", "os.", "shutil.", "sqlite3.", "fcntl.")

def import_until(n):
    count = 0
    def tick():
        nonlocal count
        count += 1
        if count == n:
            os.kill(os.getpid(), signal.SIGKILL)
    def hook(event, args):
        if event.startswith(watched):
            tick()
    fsync = os.fsync
    os.fsync = lambda file: (tick(), fsync(file))
    library = Library.open(home)
    sys.addaudithook(hook)
    library.import_folder(source, name="sorter")

def check(where):
    library = Library.open(home)
    findings = library.verify()
    assert not findings, (where, findings)
    assert list((home / "library" / "staging").iterdir()) == [], where
    rows = library.find()
    assert {row.digest for row in rows} == set(os.listdir(home / "library" / "layers")), where
    return rows

def child(n):
    pid = os.fork()
    if pid == 0:
        try:
            import_until(n)
        except BaseException as error:
            print(n, repr(error), flush=True)
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

Library.open(home)
kills = stored = 0
for n in range(1, 500):
    code = child(n)
    rows = check(n)
    if code == 0:
        assert len(rows) == 1
        break
    assert code == -signal.SIGKILL, (n, code)
    kills += 1
    for row in rows:  # killed after the rename: it counts as stored
        stored += 1
        Library.open(home).remove(row.digest)
else:
    raise SystemExit("never got through")
print(kills, stored)
"""

AT_ONCE = """
import sys
from genome.library import Library
library = Library.open(sys.argv[1])
for path in sys.argv[2:]:
    library.import_folder(path)
"""


def run(code: str, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_killed_at_any_access_to_the_disk_an_import_leaves_a_valid_library(tmp_path: Path) -> None:
    """Every n-th file operation once; the layer is there whole or not at all, nothing beside it."""
    source = tmp_path / "sorter"
    random_layer(MODEL, rank=1).to_peft(source)
    kills, stored = map(int, run(KILLED, str(tmp_path / "home"), str(source)).split())
    assert kills > 25
    assert stored > 0


def test_processes_that_import_the_same_and_other_layers_at_once_agree(tmp_path: Path) -> None:
    """Each opens a library that nobody has made yet."""
    paths = []
    for seed in range(6):
        paths.append(tmp_path / f"layer-{seed}")
        random_layer(MODEL, rank=1, seed=seed).to_peft(paths[-1])
    home = tmp_path / "home"
    orders = [paths, paths[::-1], paths[3:] + paths[:3], paths[:4]]
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", AT_ONCE, str(home), *map(str, order)],
            stderr=subprocess.PIPE,
            text=True,
        )
        for order in orders
    ]
    for process in processes:
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
    library = Library.open(home)
    assert [row.name for row in library.find()] == [path.name for path in paths]
    assert library.verify() == []
    assert list((home / "library" / "staging").iterdir()) == []


@pytest.mark.slow
def test_killed_at_random_moments_between_others_an_import_leaves_a_valid_library(
    tmp_path: Path,
) -> None:
    """Kills inside SQLite too, while a second process imports and collects."""
    import random
    import signal
    import time

    source = tmp_path / "sorter"
    random_layer(MODEL, rank=4).to_peft(source)
    home, rng = tmp_path / "home", random.Random(0)
    loop = (
        "import sys, genome.validate, numpy\nfrom genome.library import Library\n"
        "library = Library.open(sys.argv[1])\nprint('ready', flush=True)\n"
        "while True:\n"
        "    digest = library.import_folder(sys.argv[2], name='sorter')\n"
        "    library.gc([], keep_newest=False, dry_run=False, wait_s=60)\n"
    )
    command = [sys.executable, "-c", loop, str(home), str(source)]
    for _ in range(25):
        pair = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
        for process in pair:
            assert process.stdout is not None
            process.stdout.readline()
        time.sleep(rng.uniform(0.0, 0.2))
        for process in pair:
            assert process.poll() is None
            process.send_signal(signal.SIGKILL)
        for process in pair:
            process.wait()
            assert process.stdout is not None
            process.stdout.close()
        library = Library.open(home)
        assert library.verify() == []
        assert list((home / "library" / "staging").iterdir()) == []
