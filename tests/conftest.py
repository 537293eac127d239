"""What several test folders share."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from hypothesis import settings

settings.register_profile("steady", deadline=None)  # a busy machine is no bug
settings.load_profile("steady")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("GOMP_SPINCOUNT", "2000")  # as the command line does, before torch is loaded
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # each worker has a core, no more


HEAVY = (
    "tests/cli/test_commands.py",
    "tests/jobs/test_evolve.py",
    "tests/cli/test_academy_commands.py",
    "tests/economy/test_publish.py",
    "tests/academy/benchmark/test_benchmark.py",
    "tests/academy/evolution/test_run.py",
    "tests/tui/test_app.py",
    "tests/cli/test_shelving.py",
    "tests/marketplace/test_conservation.py",
    "tests/academy/evolution/test_society.py",
)
"""The files that take longest, which begin first: else one worker has them left at the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files first, the others in their order; xdist is told not to reorder."""
    files = [item.nodeid.partition("::")[0] for item in items]
    ranks = [HEAVY.index(file) if file in HEAVY else len(HEAVY) for file in files]
    items[:] = [items[i] for i in sorted(range(len(items)), key=ranks.__getitem__)]


@pytest.fixture(scope="session")
def tokenizer() -> Any:
    """The embedded base's tokenizer, built from code."""
    from seeds.tokenizer import build_tokenizer

    return build_tokenizer()


@pytest.fixture(scope="session")
def embedded() -> Any:
    """The embedded base model, loaded once."""
    from genome.base_model import BaseModel
    from seeds.bases import embedded_base_path

    return BaseModel.load(embedded_base_path())


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The home of one small finished demo and its summary; tests must not change it."""
    from tests.support.jobs import Silent
    from tui.jobs.demo import run_demo
    from tui.jobs.settings import DemoSettings

    home = tmp_path_factory.getbasetemp().parent / "finished-demo"  # one for all workers
    if "PYTEST_XDIST_WORKER" not in os.environ:
        home = tmp_path_factory.mktemp("home")
    with FileLock(f"{home}.lock"):  # a finished demo is not run again
        return home, run_demo(DemoSettings(home, 5, 8, 500, tiny=True), Silent())


@pytest.fixture(scope="session")
def smoke(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of one finished `continuum academy run smoke`; tests must not change it."""
    from tests.support.cli import continuum

    home = tmp_path_factory.getbasetemp().parent / "finished-smoke"
    if "PYTEST_XDIST_WORKER" not in os.environ:
        home = tmp_path_factory.mktemp("smoke") / "home"
    with FileLock(f"{home}.lock"):
        if not (home / "run" / "result.json").exists():
            done = continuum("academy", "run", "smoke", "--home", home)
            assert done.code == 0, done.err
            assert "token-equivalents" in done.out and "generation" in done.out
    return home


@pytest.fixture
def home(finished: tuple[Path, dict[str, Any]], tmp_path: Path) -> Path:
    """A copy of the finished demo's home that a test may change."""
    import shutil

    return Path(shutil.copytree(finished[0], tmp_path / "home"))
