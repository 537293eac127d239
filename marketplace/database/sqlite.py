"""A market in one SQLite file, or in memory.

SQLAlchemy's default transactions on SQLite start with a read and lose updates under several
writers (measured: 1200 transfers by 4 processes, 353 to 591 kept, no error). So the driver's
own transaction handling is off (`isolation_level=None`) and every write starts with
BEGIN IMMEDIATE, which takes the write lock before anything is read.
"""

import os
import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, event
from sqlalchemy.pool import NullPool, QueuePool

from genome.sqlite import failure, open_engine, use_wal
from marketplace.database.place import Place, fingerprint, make_private, mark_of
from marketplace.errors import MarketBusyError, MarketDamagedError, MarketError, MarketFileError

_REMEDIES = {
    "READONLY": "make the file and its folder writable",
    "CANTOPEN": "check that its folder exists and is writable, and that it is a file",
    "PERM": "make the file and its folder writable",
    "FULL": "nothing was changed; free disk space and try again",
    "IOERR": "nothing was confirmed; check the disk, then run `continuum market verify`",
    "CONSTRAINT": "nothing was changed; run `continuum market verify`",
}


class SQLite:
    """Connections to one file. See `Backend` for what each method promises."""

    def __init__(self, place: Place, busy_timeout_s: float) -> None:
        self._place = place
        self._busy_timeout_s = busy_timeout_s
        self._fingerprint: tuple[int, int] | None = None
        self._read_only = place.path is not None and _is_read_only(place.path)
        if place.path is not None and not self._read_only:
            make_private(place.path)
        pool: dict[str, Any] = {}
        if place.path is None:  # one shared connection: a second one would see an empty market
            pool = {"poolclass": QueuePool, "pool_size": 1, "max_overflow": 0}
        self.writer = self._engine(pool_timeout=busy_timeout_s, **pool)
        self.reader: Engine = self.writer.execution_options(begin="BEGIN")
        self.mover = self.writer if place.path is None else self._engine(poolclass=NullPool)
        if place.path is not None:
            event.listen(self.mover, "connect", _ignore_references)

    def begin_write(self, connection: Connection) -> None:
        """Begin now: SQLAlchemy otherwise waits for the first statement."""
        connection.exec_driver_sql("SELECT 1")

    def is_alive(self, connection: Connection) -> bool:
        """SQLite gives up a whole transaction on a full disk and the like."""
        driver = connection.connection.dbapi_connection
        return bool(driver is not None and getattr(driver, "in_transaction", False))

    def settle(self) -> bool:
        """Write-ahead logging lets readers go on while somebody writes."""
        self._fingerprint = fingerprint(self._place)
        path = self._place.path
        if path is None or self._read_only:
            return True
        with suppress(OSError):
            mark_of(path).touch(0o600)
        return use_wal(self.writer, self._busy_timeout_s)

    def check_same(self) -> None:
        """A deleted file can still be written to; what is paid there is lost."""
        if fingerprint(self._place) != self._fingerprint:
            raise MarketFileError(
                f"{self._place} was moved, deleted or replaced while open and nothing was changed:"
                " put it back and open it again"
            )

    def dispose(self) -> None:
        """Close the file."""
        self.writer.dispose()
        self.mover.dispose()

    def busy(self) -> MarketError:
        """The same key makes trying again safe."""
        return MarketBusyError(
            f"{self._place} was kept busy by others for {self._busy_timeout_s:g} s and nothing was"
            " changed: try again, with the same key"
        )

    def named(self, error: BaseException | None) -> MarketError:
        """By SQLite's primary error code."""
        code, detail = failure(error)
        if code in ("BUSY", "LOCKED"):
            return self.busy()
        if code in ("CORRUPT", "NOTADB"):
            return MarketDamagedError(
                f"{self._place} is damaged or no market ({detail}): restore a backup, or save what"
                f' is readable with `sqlite3 "{self._place.path}" .recover`'
            )
        remedy = _REMEDIES.get(code, "nothing was changed; run `continuum market verify`")
        return MarketFileError(f"{self._place} cannot be used ({detail}): {remedy}")

    def _engine(self, **pool: Any) -> Engine:
        url = self._place.url
        if self._read_only:
            url = _unchanging(str(url.database))
        return open_engine(url, _set_pragmas, busy_timeout_s=self._busy_timeout_s, **pool)


def _is_read_only(path: Path) -> bool:
    """Whether a file is there and cannot be changed where it lies."""
    really = os.access in os.supports_effective_ids
    return path.exists() and not all(
        os.access(one, os.W_OK, effective_ids=really) for one in (path, path.parent)
    )


def _unchanging(path: str) -> URL:
    """The address of a copy that nobody writes, so that SQLite makes no files beside it.

    Unless somebody left a log there: then only the log's own files make the copy whole.
    """
    log = Path(f"{path}-wal")
    how = {"mode": "ro", "uri": "true"}
    if not (log.exists() and log.stat().st_size):
        how["immutable"] = "1"
    return URL.create("sqlite", database=f"file:{quote(path)}", query=how)


def _set_pragmas(connection: sqlite3.Connection, _record: object) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.execute("PRAGMA synchronous = FULL")  # NORMAL may lose paid trades on power loss
    cursor.execute("PRAGMA recursive_triggers = ON")  # else REPLACE deletes past the triggers
    cursor.execute(
        "PRAGMA wal_autocheckpoint = 4000"
    )  # pages; hot ones are written home less often
    cursor.close()


def _ignore_references(connection: sqlite3.Connection, _record: object) -> None:
    connection.execute("PRAGMA foreign_keys = OFF")  # has no effect once a transaction runs
