"""Promises of marketplace.store.verify: verify notices changed tables, triggers, versions."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from marketplace.database.place import find_place
from marketplace.market import Market
from marketplace.store.database import backend_of
from tests.support.market import make_market

SNEAKY = (
    "CREATE TRIGGER sneaky AFTER INSERT ON search_miss"
    " BEGIN INSERT INTO evaluator VALUES ('eve', 1.0); END"
)
LOOSER = (
    "PRAGMA writable_schema = ON",
    "UPDATE sqlite_schema SET sql = replace(sql, 'CHECK (price_nanos > 0)', 'CHECK (1)')"
    " WHERE name = 'price'",
)


@pytest.mark.parametrize(
    ("statements", "report"),
    [
        (("ALTER TABLE listing ADD COLUMN note VARCHAR",), "listing was altered"),
        (("ALTER TABLE review DROP COLUMN text",), "review was altered"),
        (("DROP TABLE search_miss",), "search_miss is missing"),
        (("CREATE TABLE other (id INTEGER)",), "other is none of a market"),
        (("CREATE VIEW other AS SELECT 1",), "other is none of a market"),
        (("DROP INDEX transfer_refers_to",), "transfer_refers_to is missing"),
        (LOOSER, "price was altered"),
        (("DROP TABLE market_version",), "market_version is missing"),
        (("UPDATE market_version SET version_num = '0003'",), "0003 in its table"),
        (("DELETE FROM market_version",), "nothing in its table"),
        (("PRAGMA user_version = 3",), "0003 in its header"),
        ((SNEAKY,), "trigger sneaky is none of a market"),
    ],
)
def test_an_altered_file_is_reported(
    tmp_path: Path, statements: tuple[str, ...], report: str
) -> None:
    """A line names what was altered; it is never an error."""
    path = tmp_path / "market.db"
    with make_market(path, credits={"ada": 1}) as market:
        assert market.verify() == []
        with closing(sqlite3.connect(path, isolation_level=None)) as raw:
            for statement in statements:
                raw.execute(statement)
        found = market.verify()
        assert report in "\n".join(found) and not any("\n" in line for line in found)


@pytest.mark.parametrize(
    ("statement", "report"),
    [
        ("ALTER TABLE listing ADD COLUMN note VARCHAR", "remove_column"),
        ("ALTER TABLE review DROP COLUMN text", "add_column"),
        ("ALTER TABLE review ALTER COLUMN n_good TYPE double precision", "modify_type"),
        ("ALTER TABLE review ALTER COLUMN text DROP NOT NULL", "modify_nullable"),
        ("DROP INDEX transfer_refers_to", "add_index"),
        ("ALTER TABLE price DROP CONSTRAINT nothing_is_free", "constraint nothing_is_free"),
        (
            "ALTER TABLE price DROP CONSTRAINT nothing_is_free,"
            " ADD CONSTRAINT nothing_is_free CHECK (price_nanos > -5)",
            "constraint nothing_is_free",
        ),
        ("UPDATE market_version SET version_num = '0003'", "says it is of 0003"),
        (
            "CREATE TRIGGER sneaky BEFORE INSERT ON review FOR EACH ROW"
            " EXECUTE FUNCTION market_keep_rows()",
            "trigger sneaky is none of a market",
        ),
    ],
)
def test_an_altered_server_is_reported(postgres_url: str, statement: str, report: str) -> None:
    """The same on PostgreSQL."""
    with Market.open(postgres_url) as market:
        assert market.verify() == []
        backend = backend_of(find_place(postgres_url), 10)
        with backend.writer.begin() as connection:
            connection.exec_driver_sql(statement)
        backend.dispose()
        assert report in "\n".join(market.verify())
