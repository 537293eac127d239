"""A run on disk: settings, progress, one record per generation, finished steps, a checkpoint.

    HOME/run/config.json                 settings, written once
    HOME/run/status.json                 phase and progress, for who watches
    HOME/run/generations/0000.json ...   one record per generation
    HOME/run/steps/NAME.json             the result of every finished step after evolution
    HOME/run/state.json, layers/         the evolution between two generations
Every file appears by rename, so a kill at any moment leaves a valid run.

Files that only grow hold one JSON object a line, safe against crashes and other processes: a line
is written whole and flushed to the disk before the call returns; a last line that a crash cut short
is dropped by whoever reads or writes next.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from academy.errors import RunBusyError, RunCorruptError, RunMismatchError
from genome.files import hold, locked, remove_leftovers, sync, write_json
from genome.home import stamp_new

NAMED = 3
"""Settings that a refusal names."""
SHOWN = 60
"""Characters of a value that a refusal shows."""


class RunFolder:
    """Reads and writes one run's files; knows nothing of what they mean."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.path = home / "run"
        self._elapsed_before = 0.0
        self._started = time.monotonic()
        self.claiming = False
        """Whether this object holds the run now."""

    @contextmanager
    def claimed(
        self, settings: Mapping[str, Any], beside: Mapping[str, Any] | None = None
    ) -> Iterator[bool]:
        """Hold the run for this process; yields whether it was begun before.

        Within a claim of the same object another one holds nothing more and compares nothing.

        Args:
            settings: Have to be the same ones when the run is resumed.
            beside: Kept with the settings of a new run, and not compared.

        Raises:
            RunBusyError: Another process is at it.
            RunMismatchError: The folder holds a run with other settings.
            RunCorruptError: The settings cannot be read.
        """
        if self.claiming:
            yield True
            return
        stamp_new(self.home)
        self.path.mkdir(parents=True, exist_ok=True)
        with (self.path / "lock").open("w") as lock:
            if not hold(lock, wait=False):
                raise RunBusyError(
                    f"another process is running {self.path}: wait for it, or use another folder"
                )
            remove_leftovers(self.home)
            begun = self._check_settings(settings, beside or {})
            self.claiming = True
            try:
                yield begun
            finally:
                self.claiming = False

    def _check_settings(self, settings: Mapping[str, Any], beside: Mapping[str, Any]) -> bool:
        path = self.path / "config.json"
        if not path.exists():
            write_json(path, {**settings, **beside})
            return False
        old, new = _flat(self.read(path)), _flat(settings)
        different = [key for key, value in new.items() if old.get(key) != value]
        if different:
            theirs = ", ".join(f"{key}={_short(old.get(key))}" for key in different[:NAMED])
            ours = ", ".join(f"{key}={_short(new[key])}" for key in different[:NAMED])
            more = f" (and {len(different) - NAMED} more)" if len(different) > NAMED else ""
            raise RunMismatchError(
                f"{self.home} holds a run with {theirs}, not {ours}{more}: give the same settings "
                "to resume it, or use another folder"
            )
        self._elapsed_before = float(self.status().get("elapsed_s", 0.0))
        return True

    def forget(self) -> None:
        """Leave no trace of a run that was refused before it began; hold the run for this."""
        for path in self.path.glob("*.json"):
            path.unlink(missing_ok=True)

    def has_begun(self) -> bool:
        """Whether there is a run here, however far it came."""
        names = ("config.json", "status.json", "state.json")
        return any((self.path / name).exists() for name in names)

    def is_held(self) -> bool:
        """Whether a process is at the run now."""
        path = self.path / "lock"
        if not path.exists():
            return False
        with path.open() as lock:
            return not hold(lock, shared=True, wait=False)

    # -- progress --------------------------------------------------------------------------

    @property
    def elapsed_s(self) -> float:
        """Working time spent on this run, earlier processes included."""
        return self._elapsed_before + time.monotonic() - self._started

    def status(self) -> dict[str, Any]:
        """The last status written; empty if there is none."""
        path = self.path / "status.json"
        return self.read(path) if path.exists() else {}

    def write_status(
        self,
        phase: str,
        generation: int,
        done: int,
        total: int,
        step: Mapping[str, Any] | None = None,
    ) -> None:
        """Say where the run stands.

        Args:
            step: What is being done now, where that is not the spending of the budget: `name`,
                `done`, `total`, `left_s`.
        """
        write_json(
            self.path / "status.json",
            {
                "phase": phase,
                "generation": generation,
                "interactions": done,
                "interactions_total": total,
                "updated_s": time.time(),
                "elapsed_s": self.elapsed_s,
                "pid": os.getpid(),
                "step": step,
            },
        )

    # -- generations -----------------------------------------------------------------------

    def write_generation(self, record: dict[str, Any]) -> None:
        """Add one generation's record."""
        write_json(self.path / "generations" / f"{record['generation']:04d}.json", record)

    def generations(self, up_to: int | None = None) -> list[dict[str, Any]]:
        """All records in order; later ones than `up_to` belong to a step that was lost."""
        records = [self.read(p) for p in sorted((self.path / "generations").glob("[0-9]*.json"))]
        return [r for r in records if up_to is None or r["generation"] <= up_to]

    # -- steps -----------------------------------------------------------------------------

    def step(self, name: str, compute: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """The result of a step: read back if it was finished before, else computed and kept."""
        path = self.path / "steps" / f"{name}.json"
        if not path.exists():
            write_json(path, compute())
        return self.read(path)

    def read(self, path: Path) -> dict[str, Any]:
        """One JSON object of the run; RunCorruptError if it cannot be read."""
        try:
            data = json.loads(path.read_text())
        except (OSError, ValueError) as error:
            raise RunCorruptError(
                f"the run's file {path} cannot be read ({error}): delete it to have it made "
                "again, or start over in another folder"
            ) from None
        if not isinstance(data, dict):
            raise RunCorruptError(f"the run's file {path} must hold one JSON object: delete it")
        return data


def _flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings by dotted key; an empty table is a value."""
    found: dict[str, Any] = {}
    for key, value in settings.items():
        if isinstance(value, Mapping) and value:
            found |= _flat(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = value
    return found


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


def append_line(path: Path, data: Mapping[str, Any]) -> None:
    """Add one line and flush it to the disk; raises OSError if the disk will not take it."""
    line = (json.dumps(data) + "\n").encode()
    with locked(path.with_name(path.name + ".lock")):
        new = not path.exists()
        with path.open("r+b" if not new else "w+b") as file:
            end = whole_lines(file.read())
            file.truncate(end)
            file.seek(end)
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
        if new:
            sync(path.parent)


def whole_lines(data: bytes) -> int:
    """Bytes up to and including the last line break."""
    return data.rfind(b"\n") + 1
