"""Promises of marketplace.store.writer: one commit for many, one failure for one."""

import asyncio
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event
from sqlmodel import Session, select

from marketplace.errors import AmountError, KeyInProgressError, MarketError, MarketFileError
from marketplace.ledger.account import Account
from marketplace.store import writer as writer_module
from marketplace.store.database import Database
from marketplace.store.writer import Writer


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """A new market in a file."""
    opened = Database(f"sqlite:///{tmp_path / 'market.db'}", create=True, at=0.0)
    yield opened
    opened.close()


@pytest.fixture
def writer(database: Database) -> Iterator[Writer]:
    """The market's writer."""
    made = Writer(database)
    yield made
    made.close()


def opening(name: str) -> Callable[[Session], str]:
    """A work that opens an account and answers with its name."""

    def work(session: Session) -> str:
        session.add(Account(name=name, opened_at=0.0))
        return name

    return work


def names(database: Database) -> set[str]:
    """The accounts that are stored, without the house's."""
    with database.read() as session:
        return set(session.exec(select(Account.name))) - {"world", "platform", "escrow"}


@contextmanager
def held_up(writer: Writer) -> Iterator[None]:
    """Keep the writer busy, so that everything submitted in this block waits for one group."""
    inside, go_on = threading.Event(), threading.Event()

    def wait(_: Session) -> None:
        inside.set()
        assert go_on.wait(10)

    waiting = writer.submit(wait)
    assert inside.wait(10)
    yield
    go_on.set()
    waiting.result(10)


def count_commits(database: Database) -> list[object]:
    """A list that grows by one with every commit."""
    commits: list[object] = []
    event.listen(database._backend.writer, "commit", commits.append)
    return commits


def test_what_waits_is_written_in_one_commit(database: Database, writer: Writer) -> None:
    """100 changes behind a busy writer: one commit for it, one for all of them."""
    commits = count_commits(database)
    with held_up(writer):
        futures = [writer.submit(opening(f"a{number}")) for number in range(100)]
    assert [future.result(10) for future in futures] == [f"a{number}" for number in range(100)]
    assert len(commits) == 2
    assert len(names(database)) == 100


def test_nobody_is_answered_before_the_commit(database: Database, writer: Writer) -> None:
    """An answer means stored: whoever reads right after it sees the change."""
    for number in range(20):
        writer.run(opening(f"a{number}"))
        assert f"a{number}" in names(database)


def test_a_work_that_raises_is_undone_alone(database: Database, writer: Writer) -> None:
    """Its neighbours in the group are stored; rows it flushed before raising are not."""

    def failing(session: Session) -> None:
        session.add(Account(name="half-way", opened_at=0.0))
        session.flush()
        raise ZeroDivisionError("a bug")

    with held_up(writer):
        before, bad = writer.submit(opening("before")), writer.submit(failing)
        twice, after = writer.submit(opening("before")), writer.submit(opening("after"))
    assert (before.result(10), after.result(10)) == ("before", "after")
    with pytest.raises(ZeroDivisionError, match="a bug"):
        bad.result(10)
    with pytest.raises(MarketFileError, match="nothing was changed"):
        twice.result(10)  # the database's own refusal, in the market's words
    assert names(database) == {"before", "after"}


def test_a_failed_commit_fails_everybody(database: Database, writer: Writer) -> None:
    """No answer of the group is a lie; afterwards the writer goes on."""

    commits: list[object] = []

    def broken_disk(connection: object) -> None:
        commits.append(connection)
        if len(commits) == 2:  # the first is the one everybody waits behind
            raise sqlite3.OperationalError("disk I/O error")

    event.listen(database._backend.writer, "commit", broken_disk)
    with held_up(writer):
        futures = [writer.submit(opening(f"a{number}")) for number in range(5)]
    for future in futures:
        with pytest.raises(MarketFileError, match="disk I/O error"):
            future.result(10)
    assert names(database) == set()
    assert writer.run(opening("later")) == "later"


def test_a_lost_transaction_fails_everybody(database: Database, writer: Writer) -> None:
    """SQLite gives up the whole transaction on a full disk: earlier works of the group too."""

    def give_up(session: Session) -> None:
        session.connection().exec_driver_sql("ROLLBACK")
        raise sqlite3.OperationalError("database or disk is full")

    with held_up(writer):
        futures: list[Future[Any]] = [writer.submit(opening("early")), writer.submit(give_up)]
        futures.append(writer.submit(opening("late")))
    for future in futures:
        with pytest.raises(MarketFileError, match="is full"):
            future.result(10)
    assert names(database) == set()


def test_a_key_in_flight_is_refused_until_it_is_answered(writer: Writer) -> None:
    """Two threads never work on one request together; after the answer it can be repeated."""
    with held_up(writer):
        first = writer.submit(opening("ada"), key="open-ada")
        with pytest.raises(KeyInProgressError, match=r"'open-ada'.*with the same key"):
            writer.submit(opening("ada"), key="open-ada")
        other = writer.submit(opening("bob"), key="open-bob")
    assert (first.result(10), other.result(10)) == ("ada", "bob")
    assert writer.run(lambda _: "again", key="open-ada") == "again"


def test_a_key_is_freed_by_a_refusal_too(writer: Writer) -> None:
    """After the reason is removed, the same request can be sent again."""

    def refuse(_: Session) -> None:
        raise AmountError("too much")

    with pytest.raises(AmountError):
        writer.run(refuse, key="pay")
    assert writer.run(opening("ada"), key="pay") == "ada"


def test_neighbours_for_one_batch_function_are_handed_over_together(writer: Writer) -> None:
    """In order, one refusal refusing one; a work between them keeps its place."""
    calls: list[list[int]] = []

    def halve(_: Session, items: list[int]) -> list[int | MarketError]:
        calls.append(items)
        return [AmountError(f"{item} is odd") if item % 2 else item // 2 for item in items]

    with held_up(writer):
        futures = [writer.submit_to(halve, item) for item in (2, 3, 4)]
        writer.submit(opening("ada"))
        futures.append(writer.submit_to(halve, 8))
    assert [futures[place].result(10) for place in (0, 2, 3)] == [1, 2, 4]
    with pytest.raises(AmountError, match="3 is odd"):
        futures[1].result(10)
    assert calls == [[2, 3, 4], [8]]


def test_a_batch_function_that_raises_fails_its_own_items(
    database: Database, writer: Writer
) -> None:
    """And nothing it wrote stays, while its neighbours' work does."""

    def broken(session: Session, items: list[str]) -> list[str]:
        session.add_all([Account(name=item, opened_at=0.0) for item in items])
        session.flush()
        raise KeyError("a bug")

    with held_up(writer):
        futures = [writer.submit_to(broken, name) for name in ("x", "y")]
        writer.submit(opening("ada"))
    for future in futures:
        with pytest.raises(KeyError):
            future.result(10)
    assert names(database) == {"ada"}


def test_a_group_that_is_one_batch_fails_as_a_whole(database: Database, writer: Writer) -> None:
    """It has no savepoint to go back to: nothing of it stays, and the next group goes through."""

    def broken(session: Session, items: list[str]) -> list[str]:
        session.add_all([Account(name=item, opened_at=0.0) for item in items])
        session.flush()
        raise KeyError("a bug")

    with held_up(writer):
        futures = [writer.submit_to(broken, name) for name in ("x", "y")]
    for future in futures:
        with pytest.raises(KeyError):
            future.result(10)
    writer.run(opening("ada"))
    assert names(database) == {"ada"}


def test_close_writes_what_is_queued(database: Database) -> None:
    """Nothing that was accepted is dropped; nothing is accepted any more."""
    writer = Writer(database)
    with held_up(writer):
        futures = [writer.submit(opening(f"a{number}")) for number in range(10)]
        closing = threading.Thread(target=writer.close)
        closing.start()
        time.sleep(0.01)
    closing.join(10)
    assert all(future.done() for future in futures)
    assert len(names(database)) == 10
    with pytest.raises(MarketError, match="is closed: open it again"):
        writer.run(opening("late"))


def test_coroutines_wait_without_blocking_their_loop(database: Database, writer: Writer) -> None:
    """200 at once, refusals included; they share commits."""
    commits = count_commits(database)

    async def both() -> list[Any]:
        works = [writer.change(opening(f"a{number % 150}")) for number in range(200)]
        return await asyncio.gather(*works, return_exceptions=True)

    answers = asyncio.run(both())
    assert sum(isinstance(answer, MarketFileError) for answer in answers) == 50
    assert len(names(database)) == 150
    assert len(commits) < 50


def test_a_cancelled_coroutine_changes_nothing_if_it_had_not_begun(
    database: Database, writer: Writer
) -> None:
    """Its key is free again."""

    async def cancel() -> None:
        with held_up(writer):
            task = asyncio.create_task(writer.change(opening("ada"), key="k"))
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(cancel())
    writer.run(lambda _: None)  # its group has passed by now
    assert writer.run(opening("bob"), key="k") == "bob"
    assert names(database) == {"bob"}


def test_the_thread_ends_when_idle_and_comes_back(
    writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A forgotten market keeps no thread."""
    monkeypatch.setattr(writer_module, "IDLE_S", 0.01)
    writer.run(opening("ada"))
    thread = writer._thread
    assert thread is not None
    thread.join(5)
    assert writer._thread is None
    assert writer.run(opening("bob")) == "bob"


def test_a_change_inside_a_change_is_refused(writer: Writer) -> None:
    """It would wait for itself."""
    with pytest.raises(AssertionError, match="inside a change"):
        writer.run(lambda _: writer.run(opening("ada")))


def test_threads_and_two_writers_lose_nothing(market_url: str) -> None:
    """2 writers x 8 threads x 10 read-and-add on one row: as if one after another (L14)."""

    def add_one(session: Session) -> None:
        account = session.get_one(Account, "platform")
        account.balance_nanos += 1

    def submit(writer: Writer) -> None:
        for _ in range(10):
            writer.run(add_one)

    databases = [Database(market_url, create=True, at=0.0) for _ in range(2)]
    writers = [Writer(database) for database in databases]
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(submit, writers * 8))
    with databases[0].read() as session:
        assert session.get_one(Account, "platform").balance_nanos == 160
    for writer, database in zip(writers, databases, strict=True):
        writer.close()
        database.close()
