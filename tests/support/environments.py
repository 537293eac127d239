"""Programs that others wrote, each in an environment of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


def environment(pins: Path, variable: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Programs of an environment with exactly the packages that a file pins.

    Args:
        variable: Names the folder that keeps the environment between runs, if it is set.
    """
    kept = os.environ.get(variable)
    folder = (Path(kept) if kept else tmp_path_factory.getbasetemp() / "environments") / pins.stem
    ready = folder / "ready.txt"
    if not ready.exists() or ready.read_text() != pins.read_text():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        install = ["-m", "pip", "install", "-q", "--no-deps", "-r"]
        subprocess.run([folder / "bin/python", *install, pins], check=True)
        ready.write_text(pins.read_text())
    return folder / "bin"
