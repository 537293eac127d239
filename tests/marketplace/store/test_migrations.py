"""Promises of marketplace.store.migrations: an older market opens, whole."""

import re
import sqlite3
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from marketplace.database.place import find_place
from marketplace.errors import MarketDamagedError, MarketFileError
from marketplace.ledger import event_log
from marketplace.market import Market
from marketplace.store import schema
from marketplace.store.database import Database, backend_of
from marketplace.store.migrations import run
from tests.support.trading import purchases

OLD_MARKET = Path(__file__).parent / "data" / "market_schema_3.sql"
"""Written by the last version before the baseline: three listings, sales, a rental, a mandate, a
meter, a bounty, a subscription, a re-run and three closed epochs."""
ROOT = Path(__file__).parents[3]
STRUCTURE = {
    "sqlite": "c2508412f015ecc8",
    "postgresql": "8b47bae4e36da3e7",
}
"""sha256 of every statement that makes a new market of revision 0004."""


@pytest.fixture
def old_file(tmp_path: Path) -> Path:
    """A market file of schema 3."""
    path = tmp_path / "market.db"
    raw = sqlite3.connect(path)
    raw.executescript(OLD_MARKET.read_text(encoding="utf-8"))
    raw.close()
    return path


@pytest.fixture
def old_market(market_url: str, old_file: Path) -> str:
    """A market of schema 3 on either database."""
    if market_url.startswith("postgresql"):
        _to_server(old_file, market_url)
    return market_url


def _to_server(old_file: Path, url: str) -> None:
    """Put the old file's rows into an empty PostgreSQL database, as schema 3 had its tables."""
    backend = backend_of(find_place(url), 10)
    raw = sqlite3.connect(old_file)
    with backend.mover.begin() as connection:
        schema.create_market(connection, 0.0)
        for table in reversed(schema.MarketTable.metadata.sorted_tables):
            connection.exec_driver_sql(f"ALTER TABLE {table.name} DISABLE TRIGGER USER")
            connection.exec_driver_sql(f"DELETE FROM {table.name}")
        for table in schema.MarketTable.metadata.sorted_tables:
            if table.name in schema.NEW_IN_HEAD:
                connection.exec_driver_sql(f"DROP TABLE {table.name}")
                continue
            held = raw.execute(f"SELECT * FROM {table.name}")
            columns = [about[0] for about in held.description]
            later = {column.name for column in table.columns} - set(columns)
            for name in sorted(later):
                connection.exec_driver_sql(f"ALTER TABLE {table.name} DROP COLUMN {name}")
            kept = [table.columns[name] for name in columns]
            for row in held.fetchall():
                values = {
                    column.name: bool(value) if column.type.python_type is bool else value
                    for column, value in zip(kept, row, strict=True)
                }
                names = ", ".join(values)
                marks = ", ".join(f":{name}" for name in values)
                insert = text(f"INSERT INTO {table.name} ({names}) VALUES ({marks})")
                connection.execute(insert, values)
        connection.exec_driver_sql(f"UPDATE {schema.VERSION_TABLE} SET version_num = '0003'")
    backend.dispose()
    raw.close()


def rows(url: str, *tables: str) -> dict[str, list[Any]]:
    """Every row of these tables, sorted."""
    backend = backend_of(find_place(url), 10)
    try:
        with backend.reader.connect() as connection:
            return {
                table: sorted(connection.execute(text(f"SELECT * FROM {table}")).all(), key=repr)
                for table in tables
            }
    finally:
        backend.dispose()


def structure(url: str) -> set[Any]:
    """Everything about tables, indexes, constraints and triggers that the database tells."""
    queries = ["SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL"]
    if url.startswith("postgresql"):
        queries = [
            "SELECT table_name, column_name, data_type, is_nullable, column_default"
            " FROM information_schema.columns WHERE table_schema = 'public'",
            "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'",
            "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint"
            " WHERE connamespace = 'public'::regnamespace",
            "SELECT tgname, tgenabled::text, pg_get_triggerdef(oid) FROM pg_trigger"
            " WHERE NOT tgisinternal",
            "SELECT relname, relacl::text FROM pg_class"
            " WHERE relnamespace = 'public'::regnamespace",
        ]
    backend = backend_of(find_place(url), 10)
    try:
        with backend.reader.connect() as connection:
            found = [row for query in queries for row in connection.execute(text(query))]
    finally:
        backend.dispose()
    return {re.sub(r"\s+", "", " | ".join(map(str, row))) for row in found}


def test_an_old_market_opens(old_market: str) -> None:
    """On both databases: balances, listings, purchases and prices are there, and the audit, which
    replays the log that the migration wrote, finds nothing.
    """
    before = rows(old_market, "account", "purchase", "price", "receipt", "rental", "meter")
    with Market.open(old_market, create=False) as market:
        assert market.verify() == []
        balances = {view.name: view.balance_nanos for view in market.accounts()}
        assert balances == {
            "ada": 96_087_917_440,
            "ada/shopper": 500_000_000,
            "bob": 4_980_551_989,
            "escrow": 0,
            "eve": 2_902_923_150,
            "platform": 528_607_421,
            "world": -105_000_000_000,
        }
        assert {view.name: view.price_nanos for view in market.listings()} == {
            "sort": 1_919_946_766,
            "sum": 1_517_745_634,
        }
        assert [view.key for view in purchases(market)] == ["ada-sort", "bob-sum", "ada-sum"]
        assert market.owns("ada", "digest-of-sort")
        market.fund("ada", 7, key="after-the-migration")
        market.fund("ada", 100 * 10**9, key="fund-ada")  # an old key: no second effect
        assert market.account("ada").balance_nanos == 96_087_917_447
        more = market.recheck(receipt=2, by="platform", n_correct=9, n_base_correct=4, key="more")
        assert more.id == 2, "numbers go on where they ended"
        assert market.verify() == []
    after = rows(old_market, *before)
    assert {name: len(found) for name, found in after.items()} == {
        name: len(found) for name, found in before.items()
    }
    for name in ("purchase", "price", "rental", "meter"):
        assert after[name] == before[name]


def test_a_backup_is_left_beside_the_file(old_file: Path) -> None:
    """It is the old market, bytes readable by the old program; a second one gets another name."""
    before = rows(f"sqlite:///{old_file}", "account", "transfer", "posting", "purchase")
    Market.open(f"sqlite:///{old_file}").close()
    backup = old_file.with_name("market.db.schema-3.bak")
    assert rows(f"sqlite:///{backup}", "account", "transfer", "posting", "purchase") == before
    raw = sqlite3.connect(backup)
    assert raw.execute("PRAGMA user_version").fetchone() == (3,)
    raw.close()
    assert run.back_up(find_place(f"sqlite:///{old_file}")) == old_file.with_name(
        f"market.db.schema-{schema.SCHEMA_VERSION}.bak"
    )
    assert run.back_up(find_place(f"sqlite:///{old_file}")) == old_file.with_name(
        f"market.db.schema-{schema.SCHEMA_VERSION}-2.bak"
    )


def test_a_migration_that_fails_changes_nothing(
    old_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next opening finds the old market and migrates it."""
    before = structure(f"sqlite:///{old_file}")

    def fail(_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(event_log, "write_all", fail)
        with pytest.raises(MarketFileError, match=r"is full.*nothing was changed"):
            Market.open(f"sqlite:///{old_file}")
    assert structure(f"sqlite:///{old_file}") == before
    with Market.open(f"sqlite:///{old_file}") as market:
        assert market.verify() == []


def test_a_kill_during_the_migration_changes_nothing(old_file: Path) -> None:
    """Structure and rows change in one transaction, so kill -9 leaves the old market."""
    program = (
        "import os, signal; from marketplace.ledger import event_log;"
        "event_log.write_all = lambda _: os.kill(os.getpid(), signal.SIGKILL);"
        f"from marketplace.market import Market; Market.open('sqlite:///{old_file}')"
    )
    killed = subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False)
    assert killed.returncode == -9
    raw = sqlite3.connect(old_file)
    assert raw.execute("PRAGMA user_version").fetchone() == (3,)
    raw.close()
    with Market.open(f"sqlite:///{old_file}") as market:
        assert market.verify() == []


def test_rows_that_refer_to_nothing_are_not_migrated(old_file: Path) -> None:
    """A market that somebody tampered with is refused, not chained as if it were sound."""
    with sqlite3.connect(old_file) as raw:
        raw.execute(
            "INSERT INTO posting (id, transfer_id, account, amount_nanos, previous_id)"
            " VALUES (99, 77, 'nobody', 5, 0)"
        )
    raw.close()
    with pytest.raises(MarketDamagedError, match="refers to a missing"):
        Market.open(f"sqlite:///{old_file}")


def test_a_migrated_market_is_built_like_a_new_one(old_market: str, tmp_path: Path) -> None:
    """Tables, columns, constraints, indexes, triggers and rights."""
    Market.open(old_market).close()
    new = f"sqlite:///{tmp_path / 'new.db'}"
    if old_market.startswith("postgresql"):
        new = old_market.replace("market_", "fresh_")
        backend = backend_of(find_place(old_market), 10)
        with backend.writer.connect() as connection:
            connection.execution_options(isolation_level="AUTOCOMMIT").exec_driver_sql(
                f"CREATE DATABASE {find_place(new).url.database}"
            )
        backend.dispose()
    Database(new, create=True, at=0.0).close()
    assert structure(old_market) == structure(new)


def migrate(url: str, *, back: bool = False) -> None:
    """Bring a place to the newest revision, or back to an empty one, in a transaction."""
    backend = backend_of(find_place(url), 10)
    try:
        with backend.mover.begin() as connection:
            backend.begin_write(connection)
            (run.downgrade if back else run.upgrade)(connection)
    finally:
        backend.dispose()


def test_upgrade_downgrade_upgrade_makes_the_same_market(market_url: str) -> None:
    """On both databases, from an empty place: what Alembic makes is a market like any new one."""
    migrate(market_url)
    made = structure(market_url)
    migrate(market_url, back=True)
    assert structure(market_url) < made
    with pytest.raises(MarketFileError, match="is empty"):
        Market.open(market_url, create=False)
    migrate(market_url)
    assert structure(market_url) == made
    with Market.open(market_url, create=False) as market:
        assert market.verify() == []
        market.open_account("ada")


def test_going_back_is_refused_when_something_would_be_lost(market_url: str) -> None:
    """A market that holds money stays as it is."""
    with Market.open(market_url) as market:
        market.open_account("ada")
        market.fund("ada", 1000, key="f")
    before = structure(market_url)
    with pytest.raises(MarketFileError, match="holds transfers, which no earlier schema"):
        migrate(market_url, back=True)
    assert structure(market_url) == before


@pytest.mark.parametrize(
    ("version", "remedy"), [(2, "of commit 04f8bb0 once"), (9, "the version of continuum that")]
)
def test_other_versions_are_told_what_opens_them(old_file: Path, version: int, remedy: str) -> None:
    """In one line, and the file is not touched."""
    with sqlite3.connect(old_file) as raw:
        raw.execute(f"PRAGMA user_version = {version}")
        raw.execute(f"UPDATE market_version SET version_num = '{version:04}'")
    raw.close()
    before = old_file.read_bytes()
    with pytest.raises(MarketFileError, match=f"has schema version {version}.*{remedy}"):
        Market.open(f"sqlite:///{old_file}")
    assert old_file.read_bytes() == before


@pytest.mark.parametrize("dialect", STRUCTURE)
def test_the_structure_of_the_newest_revision_is_what_was_released(dialect: str) -> None:
    """Else a market of yesterday would not fit the tables of today: add a revision that rebuilds it
    (`marketplace.store.migrations`), then write the new digest here.
    """
    tables = schema.table_statements(dialect)
    made = "\n".join([*tables, *schema.protection_statements(dialect).values()])
    assert sha256(made.encode()).hexdigest()[:16] == STRUCTURE[dialect]


def test_a_market_knows_every_table_class() -> None:
    """A module with tables that `marketplace.store.schema` does not import would be left out."""
    package = ROOT / "marketplace"
    declared = sum(
        path.read_text(encoding="utf-8").count("(MarketTable, table=True)")
        for path in package.rglob("*.py")
    )
    code = (
        "from marketplace.store.schema import MarketTable as Table;"
        "print(len(Table.metadata.tables))"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert int(found.stdout) == declared


def test_a_market_that_claims_to_be_older_is_not_rebuilt(tmp_path: Path) -> None:
    """Header and table agree, the tables do not: a migration would drop what it has no name for."""
    path = tmp_path / "market.db"
    Market.open(f"sqlite:///{path}").close()
    with sqlite3.connect(path) as raw:
        raw.execute("PRAGMA user_version = 3")
        raw.execute("UPDATE market_version SET version_num = '0003'")
    raw.close()
    before = path.read_bytes()
    with pytest.raises(MarketDamagedError, match="altered, restore a backup"):
        Market.open(f"sqlite:///{path}")
    assert path.read_bytes() == before


def test_only_its_owner_can_read_a_backup(old_file: Path) -> None:
    """A copy holds what the market holds."""
    old_file.chmod(0o644)
    Market.open(f"sqlite:///{old_file}").close()
    modes = {path.name: path.stat().st_mode & 0o777 for path in old_file.parent.iterdir()}
    assert "market.db.schema-3.bak" in modes and set(modes.values()) == {0o600}
