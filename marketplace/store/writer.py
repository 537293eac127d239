"""One writer, many submitters: everything that waits is written in one durable commit.

A commit costs a sync of the disk, 0.2 to 4 ms, whatever it contains. So changes queue up, and one
thread takes all that came while the previous commit ran, does them one after another, and
commits once (group commit). Nobody gets an answer before the commit has succeeded.

    submitter 1  --work-->  |                                |  --> answer
    submitter 2  --work-->  |  BEGIN  w1  w2  w3 ..  COMMIT  |  --> answer
    submitter 3  --entry->  |                                |  --> refusal, alone

Each work stands in a savepoint: if it raises, it alone is undone. Neighbouring jobs for one batch
function, such as the ledger's entries, are handed to it together. If the commit fails, or the
database gives up the whole transaction, everybody in the group gets that error and nothing of
the group is stored. Other processes may write between two groups, so nothing is remembered.

A key that is still being worked on in this process is refused with KeyInProgressError; one that
another process works on waits for the write lock and then finds that process's answer.

One view to read a market by, one door to change it by.

Changes go through `_change`, never around it: the work runs in a transaction that holds the write
lock, together with whatever else is waiting to be written (see `marketplace.store.writer`).

Time never runs backwards: a change happens at the clock's time, or at that of the newest row, where
the clock, perhaps another machine's, was ahead. Else a sale could be older than what was sold.
"""

import asyncio
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import groupby
from typing import Any, TypeVar, cast

from sqlalchemy import Connection
from sqlmodel import Session

from marketplace.database.bulk import NO_DEBTS, state
from marketplace.errors import KeyInProgressError, MarketError
from marketplace.listing.catalogue import advised
from marketplace.store.database import Database

T = TypeVar("T")
Item = TypeVar("Item")
Batch = Callable[[Session, list[Item]], Sequence[T | MarketError]]
"""Does many items at once; one answer or refusal per item, in order."""

MAX_GROUP = 2000
GATHER_S = 0.002
"""Longest wait for those who were answered last and will probably be back at once."""
IDLE_S = 1.0
"""After this long without work the thread ends; the next change starts another."""


@dataclass(slots=True, eq=False)
class _Job:
    """One change somebody waits for: a work of its own, or an item for a batch function."""

    batch: Callable[..., Any] | None
    content: Any
    key: str | None
    future: Future[Any] | asyncio.Future[Any]


@dataclass(frozen=True, slots=True)
class _Failed:
    """What a job's waiter gets raised."""

    error: BaseException


class Writer:
    """The door through which a process changes one market."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._arrived = threading.Condition(self._lock)
        self._queue: deque[_Job] = deque()
        self._keys: set[str] = set()
        self._wanted = 1
        """How many jobs make a group worth starting."""
        self._gather_s = 0.0
        self._thread: threading.Thread | None = None
        self._closed = False

    def run(self, work: Callable[[Session], T], *, key: str | None = None) -> T:
        """What the work returns, once its changes are on disk; if it raises, none of them is.

        Args:
            key: The request's idempotency key, so that two threads do not work on it together.

        Raises:
            KeyInProgressError: Another thread works on this key now.
            MarketError: The commit failed; nothing was changed.
        """
        assert threading.current_thread() is not self._thread, (
            "a change inside a change waits for ever"
        )
        return self.submit(work, key=key).result()

    def submit(self, work: Callable[[Session], T], *, key: str | None = None) -> "Future[T]":
        """As `run`, without waiting."""
        job = _Job(None, work, key, Future())
        self._enqueue(job)
        return cast("Future[T]", job.future)

    def submit_to(
        self, batch: Batch[Item, T], item: Item, *, key: str | None = None
    ) -> "Future[T]":
        """One item for a batch function, together with its neighbours for the same function."""
        job = _Job(batch, item, key, Future())
        self._enqueue(job)
        return cast("Future[T]", job.future)

    async def change(self, work: Callable[[Session], T], *, key: str | None = None) -> T:
        """As `run`, for coroutines. A cancelled one may still take effect: repeat its key."""
        job = _Job(None, work, key, asyncio.get_running_loop().create_future())
        self._enqueue(job)
        return await cast("asyncio.Future[T]", job.future)

    async def change_in(self, batch: Batch[Item, T], item: Item, *, key: str | None = None) -> T:
        """As `submit_to`, for coroutines."""
        job = _Job(batch, item, key, asyncio.get_running_loop().create_future())
        self._enqueue(job)
        return await cast("asyncio.Future[T]", job.future)

    def close(self) -> None:
        """Write what is queued, then stop; later changes are refused."""
        with self._arrived:
            self._closed = True
            self._arrived.notify()
            thread = self._thread
        if thread is not None:
            thread.join()

    def _enqueue(self, job: _Job) -> None:
        with self._arrived:
            if self._closed:
                raise MarketError(
                    f"{self._database.place} is closed: open it again with Market.open"
                )
            if job.key is not None:
                if job.key in self._keys:
                    raise KeyInProgressError(
                        f"a request with key {job.key!r} is being worked on: ask again in a"
                        " moment, with the same key"
                    )
                self._keys.add(job.key)
            self._queue.append(job)
            if self._thread is None:
                self._thread = threading.Thread(target=self._serve, name="writer", daemon=True)
                self._thread.start()
            elif len(self._queue) == self._wanted:
                self._arrived.notify()

    def _serve(self) -> None:
        while group := self._next_group():
            started = time.monotonic()
            self._write(group)
            self._wanted = len(group)
            self._gather_s = min(GATHER_S, time.monotonic() - started)

    def _next_group(self) -> list[_Job]:
        """Everything that waits; empty when the thread should end.

        Those who were answered last usually ask for more: a group that waits for them, for no
        longer than a commit takes, is several times as large.
        """
        with self._arrived:
            self._wait_for(self._wanted, self._gather_s if self._wanted > 1 else 0.0)
            self._wait_for(1, IDLE_S)
            if not self._queue:
                self._thread = None
                return []
            return [self._queue.popleft() for _ in range(min(len(self._queue), MAX_GROUP))]

    def _wait_for(self, n_jobs: int, seconds: float) -> None:
        self._wanted = n_jobs
        self._arrived.wait_for(lambda: len(self._queue) >= n_jobs or self._closed, seconds)

    def _write(self, group: list[_Job]) -> None:
        jobs = [job for job in group if _is_wanted(job.future)]
        answers: list[Any]
        try:
            with self._database.transaction() as connection:
                answers = self._answers(connection, jobs)
        except BaseException as error:  # whoever waits must hear of it, whatever it is
            answers = [_Failed(error)] * len(jobs)
        with self._lock:  # before answering: a repeat after the answer is no longer in progress
            self._keys.difference_update(job.key for job in group if job.key is not None)
        _deliver(jobs, answers)

    def _answers(self, connection: Connection, jobs: list[_Job]) -> list[Any]:
        answers: list[Any] = []
        batches = {job.batch for job in jobs}
        if len(batches) == 1 and (only := batches.pop()) is not None:
            return self._only_batch(connection, only, [job.content for job in jobs])
        for batch, neighbours in groupby(jobs, key=lambda job: job.batch):
            contents = [job.content for job in neighbours]
            if batch is None:
                answers += [self._attempt(connection, work) for work in contents]
            else:
                answers += self._attempt_batch(connection, batch, contents)
        return answers

    def _attempt(self, connection: Connection, work: Callable[[Session], Any]) -> Any:
        """The work's answer or failure; a savepoint and a session of its own.

        Raises:
            Exception: The work's failure took the whole transaction with it.
        """
        alone = Session(connection, join_transaction_mode="create_savepoint")
        cause: Exception | None = None
        try:
            with alone as session, session.begin():
                try:
                    return work(session)
                except Exception as error:
                    cause = error  # undoing it may fail as well, for no reason of its own
                    raise
        except Exception as error:
            cause = cause or error
            if not self._database.is_alive(connection):
                raise cause from None
            return _Failed(self._database.named(cause))

    def _only_batch(
        self, connection: Connection, batch: Callable[..., Any], items: list[Any]
    ) -> list[Any]:
        """A group that is one batch needs no savepoint: it fails as a whole or not at all."""
        with Session(connection, join_transaction_mode="rollback_only") as session:
            try:
                found = batch(session, items)
                session.flush()
            except Exception as error:
                raise self._database.named(error) from error
        return _each(batch, items, found)

    def _attempt_batch(
        self, connection: Connection, batch: Callable[..., Any], items: list[Any]
    ) -> list[Any]:
        found = self._attempt(connection, lambda session: batch(session, items))
        if isinstance(found, _Failed):
            return [found] * len(items)
        return _each(batch, items, found)


def _each(batch: object, items: Sequence[Any], found: Sequence[Any]) -> list[Any]:
    """One answer per item, refusals marked as such."""
    assert len(found) == len(items), f"{batch!r} gave {len(found)} answers to {len(items)} items"
    return [_Failed(one) if isinstance(one, MarketError) else one for one in found]


def _is_wanted(future: Future[Any] | asyncio.Future[Any]) -> bool:
    """Whether somebody still waits; from now on a thread cannot cancel any more."""
    if isinstance(future, Future):
        return future.set_running_or_notify_cancel()
    return not future.cancelled()


def _deliver(jobs: list[_Job], answers: list[Any]) -> None:
    """Give every waiter its answer; an event loop is woken once for all of its waiters."""
    by_loop: dict[asyncio.AbstractEventLoop, list[Any]] = defaultdict(list)
    for job, answer in zip(jobs, answers, strict=True):
        if isinstance(job.future, Future):
            _resolve(job.future, answer)
        else:
            by_loop[job.future.get_loop()].append((job.future, answer))
    for loop, pairs in by_loop.items():
        with suppress(RuntimeError):  # the loop was closed: nobody waits any more
            loop.call_soon_threadsafe(_resolve_all, pairs)


def _resolve_all(pairs: list[tuple[asyncio.Future[Any], Any]]) -> None:
    for future, answer in pairs:
        if not future.done():
            _resolve(future, answer)


def _resolve(future: Future[Any] | asyncio.Future[Any], answer: Any) -> None:
    if isinstance(answer, _Failed):
        future.set_exception(answer.error)
    else:
        future.set_result(answer)


class Door:
    """An open database and a clock."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock
        self._writer = Writer(database)
        with database.read() as session:
            self._newest, _ = state(session.connection())

    def close(self) -> None:
        """Write what is queued and give back the file or server; later calls are refused."""
        self._writer.close()
        self._database.close()

    @contextmanager
    def _read(self) -> Iterator[Session]:
        """One unchanging view of the market; blocks nobody and keeps nothing."""
        with self._database.read() as session:
            try:
                yield session
            except MarketError as error:
                better = advised(session, error)
                if better is error:
                    raise
                raise better from None

    def _change(self, work: Callable[[Session], T], *, key: str | None = None) -> T:
        """What the work returns, once its changes are on disk; if it raises, none of them is.

        The work runs in the writer's thread. It returns views or plain values, never table rows,
        and reads the clock itself, so that time and order of the ledger agree.

        Args:
            key: The request's idempotency key: a second call with it is refused while the first
                is still being worked on. Without it, the second call waits its turn.

        Raises:
            KeyInProgressError: Another thread works on this key now.
        """

        def timed(session: Session) -> T:
            self._follow(session)
            return work(session)

        try:
            return self._writer.run(timed, key=key)
        except MarketError as error:
            raise self._advised(error) from error.__cause__

    def _change_in(self, batch: Batch[Item, T], item: Item, *, key: str | None = None) -> T:
        """As `_change`, for one item of a batch function: neighbours are done in one call.

        Pass a method or function, not a lambda: neighbours are known by it.
        """
        try:
            return self._writer.submit_to(batch, item, key=key).result()
        except MarketError as error:
            raise self._advised(error) from error.__cause__

    def _advised(self, refusal: MarketError) -> MarketError:
        """The refusal with the names that were probably meant; out of the writer's way."""
        if refusal.sought is None:
            return refusal
        with self._database.read() as session:
            return advised(session, refusal)

    def _advised_once(self, answers: Sequence[Any]) -> list[Any]:
        """Answers of which the first that sought a name in vain says which one was meant."""
        found = list(answers)
        for place, one in enumerate(found):
            if isinstance(one, MarketError) and one.sought is not None:
                found[place] = self._advised(one)
                break
        return found

    def _now(self) -> float:
        """Seconds since 1970 by the market's clock, never before what is known to have happened."""
        return max(self._clock(), self._newest)

    def _follow(self, session: Session) -> None:
        """Let time not be before what any process has written; within a change, before `_now`."""
        newest, any_debt = state(session.connection())
        self._newest = max(self._newest, newest)
        session.info[NO_DEBTS] = not any_debt
