"""The journal as it is stored, from the first transfer on, a few thousand rows in memory.

Two cursors run side by side: transfers by number and postings by number, which the ledger gives
in the same order. Postings that fit no transfer are handed out with the next one that does not
match, so that nothing is skipped silently.
"""

from collections.abc import Iterator
from itertools import count
from typing import Any, NamedTuple

from sqlalchemy import Connection

from marketplace.bulk import is_postgres

ROWS_AT_ONCE = 5000
_numbers = count()

_TRANSFERS = (
    "SELECT t.id, t.at, t.kind, t.memo, t.key, t.group_key, t.refers_to, t.expires_at,"
    " t.body_hash, t.body, t.hash, r.operation, r.body_hash, r.body"
    " FROM transfer t LEFT JOIN request r ON r.key = t.key ORDER BY t.id"
)
_POSTINGS = (
    "SELECT account, amount_nanos, pending, transfer_id, id, previous_id FROM posting ORDER BY id"
)


class Stored(NamedTuple):
    """One transfer with its request and postings, exactly as stored and perhaps tampered with."""

    row: tuple[Any, ...]
    """id, at, kind, memo, key, group_key, refers_to, expires_at."""
    own_body: tuple[Any, Any]
    """Hash and text of the request that is the transfer itself; ('', None) without."""
    hash: Any
    request: tuple[Any, Any, Any]
    """Operation, body hash and body of the request's row; all None without."""
    postings: list[tuple[Any, ...]]
    """account, amount, pending, transfer_id, id, previous_id."""


def stored_transfers(connection: Connection) -> Iterator[Stored]:
    """Every transfer, by number; postings that belong to none come with row id None."""
    postings = streamed(connection, _POSTINGS)
    waiting = next(postings, None)
    for found in streamed(connection, _TRANSFERS):
        number = found[0]
        mine: list[tuple[Any, ...]] = []
        stray: list[tuple[Any, ...]] = []
        while waiting is not None and waiting[3] <= number:
            (mine if waiting[3] == number else stray).append(waiting)
            waiting = next(postings, None)
        if stray:
            yield _stray(stray)
        yield Stored(found[:8], found[8:10], found[10], found[11:14], mine)
    while waiting is not None:
        yield _stray([waiting])
        waiting = next(postings, None)


def _stray(postings: list[tuple[Any, ...]]) -> Stored:
    return Stored((None,) * 8, ("", None), None, (None,) * 3, postings)


def streamed(
    connection: Connection, sql: str, rows_at_once: int = ROWS_AT_ONCE
) -> Iterator[tuple[Any, ...]]:
    """Rows exactly as stored, a few thousand in memory; the audit must not trust tables' types.

    The driver's own cursors: SQLAlchemy's row objects would cost as much as the whole audit.
    """
    driver: Any = connection.connection
    cursor = (
        driver.cursor(f"stream_{next(_numbers)}") if is_postgres(connection) else driver.cursor()
    )
    try:
        cursor.execute(sql)
        while block := cursor.fetchmany(rows_at_once):
            yield from block
    finally:
        cursor.close()
