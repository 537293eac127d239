"""The one door to the database: connections, transactions and failures of the file.

SQLAlchemy's default transactions on SQLite start with a read and lose updates under several
writers (measured: 1200 transfers by 4 processes, 353 to 591 kept, no error). So the driver's
own transaction handling is off (`isolation_level=None`) and every write starts with
BEGIN IMMEDIATE, which takes the write lock before anything is read.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import QueuePool
from sqlmodel import Session

from genome.sqlite import failure, open_engine, use_wal
from marketplace import schema
from marketplace.errors import (
    MarketBusyError,
    MarketDamagedError,
    MarketError,
    MarketFileError,
    MarketNotFoundError,
)
from marketplace.place import check_usable, find_place, fingerprint

BUSY_TIMEOUT_S = 30.0


class Database:
    """An open market file, or a market in memory when the address names no file.

    Raises:
        MarketNotFoundError: There is no market and `create` is False.
        MarketFileError: The file or its folder cannot be used.
    """

    def __init__(
        self, url: str, *, create: bool, at: float, busy_timeout_s: float = BUSY_TIMEOUT_S
    ) -> None:
        self.place = find_place(url)
        self._busy_timeout_s = busy_timeout_s
        self._closed = False
        check_usable(self.place, create=create)
        self._engine = self._connectable()
        self._reader = self._engine.execution_options(begin="BEGIN")
        try:
            self._prepare(create=create, at=at)
        except BaseException:
            self._engine.dispose()
            raise
        self._fingerprint = fingerprint(self.place)

    @contextmanager
    def write(self) -> Iterator[Session]:
        """One transaction that holds the write lock from its start; all or nothing."""
        with self._failures_named(), Session(self._open(self._engine)) as session, session.begin():
            session.connection()  # begins now: a session otherwise waits for its first statement
            self._check_same_file()
            yield session

    @contextmanager
    def read(self) -> Iterator[Session]:
        """One unchanging view of the market; blocks nobody and keeps nothing."""
        with self._failures_named(), Session(self._open(self._reader)) as session:
            yield session

    def close(self) -> None:
        """Give back every connection; using the database afterwards is refused."""
        self._closed = True
        self._engine.dispose()

    def _open(self, engine: Engine) -> Engine:
        if self._closed:
            raise MarketError(f"{self.place} is closed: open it again with Market.open")
        return engine

    def _check_same_file(self) -> None:
        """A deleted file can still be written to; what is paid there is lost."""
        if fingerprint(self.place) != self._fingerprint:
            raise MarketFileError(
                f"{self.place} was moved, deleted or replaced while open and nothing was changed:"
                " put it back and open it again"
            )

    def _connectable(self) -> Engine:
        pool: dict[str, Any] = {}
        if self.place.path is None:  # one shared connection: a second one would see an empty market
            pool = {"poolclass": QueuePool, "pool_size": 1, "max_overflow": 0}
        return open_engine(
            self.place.url,
            _set_pragmas,
            busy_timeout_s=self._busy_timeout_s,
            pool_timeout=self._busy_timeout_s,
            **pool,
        )

    def _prepare(self, *, create: bool, at: float) -> None:
        with self._failures_named():
            with self._reader.connect() as connection:  # an existing market needs no lock
                ready = schema.holds_market(connection, str(self.place))
            if not ready and not create:
                raise MarketNotFoundError(
                    f"{self.place} is empty: restore a backup or create the market first"
                )
            if not ready:
                with self._engine.begin() as connection:
                    if not schema.holds_market(connection, str(self.place)):  # someone was faster
                        schema.create_market(connection, at)
            if self.place.path is not None and not use_wal(self._engine, self._busy_timeout_s):
                raise MarketBusyError(f"{self.place} is in use by others: try again later")

    @contextmanager
    def _failures_named(self) -> Iterator[None]:
        try:
            yield
        except PoolTimeoutError as error:
            raise self._busy() from error
        except DBAPIError as error:
            raise self._named(error.orig) from error
        except sqlite3.Error as error:
            raise self._named(error) from error

    def _busy(self) -> MarketBusyError:
        return MarketBusyError(
            f"{self.place} was kept busy by others for {self._busy_timeout_s:g} s and nothing was"
            " changed: try again, with the same key"
        )

    def _named(self, error: BaseException | None) -> MarketError:
        """The failure in the market's words; SQLite's own follow in brackets."""
        code, detail = failure(error)
        if code in ("BUSY", "LOCKED"):
            return self._busy()
        if code in ("CORRUPT", "NOTADB"):
            return MarketDamagedError(
                f"{self.place} is damaged or no market ({detail}): restore a backup, or save what"
                f' is readable with `sqlite3 "{self.place.path}" .recover`'
            )
        remedy = {
            "READONLY": "make the file and its folder writable",
            "CANTOPEN": "check that its folder exists and is writable, and that it is a file",
            "PERM": "make the file and its folder writable",
            "FULL": "nothing was changed; free disk space and try again",
            "IOERR": "nothing was confirmed; check the disk, then run `continuum market verify`",
            "CONSTRAINT": "nothing was changed; run `continuum market verify`",
        }.get(code, "nothing was changed; run `continuum market verify`")
        return MarketFileError(f"{self.place} cannot be used ({detail}): {remedy}")


def _set_pragmas(connection: sqlite3.Connection, _record: object) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.execute("PRAGMA synchronous = FULL")  # NORMAL may lose paid trades on power loss
    cursor.execute("PRAGMA recursive_triggers = ON")  # else REPLACE deletes past the triggers
    cursor.close()
