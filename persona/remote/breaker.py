"""A circuit breaker: who failed several times in a row is left alone for a while.

Our own, for circuitbreaker 2.1 and purgatory 3.0 hold no lock, and let everybody through at once
when the first may try again.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from persona.errors import BackendError

BREAK_AFTER = 5
"""Failures in a row after which nobody is let through."""
BREAK_S = 30.0
"""For so long; then one may try."""


class Breaker:
    """Lets nobody through for a while after failures in a row, then one to see whether it works."""

    def __init__(self, name: str, clock: Callable[[], float] = time.monotonic) -> None:
        """
        Args:
            clock: Monotonic seconds.
        """
        self._name, self._clock = name, clock
        self._lock = threading.Lock()
        self._n, self._last, self._until = 0, "", 0.0

    def refusal(self) -> BackendError | None:
        """Why nobody is let through now; None if somebody is."""
        left_s = self._until - self._clock()
        if self._n < BREAK_AFTER or left_s <= 0:
            return None
        return BackendError(
            self._name,
            f"failed {self._n} times in a row, last: {self._last}",
            f"asked again in {left_s:.0f} s",
            wait_s=left_s,
        )

    def enter(self) -> None:
        """Go through.

        Raises:
            BackendError: Not now.
        """
        with self._lock:
            if refused := self.refusal():
                raise refused
            self._until = self._clock() + BREAK_S  # the others wait for what comes of this one

    def failed(self, what: str) -> None:
        """Note a failure."""
        with self._lock:
            self._n, self._last = self._n + 1, what
            self._until = self._clock() + BREAK_S

    def worked(self) -> None:
        """Note that the server is there."""
        with self._lock:
            self._n = 0
