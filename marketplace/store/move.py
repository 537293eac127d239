"""A market from one database to another, such as SQLite to PostgreSQL, or back.

The rows are copied as they are, numbers and hashes included, so the journal's head stays the
same and whoever keeps a signed head elsewhere can check the copy with it. The source is locked
while it is copied and left as it was: after a move, let nobody write to it any more.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from sqlalchemy import Connection, Table, select
from sqlmodel import Session

from marketplace.database.sql import MarketTable
from marketplace.errors import MarketDamagedError
from marketplace.ledger import chain
from marketplace.ledger.chain import Head
from marketplace.store import schema, verify
from marketplace.store.database import BUSY_TIMEOUT_S, Database

STRETCH = 5_000
"""Rows per statement."""


def move(source_url: str, target_url: str, *, busy_timeout_s: float = BUSY_TIMEOUT_S) -> Head:
    """Copy a whole market to an empty place and return the head that both now have.

    Raises:
        MarketNotFoundError: There is no market at the source.
        MarketFileError: The target is not empty.
        MarketDamagedError: The copy does not verify; the target was left empty.
    """
    source = Database(source_url, create=False, at=0.0, busy_timeout_s=busy_timeout_s)
    try:
        with (
            source.transaction() as rows,  # nobody writes to what is being copied
            Database.empty(target_url, busy_timeout_s=busy_timeout_s) as place,
        ):
            copy_market(rows, place)
            return _same_head(rows, place)
    finally:
        source.close()


def copy_market(source: Connection, target: Connection) -> None:
    """Create the tables in an empty place and fill them; triggers come last."""
    dialect = target.dialect.name
    for statement in schema.table_statements(dialect):
        target.exec_driver_sql(statement)
    for table in MarketTable.metadata.sorted_tables:
        for rows in _stretches(_rows(source, table)):
            target.execute(table.insert(), rows)
        schema.count_on(target, table)
    for statement in schema.protection_statements(dialect).values():
        target.exec_driver_sql(statement)
    schema.mark_new(target)


def _rows(source: Connection, table: Table) -> Iterator[dict[str, Any]]:
    """Rows by key, so that one that names another of its table follows it: a mandate's name starts
    with its owner's, a refund has a higher number than what it refunds.
    """
    ordered = select(table).order_by(*table.primary_key.columns)
    found = source.execute(ordered, execution_options={"yield_per": STRETCH})
    return (dict(row) for row in found.mappings())


def _stretches(rows: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    stretch: list[dict[str, Any]] = []
    for row in rows:
        stretch.append(row)
        if len(stretch) == STRETCH:
            yield stretch
            stretch = []
    if stretch:
        yield stretch


def _same_head(source: Connection, target: Connection) -> Head:
    with Session(source) as old, Session(target) as new:
        head, copied = chain.head(old), chain.head(new)
        wrong = verify.problems(new)
    if head != copied:
        wrong.insert(0, f"the head became {copied.seq} {copied.hash}, was {head.seq} {head.hash}")
    if wrong:
        raise MarketDamagedError(
            f"the copy does not verify ({wrong[0]}; {len(wrong)} in all): nothing was moved, run"
            " `continuum market verify` on the source"
        )
    return head
