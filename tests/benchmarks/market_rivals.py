"""What the market's ledger is measured against: the least that a transfer of credits can be.

One row per transfer and two changed balances, with foreign keys and a check, many transfers per
durable commit, and nothing else: no idempotency, no hash chain, no append-only triggers, no
postings, nobody who waits for an answer.
"""

from __future__ import annotations

import random
import sqlite3
from pathlib import Path
from typing import Any

N_ACCOUNTS = 1000
ENDOWMENT_NANOS = 10**15
Moves = list[tuple[int, int, int]]
"""Debtor, creditor, amount in nano-credits."""

_TABLES = (
    "CREATE TABLE account (id {integer} PRIMARY KEY, balance {integer} NOT NULL"
    " CHECK (balance >= 0))",
    "CREATE TABLE transfer (id {number} PRIMARY KEY,"
    " debit {integer} NOT NULL REFERENCES account (id),"
    " credit {integer} NOT NULL REFERENCES account (id),"
    " amount {integer} NOT NULL CHECK (amount > 0))",
)
_INSERT = "INSERT INTO transfer (debit, credit, amount) VALUES ({0}, {0}, {0})"
_UPDATE = "UPDATE account SET balance = balance + {0} WHERE id = {0}"


def random_moves(n: int, rng: random.Random) -> Moves:
    """Between any two of the accounts."""
    pairs = (rng.sample(range(N_ACCOUNTS), 2) for _ in range(n))
    return [(debit, credit, rng.randint(1, 1000)) for debit, credit in pairs]


class RawSQLite:
    """The standard library's driver; `loop` sends statement by statement, else executemany."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None)
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
            self._connection.execute(f"PRAGMA {pragma}")
        for table in _TABLES:
            self._connection.execute(table.format(integer="INTEGER", number="INTEGER"))
        accounts = [(number, ENDOWMENT_NANOS) for number in range(N_ACCOUNTS)]
        self._connection.executemany("INSERT INTO account VALUES (?, ?)", accounts)

    def transfer(self, moves: Moves, *, batch: int = 100, loop: bool = False) -> None:
        """All moves, `batch` per commit."""
        insert, update = _INSERT.format("?"), _UPDATE.format("?")
        run = self._connection
        for start in range(0, len(moves), batch):
            rows = moves[start : start + batch]
            run.execute("BEGIN IMMEDIATE")
            if loop:
                for debit, credit, amount in rows:
                    run.execute(insert, (debit, credit, amount))
                    run.execute(update, (-amount, debit))
                    run.execute(update, (amount, credit))
            else:
                run.executemany(insert, rows)
                run.executemany(update, [(-amount, debit) for debit, _, amount in rows])
                run.executemany(update, [(amount, credit) for _, credit, amount in rows])
            run.execute("COMMIT")

    def close(self) -> None:
        """Give back the file."""
        self._connection.close()


class PlainPsycopg:
    """psycopg's executemany, which sends a batch as one pipeline."""

    def __init__(self, url: str) -> None:
        import psycopg

        self._connection: Any = psycopg.connect(url.replace("postgresql+psycopg", "postgresql"))
        with self._connection.transaction(), self._connection.cursor() as run:
            for table in _TABLES:
                run.execute(table.format(integer="bigint", number="bigserial"))
            accounts = [(number, ENDOWMENT_NANOS) for number in range(N_ACCOUNTS)]
            run.executemany("INSERT INTO account VALUES (%s, %s)", accounts)

    def transfer(self, moves: Moves, *, batch: int = 1000) -> None:
        """All moves, `batch` per commit; accounts in order, as whoever fears deadlocks would."""
        insert, update = _INSERT.format("%s"), _UPDATE.format("%s")
        for start in range(0, len(moves), batch):
            rows = moves[start : start + batch]
            changes = [(-amount, debit) for debit, _, amount in rows]
            changes += [(amount, credit) for _, credit, amount in rows]
            with self._connection.transaction(), self._connection.cursor() as run:
                run.executemany(update, sorted(changes, key=lambda change: change[1]))
                run.executemany(insert, rows)

    def close(self) -> None:
        """Give back the connection."""
        self._connection.close()
