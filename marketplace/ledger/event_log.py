"""The event log: every row of the market beside the journal, chained by hash as the journal is.

    e_j = SHA-256(e_{j-1} || canonical_j),   e_0 = 64 zeros
    canonical_j = [number, {"transfer": [[last, its hash]], table: [[value, ...], ...], ...}]

Rows are only ever added, so an image of each added row is all that a log needs: whatever decides
money, rights or reputation is in it, and the tables are what `marketplace.ledger.event_log`
makes of it again. A table is logged unless it is named here, so a new one is before anybody thinks
of it. Transfers and postings have a chain of their own, whose end every event names.

Rows are noted as they are written (`marketplace.database.bulk`, and below for objects) and logged
by the transaction that writes them, many rows per event; what a savepoint takes back is forgotten.

The tables made again from the event log, and every row that is not as the log has it.

What follows is found by itself: an edited, added or removed row, an edited, removed or exchanged
event. A log that was made anew to fit edited rows, or cut off together with its last rows, fits
itself: only a head that was signed and kept elsewhere tells.

Events stream by and their rows are looked up some thousands at a time, so memory stays flat.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from itertools import islice
from operator import itemgetter
from typing import Any, ClassVar

from sqlalchemy import Connection, Engine, LargeBinary, Table, event, text
from sqlmodel import Field

from marketplace.database import bulk
from marketplace.database.sql import MarketTable, RowNumber
from marketplace.ledger.account import CACHES
from marketplace.ledger.audit import streamed
from marketplace.ledger.chain import GENESIS, Head

EVENTS_AT_ONCE = 20
ROWS_AT_ONCE = 2000
SHOWN = 20
"""Rows without an event that are listed per table."""
Images = list[list[Any]]


class _Log:
    """The log while it is read, and the rows of it that were found."""

    def __init__(self, connection: Connection, head: Head | None) -> None:
        self.n_found: Counter[str] = Counter()
        self._connection, self._head = connection, head
        self._shapes = _shapes()
        self._waiting: dict[str, Images] = defaultdict(list)
        self._last, self._hash = 0, GENESIS

    def read(self) -> Iterator[str]:
        """Every event in order, then what only the end can tell."""
        for number, changes, stored in _events(self._connection):
            yield from self._chained(number, changes, stored)
            found = _parsed(changes, self._shapes)
            if found is None:
                yield f"event {number} cannot be read: it holds no rows of this market's tables"
                continue
            for name, images in found.items():
                self._waiting[name] += images
            if sum(map(len, self._waiting.values())) >= ROWS_AT_ONCE:
                yield from self._compared()
        yield from self._compared()
        if self._head is not None and (self._head.event or 0) > self._last:
            yield (
                f"the log ends at event {self._last}, the signed head is of {self._head.event}:"
                " rows were cut off"
            )

    def _chained(self, number: int, changes: str, stored: str) -> Iterator[str]:
        if number != self._last + 1:
            yield f"event {number} follows {self._last}: events are missing or renumbered"
        if link(self._hash, number, changes) != stored:
            yield f"event {number} does not fit the hash chain: it or the one before was changed"
        head = self._head
        if head is not None and number == head.event and stored != head.event_hash:
            yield f"event {number} has another hash than the signed head: history was rewritten"
        self._last, self._hash = number, stored

    def _compared(self) -> Iterator[str]:
        for name, images in self._waiting.items():
            shape = self._shapes[name]
            stored = shape.stored(self._connection, images)
            for image in images:
                row = stored.get(shape.key(image))
                self.n_found[name] += row is not None
                if row != image:
                    yield from shape.differences(image, row)
        self._waiting.clear()


class _Shape:
    """How rows of one table stand in the log."""

    def __init__(self, table: Table, columns: Sequence[str]) -> None:
        self.table, self.columns = table, columns
        self.keys = [column.name for column in table.primary_key.columns]
        self.key = itemgetter(*(columns.index(name) for name in self.keys))
        self._bytes = [
            place
            for place, name in enumerate(columns)
            if isinstance(table.columns[name].type, LargeBinary)
        ]

    def stored(self, connection: Connection, images: Images) -> dict[Any, list[Any]]:
        """The rows as they are in the table now, by key."""
        keys = list(map(self.key, images))
        found = bulk.rows_by_key(connection, self.table, self.columns, keys)
        rows = list(map(list, found))
        if self._bytes:
            rows = list(map(self._plain, rows))
        return dict(zip(map(self.key, rows), rows, strict=True))

    def differences(self, image: list[Any], row: list[Any] | None) -> Iterator[str]:
        name = _name(self.table, self.key(image))
        if row is None:
            yield f"{name} is in the event log and missing in the table"
            return
        for column, logged, found in zip(self.columns, image, row, strict=True):
            if logged != found:
                yield f"{name}: {column} is {_short(found)}, the event log says {_short(logged)}"

    def _plain(self, row: list[Any]) -> list[Any]:
        for place in self._bytes:
            if isinstance(row[place], bytes | memoryview):
                row[place] = row[place].hex()
        return row


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


def event_problems(connection: Connection, head: Head | None) -> Iterator[str]:
    """What of the log and of the tables beside the journal is wrong, one line each."""
    log = _Log(connection, head)
    yield from log.read()
    for table in logged_tables():
        yield from _unlogged(connection, table, log.n_found[table.name])


def _shapes() -> dict[str, _Shape]:
    transfer = MarketTable.metadata.tables["transfer"]
    logged = {table.name: _Shape(table, logged_columns(table)) for table in logged_tables()}
    return {"transfer": _Shape(transfer, ["id", "hash"]), **logged}


def _events(connection: Connection) -> Iterator[tuple[Any, ...]]:
    sql = "SELECT number, changes, hash FROM event ORDER BY number"
    return streamed(connection, sql, EVENTS_AT_ONCE)


def _parsed(changes: str, shapes: dict[str, _Shape]) -> dict[str, Images] | None:
    """An event's images; None when somebody wrote something else there."""
    try:
        found: dict[str, Images] = json.loads(changes)
        for name, images in found.items():
            n_columns = len(shapes[name].columns)
            if any(type(image) is not list or len(image) != n_columns for image in images):
                return None
            set(map(shapes[name].key, images))  # raises where a key is no plain value
        return found
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None


def _unlogged(connection: Connection, table: Table, n_found: int) -> Iterator[str]:
    """Rows that no event added; only when there are any does this read the log again."""
    (n_rows,) = next(streamed(connection, f"SELECT count(*) FROM {table.name}"))
    if n_rows < n_found:
        yield f"table {table.name} has {n_rows} rows, the event log {n_found}: events are repeated"
    if n_rows <= n_found:
        return
    shapes = _shapes()
    shape = shapes[table.name]
    logged: set[Any] = set()
    for _, changes, _ in _events(connection):
        images = (_parsed(changes, shapes) or {}).get(table.name, [])
        logged.update(map(shape.key, images))
    stored = streamed(connection, f"SELECT {', '.join(shape.columns)} FROM {table.name}")
    keys = map(shape.key, stored)
    for key in islice((key for key in keys if key not in logged), SHOWN):
        yield f"{_name(table, key)} was added behind the market's back: no event has it"
    if n_rows - n_found > SHOWN:
        yield f"and more: table {table.name} has {n_rows - n_found} rows that no event has"


def _name(table: Table, key: Any) -> str:
    values = key if isinstance(key, tuple) else (key,)
    return f"table {table.name} row {', '.join(map(_short, values))}"


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
