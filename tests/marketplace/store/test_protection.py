"""Promises of marketplace.store.schema on SQLite; on PostgreSQL see test_postgresql."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from marketplace.store import schema
from marketplace.store.database import Database
from tests.support.market import make_market, publish_example


@pytest.fixture
def market_file(tmp_path: Path) -> Path:
    """A closed market with a sale."""
    path = tmp_path / "market.db"
    with make_market(path, credits={"ada": 100, "bob": 0}) as market:
        publish_example(market, "bob", "sort")
        market.buy(buyer="ada", listing="sort", key="ada-sort")
    return path


@pytest.fixture
def raw(market_file: Path) -> Iterator[sqlite3.Connection]:
    """The file as another program opens it, with SQLite's defaults."""
    connection = sqlite3.connect(market_file, isolation_level=None)
    yield connection
    connection.close()


def refused(raw: sqlite3.Connection, statement: str) -> bool:
    """Whether the statement is refused as a change of history."""
    try:
        raw.execute(statement)
    except sqlite3.IntegrityError as error:
        return "append-only" in str(error)
    return False


def test_every_table_refuses_update_and_delete(raw: sqlite3.Connection) -> None:
    """Every one that has rows here, except the caches."""
    checked = []
    for model in schema.APPEND_ONLY:
        name = str(model.__tablename__)
        if raw.execute(f"SELECT count(*) FROM {name}").fetchone()[0]:
            column = raw.execute(f"SELECT name FROM pragma_table_info('{name}')").fetchone()[0]
            assert refused(raw, f'UPDATE {name} SET "{column}" = "{column}"')
            assert refused(raw, f"DELETE FROM {name}")
            checked.append(name)
    assert {"transfer", "posting", "request", "listing", "price", "purchase"} <= set(checked)


def test_replace_is_refused_through_any_unique_key(raw: sqlite3.Connection) -> None:
    """A new number with an old key would silently delete the old row."""
    columns = "at, kind, memo, key, hash"
    assert refused(
        raw,
        f"INSERT OR REPLACE INTO transfer (id, {columns})"
        f" SELECT 99, {columns} FROM transfer WHERE key = 'ada-sort'",
    )
    assert refused(raw, "INSERT OR REPLACE INTO transfer SELECT * FROM transfer")
    assert refused(
        raw,
        "INSERT OR REPLACE INTO version SELECT listing, 9, digest, description, licence, tags, 1,"
        " near_of, is_repeat, sketch, creator, release, published_at, 'publish-x' FROM version",
    )


def test_replace_is_refused_through_a_partial_unique_index(raw: sqlite3.Connection) -> None:
    """A second resolution of a hold would delete the first; other transfers may share the hold."""
    row = "INSERT OR REPLACE INTO transfer (id, at, kind, memo, key, refers_to, hash) VALUES"
    raw.execute(f"{row} (50, 1.0, 'hold', '', 'h', NULL, '')")
    raw.execute(f"{row} (51, 1.0, 'post', '', 'p', 50, '')")
    assert refused(raw, f"{row} (52, 1.0, 'void', '', 'v', 50, '')")
    raw.execute(f"{row} (53, 1.0, 'refund', '', 'r', 50, '')")


def test_an_account_is_not_replaced(raw: sqlite3.Connection) -> None:
    """Else an account without debts takes the place of one with."""
    assert refused(
        raw,
        "INSERT OR REPLACE INTO account (name, overdraft, balance_nanos, opened_at)"
        " VALUES ('ada', false, 999, 1.0)",
    )


@pytest.mark.parametrize(
    "deed",
    [
        "DROP TRIGGER transfer_no_update",
        "DROP TRIGGER transfer_no_update;"
        " CREATE TRIGGER transfer_no_update BEFORE UPDATE ON transfer BEGIN SELECT 1; END",
    ],
)
def test_the_audit_misses_a_trigger(market_file: Path, raw: sqlite3.Connection, deed: str) -> None:
    """Absent or made toothless."""
    raw.executescript(deed)
    database = Database(f"sqlite:///{market_file}", create=False, at=0.0)
    with database.read() as session:
        assert schema.missing_triggers(session.connection()) == ["transfer_no_update"]
    database.close()


def test_what_is_neither_history_nor_a_cache_is_a_mistake() -> None:
    """A table is append-only unless somebody decided otherwise and said so."""
    known = {str(model.__tablename__) for model in schema.APPEND_ONLY}
    assert known | set(schema.CACHES) | set(schema.FREE) == set(schema.MarketTable.metadata.tables)
    assert set(schema.UNGUARDED) <= known
