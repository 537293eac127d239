"""Time for the chores of a running service, which does them on its own as well."""

import time
from types import SimpleNamespace

import pytest

from marketplace.service import change

DAY_S = 86_400.0


def two_days_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on the chores see the day after tomorrow; what is on its way now is not swept."""
    clock = SimpleNamespace(time=lambda: time.time() + 2 * DAY_S)
    monkeypatch.setattr(change, "time", clock)
