"""What tests of jobs share: a silent show, and a command that is killed until it gets through."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def killed_until_done(command: Sequence[str], waits: Iterable[float]) -> int:
    """Run a command again and again, killed (-9) after each wait in seconds; how often it was.

    Ends with the first run that gets through; one of them must.
    """
    kills = 0
    for wait in waits:
        process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, env={**os.environ, "PYTHONPATH": os.getcwd()}
        )
        try:
            process.wait(wait)
        except subprocess.TimeoutExpired:
            process.kill()
            kills += 1
        if process.wait() == 0:
            return kills
    raise AssertionError(f"killed {kills} times, and none of the runs got through")


class Silent:
    """Shows nothing of a demo."""

    def phase(self, name: str, done: float, total: float) -> None:
        """Ignore it."""

    def generation(self, record: Mapping[str, Any]) -> None:
        """Ignore it."""

    def note(self, text: str) -> None:
        """Ignore it."""
