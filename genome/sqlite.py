"""SQLite as the library and the market use it: write-ahead log, explicit transactions."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event

_WAL_ATTEMPT_S = 0.02


def open_engine(
    url: str | URL,
    pragmas: Callable[[sqlite3.Connection, object], None],
    *,
    busy_timeout_s: float,
    **pool: Any,
) -> Engine:
    """An engine whose transactions take the write lock at once.

    With the execution option `begin="BEGIN"` they only read.

    Args:
        pragmas: Called with every new connection.
        pool: Further arguments of `create_engine`.
    """
    engine = create_engine(
        url,
        connect_args={
            "isolation_level": None,
            "timeout": busy_timeout_s,
            "check_same_thread": False,
        },
        **pool,
    )
    event.listen(engine, "connect", pragmas)
    event.listen(engine, "begin", _begin)
    return engine


def use_wal(engine: Engine, busy_timeout_s: float) -> bool:
    """Switch to write-ahead logging, which lasts; False if others kept the file busy.

    SQLite does not wait for others in this one statement, so it is tried again and again.
    """
    deadline = time.monotonic() + busy_timeout_s
    raw = engine.raw_connection()
    try:
        while not _switched_to_wal(raw.cursor()):
            if time.monotonic() > deadline:
                return False
            time.sleep(_WAL_ATTEMPT_S)
        return True
    finally:
        raw.close()


def failure(error: BaseException | None) -> tuple[str, str]:
    """SQLite's primary error name without its prefix, such as BUSY, and its text on one line."""
    code = getattr(error, "sqlite_errorname", "").removeprefix("SQLITE_").partition("_")[0]
    return code, " ".join(str(error).split())


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql(connection.get_execution_options().get("begin", "BEGIN IMMEDIATE"))


def _switched_to_wal(cursor: Any) -> bool:
    try:
        if cursor.execute("PRAGMA journal_mode").fetchone()[0] == "wal":
            return True
        return bool(cursor.execute("PRAGMA journal_mode = WAL").fetchone()[0] == "wal")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorname.startswith("SQLITE_BUSY"):
            return False
        raise
