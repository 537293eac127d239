"""Interleaved timing, and a table of measures beside their bars."""

from __future__ import annotations

import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any


def interleaved(
    cases: Mapping[str, Callable[[], Any]],
    rounds: int,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, float]:
    """Median seconds of every case, all cases taken in turn so that noise falls on all alike.

    Args:
        clock: `time.process_time` where others use the machine too; then with one thread.
    """
    seconds: dict[str, list[float]] = {name: [] for name in cases}
    for run in cases.values():
        run()
    for _ in range(rounds):
        for name, run in cases.items():
            start = clock()
            run()
            seconds[name].append(clock() - start)
    return {name: statistics.median(taken) for name, taken in seconds.items()}


@dataclass
class Board:
    """Measures beside their bars, printed as they come."""

    title: str
    rows: list[dict[str, Any]] = field(default_factory=list)

    def add(self, name: str, value: float, bar: str = "", unit: str = "") -> None:
        """Note a measure; `bar` is like '<= 1.18', '>= 6', or '' for a number without one."""
        met = None
        if bar:
            sign, limit = bar.split()
            met = value <= float(limit) if sign == "<=" else value >= float(limit)
        self.rows.append({"measure": name, "value": value, "unit": unit, "bar": bar, "met": met})
        verdict = {True: "met", False: "MISSED", None: ""}[met]
        print(f"{name:<66} {value:>10.4g} {unit:<5} {bar:>9} {verdict}", flush=True)

    def close(self, **facts: Any) -> None:
        """The whole board as one JSON line."""
        machine = {"cpus": os.cpu_count(), "python": platform.python_version()}
        machine["torch"] = version("torch")
        print(json.dumps({"title": self.title, **machine, **facts, "rows": self.rows}))
