"""Which code made a record, and when."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from pathlib import Path


def provenance() -> dict[str, str]:
    """`code` and `at` (ISO 8601, UTC), for a raw record."""
    return {"code": code_version(), "at": datetime.now(UTC).isoformat(timespec="seconds")}


@cache
def code_version() -> str:
    """The commit this code is from, `+` when it was changed since; the release if installed."""
    command = ["git", "describe", "--always", "--dirty=+", "--exclude=*"]
    here = Path(__file__).parent
    try:
        tracked = ["git", "ls-files", "--error-unmatch", Path(__file__).name]
        subprocess.run(tracked, cwd=here, capture_output=True, check=True)  # not somebody else's
        run = subprocess.run(command, cwd=here, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return version("continuum-personas")
    return run.stdout.strip()
