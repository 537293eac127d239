"""Promises of marketplace.verify: whoever edits the file behind our back is found out."""

import sqlite3
from pathlib import Path

import pytest

from marketplace.market import Market
from marketplace.testing import make_market, publish_example


@pytest.fixture
def market_file(tmp_path: Path) -> Path:
    """A verified market with one sale: transfers 1 (fund Ada) and 2 (the sale)."""
    path = tmp_path / "market.db"
    with make_market(path, credits={"ada": 100, "bob": 0}) as market:
        publish_example(market, "bob", "sort")
        market.buy(buyer="ada", listing="sort", key="sale")
        assert market.verify() == []
    return path


def tamper(path: Path, *statements: str) -> None:
    """Run statements as an intruder would: triggers dropped, foreign keys off, then put back."""
    raw = sqlite3.connect(path)
    triggers = raw.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'").fetchall()
    for name, _ in triggers:
        raw.execute(f"DROP TRIGGER {name}")
    raw.execute("PRAGMA ignore_check_constraints = ON")
    for statement in statements:
        raw.execute(statement)
    for _, sql in triggers:
        raw.execute(sql)
    raw.commit()
    raw.close()


def found(path: Path) -> str:
    """What the audit reports, as one text."""
    with Market.open(f"sqlite:///{path}", create=False) as market:
        return "\n".join(market.verify())


@pytest.mark.parametrize(
    ("statement", "report"),
    [
        ("UPDATE account SET balance_nanos = balance_nanos + 1 WHERE name='ada'", "postings sum"),
        ("UPDATE posting SET amount_nanos = amount_nanos + 1 WHERE id = 2", "sums to 1"),
        ("UPDATE posting SET amount_nanos = 0.5 WHERE id = 2", "no whole number"),
        ("UPDATE account SET balance_nanos = 'much' WHERE name='ada'", "no whole number"),
        ("UPDATE posting SET account = 'ada' WHERE account = 'platform'", "purchase 2 says"),
        ("UPDATE account SET overdraft = 0", "may not go below 0"),
        ("DELETE FROM posting WHERE transfer_id = 2", "transfer 2 (sale) has 0 postings"),
        ("DELETE FROM purchase", "sale without a purchase"),
        ("DELETE FROM transfer WHERE id = 2", "refers to a missing transfer"),
        ("UPDATE purchase SET fee_nanos = fee_nanos - 1", "splits"),
        ("UPDATE purchase SET buyer = 'bob'", "purchase 2 says"),
        ("UPDATE price SET price_nanos = 10", "the price of its epoch was 10"),
        ("DELETE FROM account WHERE name = 'bob'", "refers to a missing account"),
    ],
)
def test_tampering_is_reported(market_file: Path, statement: str, report: str) -> None:
    """Whichever row is changed or removed, a line says which numbers disagree."""
    tamper(market_file, statement)
    assert report in found(market_file)


def test_a_consistent_forgery_of_one_transfer_is_reported(market_file: Path) -> None:
    """Postings and balances changed together still disagree with the purchase."""
    tamper(
        market_file,
        "UPDATE posting SET amount_nanos = amount_nanos + 5 WHERE account='ada' AND transfer_id=2",
        "UPDATE posting SET amount_nanos = amount_nanos - 5 WHERE account='bob' AND transfer_id=2",
        "UPDATE account SET balance_nanos = balance_nanos + 5 WHERE name='ada'",
        "UPDATE account SET balance_nanos = balance_nanos - 5 WHERE name='bob'",
    )
    assert "purchase 2 says" in found(market_file)


def test_a_removed_trigger_is_reported(market_file: Path) -> None:
    """Without its trigger a table is open to silent changes."""
    with sqlite3.connect(market_file) as raw:
        raw.execute("DROP TRIGGER posting_no_update")
    raw.close()
    assert "trigger posting_no_update is missing" in found(market_file)
