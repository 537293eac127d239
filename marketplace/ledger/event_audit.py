"""The tables made again from the event log, and every row that is not as the log has it.

What follows is found by itself: an edited, added or removed row, an edited, removed or exchanged
event. A log that was made anew to fit edited rows, or cut off together with its last rows, fits
itself: only a head that was signed and kept elsewhere tells.

Events stream by and their rows are looked up some thousands at a time, so memory stays flat.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from itertools import islice
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, LargeBinary, Table

from marketplace.database import bulk
from marketplace.database.tables import MarketTable
from marketplace.ledger.audit import streamed
from marketplace.ledger.chain import GENESIS, Head
from marketplace.ledger.event_log import link, logged_columns, logged_tables

EVENTS_AT_ONCE = 20
ROWS_AT_ONCE = 2000
SHOWN = 20
"""Rows without an event that are listed per table."""

Images = list[list[Any]]


def problems(connection: Connection, head: Head | None) -> Iterator[str]:
    """What of the log and of the tables beside the journal is wrong, one line each."""
    log = _Log(connection, head)
    yield from log.read()
    for table in logged_tables():
        yield from _unlogged(connection, table, log.n_found[table.name])


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
