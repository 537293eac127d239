"""Hashes for rows that were written before the ledger had a chain, events for those before its log.

Works through the journal in stretches, so that memory does not grow with it.
"""

from collections.abc import Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, text

from marketplace import event_log
from marketplace.chain import GENESIS, link, postings_text
from marketplace.idempotency import body_hash

STRETCH = 5_000
_ROWS = text(
    "SELECT t.id, t.at, t.kind, t.memo, t.key, t.group_key, t.refers_to, t.expires_at,"
    " r.operation, r.body_hash FROM transfer t JOIN request r ON r.key = t.key"
    " WHERE t.id > :after ORDER BY t.id LIMIT :n"
)
_POSTINGS = text(
    "SELECT transfer_id, account, amount_nanos, pending FROM posting"
    " WHERE transfer_id BETWEEN :first AND :last ORDER BY transfer_id, id"
)


def hash_bodies(connection: Connection) -> None:
    """Give every request the hash of its body."""
    after = ""
    query = text("SELECT key, body FROM request WHERE key > :after ORDER BY key LIMIT :n")
    change = text("UPDATE request SET body_hash = :hash WHERE key = :key")
    while rows := connection.execute(query, {"after": after, "n": STRETCH}).all():
        hashed = [{"key": key, "hash": body_hash(body)} for key, body in rows]
        connection.execute(change, hashed)
        after = rows[-1].key


def chain_transfers(connection: Connection) -> str:
    """Give every transfer its hash, oldest first, and return the last one."""
    after, last = 0, GENESIS
    change = text("UPDATE transfer SET hash = :hash WHERE id = :id")
    while rows := connection.execute(_ROWS, {"after": after, "n": STRETCH}).all():
        legs = _legs(connection, rows[0].id, rows[-1].id)
        changes = []
        for *row, operation, hashed_body in rows:
            last = link(last, tuple(row), operation, hashed_body, legs.get(row[0], "[]"))
            changes.append({"id": row[0], "hash": last})
        connection.execute(change, changes)
        after = rows[-1].id
    return last


def log_rows(connection: Connection, tables: Mapping[str, Sequence[str]]) -> None:
    """Write every row of these tables, with these columns, to the end of the event log."""
    for table, columns in tables.items():
        names = ", ".join(f'"{name}"' for name in columns)
        query = text(f"SELECT {names} FROM {table}")
        found = connection.execute(query, execution_options={"yield_per": STRETCH})
        for rows in found.partitions(event_log.ROWS_PER_EVENT):
            event_log.write(connection, {table: [tuple(row) for row in rows]})


def _legs(connection: Connection, first: int, last: int) -> dict[int, str]:
    rows: Any = connection.execute(_POSTINGS, {"first": first, "last": last})
    return {
        number: postings_text((account, amount, bool(held)) for _, account, amount, held in group)
        for number, group in groupby(rows, key=itemgetter(0))
    }
