"""The event log: every row of the market beside the journal, chained by hash as the journal is.

    e_j = SHA-256(e_{j-1} || canonical_j),   e_0 = 64 zeros
    canonical_j = [number, {"transfer": [[last, its hash]], table: [[value, ...], ...], ...}]

Rows are only ever added, so an image of each added row is all that a log needs: whatever decides
money, rights or reputation is in it, and the tables are what `marketplace.ledger.event_audit`
makes of it again. A table is logged unless it is named here, so a new one is before anybody thinks
of it. Transfers and postings have a chain of their own, whose end every event names.

Rows are noted as they are written (`marketplace.database.bulk`, and below for objects) and logged
by the transaction that writes them, many rows per event; what a savepoint takes back is forgotten.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from typing import Any, ClassVar

from sqlalchemy import Connection, Engine, Table, event, text
from sqlmodel import Field

from marketplace.database import bulk
from marketplace.database.tables import MarketTable, RowNumber
from marketplace.ledger.account import CACHES
from marketplace.ledger.chain import GENESIS

ROWS_PER_EVENT = 500
"""A reader holds a few events in memory, however much one transaction wrote."""
STRETCH = 5_000
"""Rows that a database is asked for at once."""
JOURNAL = ("transfer", "posting")
"""Chained by themselves."""
UNLOGGED = (*JOURNAL, "open_hold", "event")
"""Tables that are not logged; `open_hold` is a cache that the audit rebuilds from the journal."""

Changes = dict[str, list[Any]]
"""Images of added rows by table, values in the order of `logged_columns`."""


class LoggedEvent(MarketTable, table=True):
    """Rows that one transaction added, at most `ROWS_PER_EVENT` of them."""

    __tablename__: ClassVar[str] = "event"

    number: int = Field(
        primary_key=True, sa_type=RowNumber, sa_column_kwargs={"autoincrement": False}
    )
    changes: str
    """JSON of `Changes`; bytes as hex digits."""
    hash: str


def link(previous: str, number: int, changes: str) -> str:
    """The hash of one event."""
    return sha256(f"{previous}[{number},{changes}]".encode()).hexdigest()


def logged_tables() -> list[Table]:
    """Every table whose rows are logged, each after the ones it refers to."""
    tables = MarketTable.metadata.sorted_tables
    return [table for table in tables if table.name not in UNLOGGED]


def logged_columns(table: Table) -> list[str]:
    """What an image of a row of this table holds: everything but caches."""
    caches = CACHES if table.name == "account" else ()
    return [column.name for column in table.columns if column.name not in caches]


@contextmanager
def recording(connection: Connection) -> Iterator[None]:
    """Log the rows that are added in this block, in the same transaction."""
    info = connection.info  # which a connection that is lost in this block does not give any more
    info[bulk.NOTED] = noted = bulk.Noted()
    try:
        yield
    finally:
        del info[bulk.NOTED]
    if connection.in_transaction():  # else everything was taken back
        for changes in _stretches(noted):
            write(connection, changes)


def write(connection: Connection, changes: Changes) -> None:
    """Add one event; the transaction must hold the write lock."""
    number, previous = bulk.last_event(connection)
    seq, seq_hash, _ = bulk.last_transfer(connection)
    found = {"transfer": [[seq, seq_hash]], **changes} if seq else changes
    image = json.dumps(found, separators=(",", ":"), default=_hex)
    row = (number + 1, image, link(previous or GENESIS, number + 1, image))
    bulk.insert(connection, MarketTable.metadata.tables["event"], [row])


def write_all(connection: Connection) -> None:
    """Log every row there is, in stretches: the log of a market that had none."""
    for table in logged_tables():
        names = ", ".join(f'"{name}"' for name in logged_columns(table))
        rows = connection.execute(
            text(f"SELECT {names} FROM {table.name}"), execution_options={"yield_per": STRETCH}
        )
        for part in rows.partitions(ROWS_PER_EVENT):
            write(connection, {table.name: [tuple(row) for row in part]})


def follow_savepoints(engine: Engine) -> None:
    """Forget rows that an engine's connections take back; savepoints end in reverse order."""
    event.listen(engine, "savepoint", lambda connection, _: _noted(connection).mark())
    event.listen(
        engine, "release_savepoint", lambda connection, _, __: _noted(connection).release()
    )
    event.listen(
        engine, "rollback_savepoint", lambda connection, _, __: _noted(connection).back_to_mark()
    )


@event.listens_for(MarketTable, "after_insert", propagate=True)
def _note_object(_: object, connection: Connection, row: MarketTable) -> None:
    table = MarketTable.metadata.tables[str(row.__tablename__)]
    values = tuple(getattr(row, column.name) for column in table.columns)
    bulk.note(connection, table, [values])


def _noted(connection: Connection) -> bulk.Noted:
    lost = connection.invalidated
    found: bulk.Noted | None = None if lost else connection.info.get(bulk.NOTED)
    return bulk.Noted() if found is None else found


def _stretches(noted: bulk.Noted) -> Iterator[Changes]:
    changes: Changes = {}
    room = ROWS_PER_EVENT
    for table, rows in noted.rows:
        if table.name in UNLOGGED:
            continue
        images, start = _images(table, rows), 0
        while start < len(images):
            taken = images[start : start + room]
            changes.setdefault(table.name, []).extend(taken)
            start, room = start + len(taken), room - len(taken)
            if not room:
                yield changes
                changes, room = {}, ROWS_PER_EVENT
    if changes:
        yield changes


def _images(table: Table, rows: Sequence[bulk.Row]) -> Sequence[bulk.Row]:
    kept, names = logged_columns(table), table.columns.keys()
    if len(kept) == len(names):
        return rows
    places = [names.index(name) for name in kept]
    return [tuple(row[place] for place in places) for row in rows]


def _hex(value: object) -> str:
    if isinstance(value, bytes | memoryview):
        return value.hex()
    raise TypeError(f"a row holds {type(value).__name__} {value!r}, which has no place in the log")
