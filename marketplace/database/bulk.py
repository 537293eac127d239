"""Many rows per statement, on either database.

The ledger's hot path: SQLAlchemy's connections, but not its row objects. Names and keys travel as
one JSON text to SQLite and as one array to PostgreSQL, so a statement's text never depends on how
many there are and stays prepared. New rows go to PostgreSQL by COPY, a third of an INSERT's time,
and to SQLite many per statement, half the time of one at a time: each end of a statement gives the
interpreter's lock away.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import chain
from typing import Any

from sqlalchemy import Connection, Dialect, Table

Row = tuple[Any, ...]
ROWS_PER_INSERT = (128, 16, 1)
"""SQLite statements exist for so many rows, largest first."""

NOTED = "rows noted for the event log"
"""Under this name a connection's `info` holds a `Noted`, while somebody wants one."""

NO_DEBTS = "nobody ever owed anything"
"""Under this name a session's `info` says so, where that is known."""

_ACCOUNTS = (
    "SELECT name, overdraft, balance_nanos, held_nanos, spent_nanos, cap_nanos,"
    " last_posting_id"
    " FROM account WHERE name {one_of}"
)
_REQUESTS = (
    "SELECT r.key, r.operation, r.body_hash, r.body, t.id, t.at FROM request r"
    " LEFT JOIN transfer t ON t.key = r.key WHERE r.key {one_of}"
    " UNION ALL SELECT key, kind, body_hash, body, id, at FROM transfer"
    " WHERE key {one_of} AND body_hash <> ''"
)
_LAST = "SELECT id, hash, at FROM transfer ORDER BY id DESC LIMIT 1"
_STATE = "SELECT EXISTS (SELECT 1 FROM debt), " + ", ".join(
    f"(SELECT {at} FROM {table} ORDER BY {number} DESC LIMIT 1)"
    for table, number, at in (
        ("transfer", "id", "at"),
        ("receipt", "id", "at"),  # of a published version, too
        ("recheck", "id", "at"),
        ("status_event", "id", "at"),
        ("review", "id", "at"),
        ("terms", "id", "at"),
        ("vouching", "number", "at"),
        ("epoch", "number", "opened_at"),
    )
)
_SQLITE_BALANCES = (
    "UPDATE account SET balance_nanos = ?, held_nanos = ?, spent_nanos = ?, last_posting_id = ?"
    " WHERE name = ?"
)
_POSTGRES_BALANCES = (
    "UPDATE account SET balance_nanos = n.balance, held_nanos = n.held, spent_nanos = n.spent,"
    " last_posting_id = n.last"
    " FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], %s::text[])"
    " AS n(balance, held, spent, last, account) WHERE account.name = n.account"
)


@dataclass(slots=True)
class Noted:
    """Rows that a transaction added, for the event log, and how many there were at savepoints."""

    rows: list[tuple[Table, Sequence[Row]]] = field(default_factory=list)
    _marks: list[int] = field(default_factory=list)

    def mark(self) -> None:
        """A savepoint begins."""
        self._marks.append(len(self.rows))

    def release(self) -> None:
        """The newest savepoint ends, its rows stay."""
        if self._marks:
            self._marks.pop()

    def back_to_mark(self) -> None:
        """The newest savepoint ends, its rows are gone."""
        if self._marks:
            del self.rows[self._marks.pop() :]


def note(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Keep rows that were added for the event log; who adds any in another way tells it here."""
    noted: Noted | None = connection.info.get(NOTED)
    if noted is not None:
        noted.rows.append((table, rows))


def is_postgres(connection: Connection) -> bool:
    """Whether the connection speaks PostgreSQL rather than SQLite."""
    return connection.dialect.name == "postgresql"


def lock_accounts(connection: Connection, names: Sequence[str]) -> list[Row]:
    """Name, overdraft, balance, held, spent, cap and last posting of accounts, locked by name.

    The fixed order, and locking before any insert takes a foreign key's lock, keeps PostgreSQL
    free of deadlocks; SQLite holds its one write lock already.
    """
    if is_postgres(connection):
        sql = _ACCOUNTS.format(one_of="= ANY(%s)") + " ORDER BY name FOR NO KEY UPDATE"
        return _rows(connection, sql, (sorted(names),))
    sql = _ACCOUNTS.format(one_of="IN (SELECT value FROM json_each(?))")
    return _rows(connection, sql, (json.dumps(list(names)),))


def known_requests(connection: Connection, keys: Sequence[str]) -> list[Row]:
    """Key, operation, body hash, body, transfer's number and time of the keys that are taken."""
    if is_postgres(connection):
        return _rows(connection, _REQUESTS.format(one_of="= ANY(%s)"), (list(keys),) * 2)
    sql = _REQUESTS.format(one_of="IN (SELECT value FROM json_each(?))")
    return _rows(connection, sql, (json.dumps(list(keys)),) * 2)


def last_transfer(connection: Connection) -> tuple[int, str, float]:
    """Number, hash and time of the newest transfer; (0, '', 0.0) when there is none."""
    found = _rows(connection, _LAST, ())
    return (found[0][0], found[0][1], found[0][2]) if found else (0, "", 0.0)


def last_event(connection: Connection) -> tuple[int, str]:
    """Number and hash of the newest event; (0, '') when there is none."""
    sql = "SELECT number, hash FROM event ORDER BY number DESC LIMIT 1"
    found = _rows(connection, sql, ())
    return (found[0][0], found[0][1]) if found else (0, "")


def state(connection: Connection) -> tuple[float, bool]:
    """Time of the newest thing that money, rights or prices follow from, in seconds since 1970;
    and whether there was ever a debt. One question, because every change asks it."""
    ((any_debt, *times),) = _rows(connection, _STATE, ())
    return max(float(at) for at in times if at is not None), bool(any_debt)


def last_posting(connection: Connection) -> int:
    """Number of the newest posting; 0 when there is none."""
    found = _rows(connection, "SELECT max(id) FROM posting", ())
    return int(found[0][0] or 0)


def rows_by_key(
    connection: Connection, table: Table, columns: Sequence[str], keys: Sequence[Any]
) -> list[Row]:
    """These columns of the rows with these primary keys, exactly as stored, in any order.

    Args:
        keys: Values where the primary key is one column, else tuples.
    """
    sql = _by_key(table, columns, connection.dialect)
    return _rows(connection, sql, (json.dumps(keys),))


def write_balances(connection: Connection, rows: Sequence[Row]) -> None:
    """Set balance, held, spent and last posting of accounts; the name ends each row."""
    if is_postgres(connection):
        columns = tuple(list(column) for column in zip(*rows, strict=True))
        connection.exec_driver_sql(_POSTGRES_BALANCES, columns)
    else:
        connection.exec_driver_sql(_SQLITE_BALANCES, list(rows))


def insert(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Add rows whose values stand in the order of the table's columns."""
    if not rows:
        return
    note(connection, table, rows)
    if is_postgres(connection):
        _copy(connection, table, rows)
        return
    start = 0
    for size in ROWS_PER_INSERT:
        sql, stop = _sqlite_insert(table, size), start + (len(rows) - start) // size * size
        values = [
            tuple(chain.from_iterable(rows[first : first + size]))
            for first in range(start, stop, size)
        ]
        if values:
            connection.exec_driver_sql(sql, values)
        start = stop


def _copy(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    driver: Any = connection.connection.driver_connection
    with driver.cursor() as cursor, cursor.copy(_postgres_copy(table)) as copy:
        for row in rows:
            copy.write_row(row)


def _by_key(table: Table, columns: Sequence[str], dialect: Dialect) -> str:
    """Keys come as one JSON array; CROSS JOIN: SQLite then looks each of them up."""
    names = ", ".join(f"t.{name}" for name in columns)
    keys = list(table.primary_key.columns)
    if dialect.name == "postgresql":
        one = "(k #>> '{{}}')" if len(keys) == 1 else "(k ->> {})"
        same = [
            f"t.{c.name} = {one.format(n)}::{c.type.compile(dialect)}" for n, c in enumerate(keys)
        ]
        source = "jsonb_array_elements(%s::jsonb) AS k"
        return f"SELECT {names} FROM {source} JOIN {table.name} AS t ON {' AND '.join(same)}"
    one = "k.value" if len(keys) == 1 else "json_extract(k.value, '$[{}]')"
    same = [f"t.{c.name} = {one.format(n)}" for n, c in enumerate(keys)]
    source = f"json_each(?) AS k CROSS JOIN {table.name} AS t"
    return f"SELECT {names} FROM {source} WHERE {' AND '.join(same)}"


@cache
def _sqlite_insert(table: Table, n_rows: int) -> str:
    names = [column.name for column in table.columns]
    row = f"({', '.join('?' * len(names))})"
    return f"INSERT INTO {table.name} ({', '.join(names)}) VALUES {', '.join([row] * n_rows)}"


@cache
def _postgres_copy(table: Table) -> str:
    return f"COPY {table.name} ({', '.join(column.name for column in table.columns)}) FROM STDIN"


def _rows(connection: Connection, sql: str, parameters: tuple[Any, ...]) -> list[Row]:
    with connection.exec_driver_sql(sql, parameters) as result:
        rows: Any = result.cursor.fetchall()  # past SQLAlchemy's row objects
    return list(rows)
