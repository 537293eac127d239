"""Promises of marketplace.store.move: another database, the same journal (L17)."""

from pathlib import Path

import pytest

from marketplace.database.sql import MarketTable
from marketplace.errors import MarketDamagedError, MarketFileError, MarketNotFoundError
from marketplace.ledger import chain
from marketplace.market import Market
from marketplace.store import schema
from marketplace.store.database import Database
from marketplace.store.move import move
from tests.support.market import make_market, publish_example


@pytest.fixture
def market_file(tmp_path: Path) -> str:
    """A market with sales, a refund-free history and an idle account."""
    path = tmp_path / "market.db"
    with make_market(path, credits={"ada": 100, "bob": 50, "eve": 0}) as market:
        publish_example(market, "bob", "sort")
        publish_example(market, "eve", "sum")
        market.buy(buyer="ada", listing="sort", key="ada-sort")
        market.close_epoch()
        market.buy(buyer="bob", listing="sum", key="bob-sum")
    return f"sqlite:///{path}"


def content(url: str) -> dict[str, list[tuple[object, ...]]]:
    """Every row of every table, in the order of its key."""
    database = Database(url, create=False, at=0.0)
    with database.read() as session:
        found = {
            name: [
                tuple(row)
                for row in session.connection().execute(
                    table.select().order_by(*table.primary_key.columns)
                )
            ]
            for name, table in MarketTable.metadata.tables.items()
        }
        assert schema.missing_triggers(session.connection()) == []
    database.close()
    return found


def test_sqlite_to_postgresql_and_back_keeps_every_row_and_the_head(
    market_file: str, postgres_url: str, tmp_path: Path
) -> None:
    """Byte for byte the same answers; whoever kept a signed head can go on using it."""
    before = content(market_file)
    head = move(market_file, postgres_url)
    assert head.seq == len(before["transfer"]) > 0
    assert content(postgres_url) == before
    back = f"sqlite:///{tmp_path / 'back.db'}"
    assert move(postgres_url, back) == head
    assert content(back) == before


def test_a_moved_market_goes_on(market_file: str, postgres_url: str) -> None:
    """New accounts, listings and sales get free numbers, and the audit finds nothing."""
    move(market_file, postgres_url)
    with Market.open(postgres_url, create=False) as market:
        market.open_account("zoe")
        market.fund("zoe", 90 * 10**9, key="fund-zoe")
        publish_example(market, "ada", "count")
        market.buy(buyer="zoe", listing="count", key="zoe-count")
        market.close_epoch()
        assert market.verify() == []
        assert market.owns("zoe", "digest-of-count")


def test_the_source_is_left_as_it_was(market_file: str, tmp_path: Path) -> None:
    """It is locked while it is copied, and not changed."""
    before = content(market_file)
    move(market_file, f"sqlite:///{tmp_path / 'copy.db'}")
    assert content(market_file) == before


def test_rows_follow_the_rows_they_name(market_file: str, postgres_url: str) -> None:
    """Mandates after their owners, refunds after the payment: PostgreSQL checks each row."""
    with Market.open(market_file) as market:
        market.open_mandate(owner="ada", name="shopper", cap_nanos=1000, key="m")
        market.fund_mandate("ada/shopper", 500, key="fm")
        hold = market.hold(payer="ada", amount_nanos=7, purpose="try", expires_at=2e9, key="h")
        market.void_hold(hold, key="v")
    before = content(market_file)
    assert any(row[6] is not None for row in before["transfer"])  # refers_to
    move(market_file, postgres_url)
    assert content(postgres_url) == before


def test_a_target_that_holds_something_is_refused(market_file: str, tmp_path: Path) -> None:
    """Two journals cannot be one."""
    other = f"sqlite:///{tmp_path / 'other.db'}"
    Market.open(other).close()
    before = content(other)
    with pytest.raises(MarketFileError, match="holds a market already: name an empty place"):
        move(market_file, other)
    assert content(other) == before


def test_a_missing_source_is_named(tmp_path: Path) -> None:
    """And no target appears."""
    with pytest.raises(MarketNotFoundError):
        move(f"sqlite:///{tmp_path / 'absent.db'}", f"sqlite:///{tmp_path / 'target.db'}")
    assert not (tmp_path / "target.db").exists()


def test_books_that_do_not_agree_are_not_moved(market_file: str, tmp_path: Path) -> None:
    """The target stays empty, so that the same move can be tried again after a repair."""
    database = Database(market_file, create=False, at=0.0)
    with database.write() as session:
        session.connection().exec_driver_sql(
            "UPDATE account SET balance_nanos = balance_nanos + 1 WHERE name = 'ada'"
        )
    database.close()
    target = f"sqlite:///{tmp_path / 'target.db'}"
    with pytest.raises(MarketDamagedError, match="the copy does not verify"):
        move(market_file, target)
    with pytest.raises(MarketNotFoundError, match="is empty"):
        Market.open(target, create=False)


def test_the_head_is_the_journals_end(market_file: str, tmp_path: Path) -> None:
    """What `move` returns is what both markets say themselves."""
    target = f"sqlite:///{tmp_path / 'target.db'}"
    head = move(market_file, target)
    for url in (market_file, target):
        database = Database(url, create=False, at=0.0)
        with database.read() as session:
            assert chain.head(session) == head
        database.close()
