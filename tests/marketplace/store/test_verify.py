"""Promises of marketplace.store.verify: whoever edits the file behind our back is found out."""

import sqlite3
from pathlib import Path

import pytest

from marketplace.ledger.book import Leg
from marketplace.ledger.chain import GENESIS, link, postings_text
from marketplace.ledger.ledger import Entry, post_many
from marketplace.market import Market
from tests.support.market import log_anew, make_market, publish_example, tamper


@pytest.fixture
def market_file(tmp_path: Path) -> Path:
    """A verified market with one sale: transfers 1 (fund Ada) and 2 (the sale)."""
    path = tmp_path / "market.db"
    with make_market(path, credits={"ada": 100, "bob": 0}) as market:
        publish_example(market, "bob", "sort")
        market.buy(buyer="ada", listing="sort", key="sale")
        assert market.verify() == []
    return path


def found(path: Path) -> str:
    """What the audit reports, as one text."""
    with Market.open(f"sqlite:///{path}", create=False) as market:
        return "\n".join(market.verify())


def rewrite_chain(path: Path) -> None:
    """Make every hash anew, as somebody would who has read our source."""
    place = sqlite3.connect(path)
    triggers = place.execute(
        "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'"
    ).fetchall()
    for name, _ in triggers:
        place.execute(f"DROP TRIGGER {name}")
    last = GENESIS
    rows = place.execute(
        "SELECT t.id, t.at, t.kind, t.memo, t.key, t.group_key, t.refers_to, t.expires_at,"
        " r.operation, r.body_hash FROM transfer t JOIN request r ON r.key = t.key ORDER BY t.id"
    ).fetchall()
    for *row, operation, hashed in rows:
        legs = place.execute(
            "SELECT account, amount_nanos, pending FROM posting WHERE transfer_id = ? ORDER BY id",
            (row[0],),
        ).fetchall()
        last = link(last, tuple(row), operation, hashed, postings_text(legs))
        place.execute("UPDATE transfer SET hash = ? WHERE id = ?", (last, row[0]))
    for _, sql in triggers:
        place.execute(sql)
    place.commit()
    place.close()


@pytest.mark.parametrize(
    ("statement", "report"),
    [
        ("UPDATE account SET balance_nanos = balance_nanos + 1 WHERE name='ada'", "postings sum"),
        ("UPDATE posting SET amount_nanos = amount_nanos + 1 WHERE id = 2", "sums to 1"),
        ("UPDATE posting SET amount_nanos = 0.5 WHERE id = 2", "no whole number"),
        ("UPDATE account SET balance_nanos = 'much' WHERE name='ada'", "no whole number"),
        (
            "UPDATE posting SET account = 'ada' WHERE account = 'platform'",
            "settlement 2: 'platform'",
        ),
        ("UPDATE account SET overdraft = 0", "may not go below 0"),
        ("DELETE FROM posting WHERE transfer_id = 2", "transfer 2 (sale) has 0 postings"),
        ("DELETE FROM purchase", "sale without a purchase"),
        ("DELETE FROM transfer WHERE id = 2", "refers to a missing transfer"),
        ("UPDATE purchase SET fee_nanos = fee_nanos - 1", "splits"),
        ("UPDATE purchase SET buyer = 'bob'", "does not agree with its settlement"),
        ("UPDATE price SET price_nanos = 10", "the price of its epoch was 10"),
        ("DELETE FROM account WHERE name = 'bob'", "refers to a missing account"),
        ("UPDATE transfer SET memo = 'a gift' WHERE id = 2", "transfer 2 does not fit the hash"),
        ("UPDATE transfer SET at = at + 1 WHERE id = 1", "transfer 1 does not fit the hash"),
        ("UPDATE transfer SET hash = '' WHERE id = 1", "transfer 2 does not fit the hash"),
        ("UPDATE request SET body = '{}' WHERE key = 'sale'", "request 'sale' of transfer 2"),
        ("UPDATE posting SET amount_nanos = 9 WHERE id = 4", "transfer 2 does not fit the hash"),
        ("UPDATE transfer SET id = 9 WHERE id = 2", "transfer 9 follows 1"),
        ("DELETE FROM transfer WHERE id = 1", "transfer 2 follows 0"),
        ("UPDATE posting SET pending = 1 WHERE transfer_id = 2", "which is no open hold"),
        ("UPDATE account SET held_nanos = 5 WHERE name = 'ada'", "has held, spent (5, 0)"),
        ("UPDATE account SET cap_nanos = 1 WHERE name = 'ada'", "its postings say (0, 1"),
        ("UPDATE account SET overdraft = 1 WHERE name = 'ada'", "which only 'world' may"),
        ("UPDATE account SET owner = 'bob' WHERE name = 'ada'", "its requests do not say"),
        ("UPDATE transfer SET body = '{}' WHERE id = 2", "carries a body beside"),
        ("UPDATE posting SET id = 9 WHERE id = 5", "posting 9 follows 4"),
        ("UPDATE posting SET previous_id = 1 WHERE id = 5", "names 1 as the one before"),
        ("UPDATE account SET last_posting_id = 1 WHERE name = 'bob'", "names 1 as its last"),
        ("INSERT INTO open_hold VALUES (2, 'ada', 5, 9.0)", "open hold 2 is"),
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
    report = found(market_file)
    assert "settlement 2: 'bob' received or paid 5 nano-credits other than" in report
    assert "transfer 2 does not fit the hash chain" in report


def test_a_rewritten_chain_is_betrayed_by_a_head_kept_elsewhere(market_file: Path) -> None:
    """With every hash made anew the file is consistent; only the signed head tells."""
    with Market.open(f"sqlite:///{market_file}", create=False) as market:
        head = market.head()
        assert market.verify(head=head) == []
    tamper(market_file, "UPDATE transfer SET memo = 'a gift' WHERE id = 2")
    rewrite_chain(market_file)
    assert "table transfer row 2: hash is" in found(market_file)
    log_anew(market_file)
    assert found(market_file) == ""
    with Market.open(f"sqlite:///{market_file}", create=False) as market:
        assert "history was rewritten" in "\n".join(market.verify(head=head))


def test_a_journal_cut_at_its_end_is_betrayed_by_a_head_kept_elsewhere(tmp_path: Path) -> None:
    """A chain without its last link is a good chain; the head kept elsewhere is longer."""
    path = tmp_path / "market.db"
    with make_market(path, credits={"ada": 1}) as market:
        market.fund("ada", 5, key="extra")
        head = market.head()
    tamper(
        path,
        "DELETE FROM event WHERE number = (SELECT max(number) FROM event)",
        "DELETE FROM request WHERE key = 'extra'",
        "DELETE FROM posting WHERE transfer_id = 2",
        "DELETE FROM transfer WHERE id = 2",
        "UPDATE account SET balance_nanos = balance_nanos - 5, last_posting_id = 2"
        " WHERE name = 'ada'",
        "UPDATE account SET balance_nanos = balance_nanos + 5, last_posting_id = 1"
        " WHERE name = 'world'",
    )
    assert found(path) == ""
    with Market.open(f"sqlite:///{path}", create=False) as market:
        assert market.verify(head=head) == [
            "the journal ends at transfer 1, the signed head is of 2: rows were cut off",
            "the log ends at event 3, the signed head is of 4: rows were cut off",
        ]


@pytest.mark.parametrize(
    ("statement", "report"),
    [
        ("UPDATE transfer SET expires_at = 2e6 WHERE id = 2", "before hold 2 expired"),
        ("UPDATE transfer SET refers_to = 1 WHERE kind = 'expire'", "which is no open hold"),
        ("DELETE FROM open_hold", "missing among the open holds"),
        ("UPDATE posting SET amount_nanos = amount_nanos * 2 WHERE transfer_id = 3", "hold 2 was"),
        ("UPDATE posting SET amount_nanos = amount_nanos * 2 WHERE transfer_id = 6", "move -"),
    ],
)
def test_tampering_with_holds_and_refunds_is_reported(
    tmp_path: Path, statement: str, report: str
) -> None:
    """Transfers: 1 fund, 2 hold that 3 expired, 4 an open hold, 5 a payment, 6 its refund."""
    path = tmp_path / "market.db"
    with make_market(path, credits={"ada": 1, "bob": 0}) as market:
        market.hold(payer="ada", amount_nanos=5, purpose="", expires_at=1_000_010.0, key="h1")
        for _ in range(10):
            market._now()
        assert market.sweep().expired == (2,)
        market.hold(payer="ada", amount_nanos=5, purpose="", expires_at=9e9, key="h2")
        with market._database.write() as session:
            entry = Entry("pay", "gift", "", (Leg("ada", -8), Leg("bob", 8)))
            post_many(session, [entry], at=2e6)
        market.refund(5, amount_nanos=6, key="back")
        assert market.verify() == []
    tamper(path, statement)
    assert report in found(path)


def test_a_removed_trigger_is_reported(market_file: Path) -> None:
    """Without its trigger a table is open to silent changes."""
    with sqlite3.connect(market_file) as raw:
        raw.execute("DROP TRIGGER posting_no_update")
    raw.close()
    assert "trigger posting_no_update is missing" in found(market_file)
