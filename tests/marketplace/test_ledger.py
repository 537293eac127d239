"""Promises of marketplace.ledger and of the triggers around it."""

import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import BigInteger

from marketplace.errors import AmountError, InsufficientCreditsError
from marketplace.idempotency import claim
from marketplace.ledger import record_transfer
from marketplace.market import Market
from marketplace.money import INT64_MAX
from marketplace.repository import account
from marketplace.schema import APPEND_ONLY
from marketplace.tables import MarketTable
from marketplace.testing import make_market, publish_example


@pytest.fixture
def market_file(tmp_path: Path) -> Path:
    """A market with a sale in it, so that no table is empty."""
    path = tmp_path / "market.db"
    with make_market(path, credits={"ada": 100, "bob": 0}) as market:
        publish_example(market, "bob", "sort")
        market.buy(buyer="ada", listing="sort", key="sale")
    return path


def test_every_amount_has_a_64_bit_column() -> None:
    """A plain int field becomes 32 bits on PostgreSQL: 2.1 credits and the ledger overflows."""
    columns = [
        column
        for table in MarketTable.metadata.tables.values()
        for column in table.columns
        if column.name.endswith("_nanos")
    ]
    assert len(columns) >= 7
    assert all(isinstance(column.type, BigInteger) for column in columns)


@pytest.mark.parametrize("table", [model.__tablename__ for model in APPEND_ONLY])
def test_history_refuses_update_delete_and_replace(market_file: Path, table: str) -> None:
    """Also from another program that opened the file with SQLite's defaults."""
    with sqlite3.connect(market_file) as raw:
        column = raw.execute(f"SELECT name FROM pragma_table_info('{table}')").fetchone()[0]
        for statement in (
            f"UPDATE {table} SET {column} = {column}",
            f"DELETE FROM {table}",
            f"INSERT OR REPLACE INTO {table} SELECT * FROM {table}",
        ):
            with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                raw.execute(statement)
    raw.close()


def test_of_an_account_only_the_balance_can_change(market_file: Path) -> None:
    """Nobody grants himself an overdraft or disappears with a debt."""
    with sqlite3.connect(market_file) as raw:
        for statement in (
            "UPDATE account SET overdraft = 1",
            "UPDATE account SET name = 'eve' WHERE name = 'ada'",
            "DELETE FROM account",
        ):
            with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                raw.execute(statement)
        with pytest.raises(sqlite3.IntegrityError, match="only_overdraft_goes_below_zero"):
            raw.execute("UPDATE account SET balance_nanos = -1 WHERE name = 'ada'")
    raw.close()


def test_only_overdraft_accounts_go_below_zero() -> None:
    """The transfer is refused as a whole and the message says what is there and what to do."""
    market = make_market(credits={"ada": 1, "bob": 0})

    def give(amount: int) -> None:
        with market._database.write() as session:
            claim(session, key="gift", operation="gift", body={}, at=0.0)
            legs = [(account(session, "bob"), amount), (account(session, "ada"), -amount)]
            record_transfer(session, at=0.0, kind="gift", memo="", key="gift", legs=legs)

    with pytest.raises(InsufficientCreditsError, match=r"'ada' has 1 credit .*market fund"):
        give(10**9 + 1)
    assert market.account("bob").balance_nanos == 0
    assert market.verify() == []


def test_credits_never_pass_64_bits() -> None:
    """Issuing the last possible nano-credit works, one more is refused, nothing wraps around."""
    market: Market = make_market(credits={"ada": 0, "bob": 0})
    market.fund("ada", INT64_MAX, key="all")
    with pytest.raises(AmountError, match="64-bit limit"):
        market.fund("bob", 1, key="one-more")
    assert market.account("ada").balance_nanos == INT64_MAX
    assert market.verify() == []


def test_a_statement_shows_each_movement_and_the_balance_after_it() -> None:
    """The last line's balance is the account's balance."""
    market = make_market(credits={"ada": 100, "bob": 0})
    publish_example(market, "bob", "sort")
    sale = market.buy(buyer="ada", listing="sort", key="sale")
    fund, bought = market.postings("ada")
    assert (fund.kind, fund.balance_after_nanos) == ("fund", 100 * 10**9)
    assert (bought.kind, bought.amount_nanos) == ("sale", -sale.price_nanos)
    assert bought.balance_after_nanos == market.account("ada").balance_nanos
