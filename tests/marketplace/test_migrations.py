"""Promises of marketplace.migrations: an old market opens, whole, and can go back."""

import re
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from marketplace import chain, schema
from marketplace.backend import backend_of
from marketplace.database import Database
from marketplace.errors import MarketDamagedError, MarketFileError
from marketplace.market import Market
from marketplace.migrations import backfill, run, snapshot
from marketplace.place import find_place
from marketplace.testing import publish_example

OLD_MARKET = Path(__file__).parent / "data" / "market_schema_1.sql"
"""What the first version of this program wrote: 2 listings, 3 sales, 2 closed epochs."""
ROOT = Path(__file__).parents[2]


@pytest.fixture
def old_file(tmp_path: Path) -> Path:
    """A market file of schema version 1."""
    path = tmp_path / "market.db"
    raw = sqlite3.connect(path)
    raw.executescript(OLD_MARKET.read_text(encoding="utf-8"))
    raw.close()
    return path


@pytest.fixture
def old_market(market_url: str, old_file: Path) -> str:
    """A market of schema version 1 on either database."""
    if market_url.startswith("postgresql"):
        to_server(old_file, market_url)
    return market_url


def to_server(old_file: Path, url: str) -> None:
    """Put the old file's rows into an empty PostgreSQL database of revision 0001."""
    backend = backend_of(find_place(url), 10)
    raw = sqlite3.connect(old_file)
    with backend.mover.begin() as connection:
        snapshot.create_tables(connection, "0001")
        snapshot.protect(connection, "0001")
        tables = ("account", "request", "transfer", "posting", "epoch")
        for table in (*tables, "listing", "receipt", "price", "purchase"):
            for row in raw.execute(f"SELECT * FROM {table}").fetchall():
                values = (bool(row[1]) if table == "account" else row[1], *row[2:])
                marks = ", ".join(["%s"] * len(row))
                connection.exec_driver_sql(
                    f"INSERT INTO {table} VALUES ({marks})", (row[0], *values)
                )
        schema.mark_new(connection, "0001")
    backend.dispose()
    raw.close()


def migrate(url: str, revision: str) -> None:
    """Bring a market to a revision, in a transaction."""
    backend = backend_of(find_place(url), 10)
    try:
        with backend.mover.begin() as connection:
            backend.begin_write(connection)
            known = schema.revision(connection, "it") or ""
            (run.downgrade if revision < known else run.upgrade)(connection, revision)
    finally:
        backend.dispose()


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


def test_an_old_market_opens(old_file: Path) -> None:
    """Balances, listings, purchases and prices are there, and the audit finds nothing."""
    with Market.open(f"sqlite:///{old_file}", create=False) as market:
        assert market.verify() == []
        balances = {view.name: view.balance_nanos for view in market.accounts()}
        assert balances == {
            "ada": 96_587_918_000,
            "bob": 4_829_395_900,
            "escrow": 0,
            "eve": 3_070_873_800,
            "platform": 511_812_300,
            "world": -105_000_000_000,
        }
        assert {view.name: view.price_nanos for view in market.listings()} == {
            "sort": 1_706_619_348,
            "sum": 1_707_463_838,
        }
        assert [view.key for view in market.purchases()] == ["ada-sort", "bob-sum", "ada-sum"]
        assert market.owns("ada", "digest-of-sort")
        market.fund("ada", 7, key="after-the-migration")
        market.fund("ada", 100 * 10**9, key="fund-ada")  # an old key: no second effect
        assert market.account("ada").balance_nanos == 96_587_918_007
        assert market.verify() == []


def test_a_backup_is_left_beside_the_file(old_file: Path) -> None:
    """It is the old market, bytes readable by the old program; a second one gets another name."""
    before = rows(f"sqlite:///{old_file}", "account", "transfer", "posting", "purchase")
    Market.open(f"sqlite:///{old_file}").close()
    backup = old_file.with_name("market.db.schema-1.bak")
    assert rows(f"sqlite:///{backup}", "account", "transfer", "posting", "purchase") == before
    raw = sqlite3.connect(backup)
    assert raw.execute("PRAGMA user_version").fetchone() == (1,)
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
        patched.setattr(backfill, "chain_transfers", fail)
        with pytest.raises(MarketFileError, match=r"is full.*nothing was changed"):
            Market.open(f"sqlite:///{old_file}")
    assert structure(f"sqlite:///{old_file}") == before
    with Market.open(f"sqlite:///{old_file}") as market:
        assert market.verify() == []


def test_a_kill_during_the_migration_changes_nothing(old_file: Path) -> None:
    """Structure and rows change in one transaction, so kill -9 leaves the old market."""
    program = (
        "import os, signal; from marketplace.migrations import backfill;"
        "backfill.chain_transfers = lambda _: os.kill(os.getpid(), signal.SIGKILL);"
        f"from marketplace.market import Market; Market.open('sqlite:///{old_file}')"
    )
    killed = subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False)
    assert killed.returncode == -9
    raw = sqlite3.connect(old_file)
    assert raw.execute("PRAGMA user_version").fetchone() == (1,)
    raw.close()
    with Market.open(f"sqlite:///{old_file}") as market:
        assert market.verify() == []


def test_rows_that_refer_to_nothing_are_not_migrated(old_file: Path) -> None:
    """A market that somebody tampered with is refused, not chained as if it were sound."""
    with sqlite3.connect(old_file) as raw:
        raw.execute("INSERT INTO posting VALUES (99, 77, 'nobody', 5)")
    raw.close()
    with pytest.raises(MarketDamagedError, match="refers to a missing"):
        Market.open(f"sqlite:///{old_file}")


def test_upgrade_downgrade_upgrade_changes_nothing(old_market: str) -> None:
    """On both databases: the same rows, the same structure and the same head."""
    tables = ("account", "request", "transfer", "posting", "listing", "receipt", "purchase")
    old_rows, old_structure = rows(old_market, *tables), structure(old_market)
    migrate(old_market, schema.HEAD)
    new_rows, new_structure = rows(old_market, *tables), structure(old_market)
    migrate(old_market, "0001")
    assert rows(old_market, *tables) == old_rows
    assert {line for line in structure(old_market) if "market_version" not in line} == {
        line for line in old_structure if "market_version" not in line
    }
    migrate(old_market, schema.HEAD)
    assert rows(old_market, *tables) == new_rows
    assert structure(old_market) == new_structure


def test_a_migrated_market_is_built_like_a_new_one(old_market: str, tmp_path: Path) -> None:
    """Tables, columns, constraints, indexes, triggers and rights."""
    migrate(old_market, schema.HEAD)
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


def test_every_revision_can_be_made_from_nothing(market_url: str) -> None:
    """And emptied again; what the last one makes is a market."""
    migrate(market_url, schema.HEAD)
    with Market.open(market_url, create=False) as market:
        assert market.verify() == []
        market.open_account("ada")
    migrate(market_url, "0001")
    assert len(rows(market_url, "account")["account"]) == 3


@pytest.fixture
def judged(market_url: str) -> Market:
    """A market with a sale and a receipt that the platform has sat again."""
    with Market.open(market_url) as market:
        for name in ("ada", "bob"):
            market.open_account(name)
        market.fund("ada", 10**11, key="fund")
        listing = publish_example(market, "bob", "sorter")
        market.buy(buyer="ada", listing=listing.name, key="sale")
        market.recheck(receipt=1, by="platform", n_correct=90, n_base_correct=40, key="again")
    return market


def test_the_step_before_last_keeps_re_runs_and_incomes(judged: Market, market_url: str) -> None:
    """There and back on both databases: same rows, same structure, and it goes on from there."""
    before, built = rows(market_url, "recheck", "income"), structure(market_url)
    assert len(before["recheck"]) == len(before["income"]) == 1
    migrate(market_url, "0002")
    assert len(rows(market_url, "recheck", "income")["recheck"]) == 1
    assert structure(market_url) != built
    migrate(market_url, schema.HEAD)
    assert rows(market_url, "recheck", "income") == before
    assert structure(market_url) == built
    with Market.open(market_url, create=False) as market:
        more = market.recheck(
            receipt=1, by="platform", n_correct=80, n_base_correct=40, seed=7,
            questions_digest="f" * 64, key="fresh",
        )  # fmt: skip
        assert (more.id, more.seed) == (2, 7)
        assert market.verify() == []


def test_a_re_run_on_fresh_questions_keeps_the_schema(judged: Market, market_url: str) -> None:
    """The schema before could not tell it from one on the very questions."""
    with Market.open(market_url, create=False) as market:
        market.recheck(
            receipt=1, by="platform", n_correct=80, n_base_correct=40, seed=7,
            questions_digest="f" * 64, key="fresh",
        )  # fmt: skip
    before = structure(market_url)
    with pytest.raises(MarketFileError, match="fresh questions, which schema version 2 has no"):
        migrate(market_url, "0002")
    assert structure(market_url) == before


def test_going_back_is_refused_when_something_would_be_lost(market_url: str) -> None:
    """The message names what the old schema has no place for; nothing is changed."""
    with Market.open(market_url) as market:
        market.open_account("ada")
        market.fund("ada", 1000, key="f")
        with market._database.write() as session:
            session.connection().exec_driver_sql(
                "INSERT INTO account (name, overdraft, balance_nanos, opened_at, cap_nanos, owner)"
                " VALUES ('ada/shopper', false, 0, 1.0, 5, 'ada')"
            )
    before = structure(market_url)
    with pytest.raises(MarketFileError, match="holds a mandate, which schema version 1 has no"):
        migrate(market_url, "0001")
    assert structure(market_url) == before


def test_old_transfers_are_chained_as_new_ones_are(old_file: Path) -> None:
    """A head made after the migration vouches for them: recomputing it finds the same."""
    with Market.open(f"sqlite:///{old_file}") as market, market._database.read() as session:
        head = chain.head(session)
        assert head.seq == 5
        with market._database.transaction() as connection:
            for trigger in ("transfer_no_update", "transfer_no_replace"):
                connection.exec_driver_sql(f"DROP TRIGGER {trigger}")
            assert backfill.chain_transfers(connection) == head.hash


@pytest.mark.parametrize("dialect", snapshot.DIALECTS)
def test_the_newest_snapshot_says_what_the_tables_say(dialect: str) -> None:
    """Else: add a revision, or, before a release, `python -m marketplace.migrations.snapshot`."""
    path = snapshot.path_of(schema.HEAD, dialect)
    assert path.read_text(encoding="utf-8") == snapshot.render(dialect)


def test_a_market_knows_every_table_class() -> None:
    """A module with tables that `marketplace.schema` does not import would be left out."""
    package = ROOT / "marketplace"
    declared = sum(
        path.read_text(encoding="utf-8").count("(MarketTable, table=True)")
        for path in package.rglob("*.py")
    )
    code = "from marketplace.schema import MarketTable; print(len(MarketTable.metadata.tables))"
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert int(found.stdout) == declared


def test_a_market_that_claims_to_be_older_is_not_rebuilt(tmp_path: Path) -> None:
    """Header and table agree, the tables do not: a migration would drop what it has no name for."""
    path = tmp_path / "market.db"
    Market.open(f"sqlite:///{path}").close()
    with sqlite3.connect(path) as raw:
        raw.execute("PRAGMA user_version = 1")
        raw.execute("UPDATE market_version SET version_num = '0001'")
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
    assert "market.db.schema-1.bak" in modes and set(modes.values()) == {0o600}
