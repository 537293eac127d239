"""Writers in other processes: each notes what it asks before it asks, and what it was answered.

A note is one write to a file that is never buffered, so it survives a kill -9 of the writer. After
a kill, the deed that was asked and not answered is repeated by the writer's successor.
"""

import os
import pickle
import random
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sqlmodel import Session

from marketplace.errors import MarketError
from marketplace.market import Market
from tests.support.proving import real
from tests.support.proving.deed import Deed, Done, Outcome, Refused
from tests.support.proving.source import DeedSource


@dataclass(frozen=True, slots=True)
class Observation:
    """One deed as its client saw it; times from the machine's monotonic clock, nanoseconds."""

    deed: Deed
    asked_ns: int
    answered_ns: int | None = None
    outcome: Outcome | None = None
    """None: the client died, or is still waiting."""


@dataclass(frozen=True, slots=True)
class Task:
    """What one writer process is to do; every thread gets a file `notes-<thread>` in the folder."""

    url: str
    folder: Path
    seed: int
    n_threads: int = 2
    n_deeds: int | None = None
    """Per thread; None = until killed."""
    at: float | None = None
    """A clock that stands still; None = the real one."""
    unanswered: tuple[Deed, ...] = ()
    """Deeds of the dead, to be repeated first."""
    everything: bool = True
    """Also mandates and expiries, which leave no number to order them by."""


def work(task: Task) -> None:
    """Do the task; the target of a process."""
    clock = time.time if task.at is None else lambda: task.at or 0.0
    with Market.open(task.url, create=False, clock=clock) as market:
        threads = [
            threading.Thread(target=_work, args=(task, number, market), daemon=True)
            for number in range(task.n_threads)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


def observations(folder: Path) -> list[Observation]:
    """Everything noted in a task's folder; a note cut short by a kill does not count."""
    found: list[Observation] = []
    for notes in sorted(folder.glob("notes-*")):
        asked: tuple[int, Deed] | None = None
        for line in notes.read_text().splitlines(keepends=True):
            if not line.endswith("\n"):
                continue
            moment, text = line.split()
            content = pickle.loads(bytes.fromhex(text))
            if isinstance(content, Done | Refused):
                assert asked is not None
                found.append(Observation(asked[1], asked[0], int(moment), content))
                asked = None
            else:
                asked = (int(moment), content)
        if asked is not None:
            found.append(Observation(asked[1], asked[0]))
    return found


def _work(task: Task, number: int, market: Market) -> None:
    rng = random.Random(f"{task.seed}:{number}")
    source = DeedSource(f"w{task.seed}.{number}", rng, everything=task.everything)
    notes = os.open(task.folder / f"notes-{number}", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    for deed in _deeds(task, number, source, market):
        _note(notes, deed)
        _note(notes, _answer(market, deed))
    os.close(notes)


def _deeds(task: Task, number: int, source: DeedSource, market: Market) -> Iterator[Deed]:
    yield from task.unanswered[number :: task.n_threads]
    n_done = 0
    while task.n_deeds is None or n_done < task.n_deeds:
        yield source.next(market._now())
        n_done += 1


def _answer(market: Market, deed: Deed) -> Outcome:
    def done(session: Session) -> Done:
        return real.do(session, deed, market._now())

    try:
        return market._change(done)
    except MarketError as error:
        return Refused(type(error).__name__)


def _note(file: int, content: Deed | Outcome) -> None:
    line = f"{time.monotonic_ns()} {pickle.dumps(content).hex()}\n"
    os.write(file, line.encode())
