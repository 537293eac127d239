"""Promises of marketplace.trade.verify_trades: what disagrees is found, and said in one line."""

import sqlite3
from pathlib import Path

import pytest

from marketplace.market import Market
from marketplace.trade import verify_trades
from tests.support.trading import HandClock, open_bazaar, put_up


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A market that has seen a sale, a fork's rent, a charge, a passed trial and a paid bounty."""
    path = tmp_path / "market.db"
    with open_bazaar(f"sqlite:///{path}", clock=HandClock()) as market:
        put_up(market, "bob", "sort")
        put_up(market, "tom", "sort2", parents=["sort"])
        market.buy(buyer="ada", listing="sort", key="sale")
        market.rent(renter="ada", listing="sort2", days=1, key="rent")
        market.charge(account="eve", listing="sort2", units=10, key="use")
        meter = market.meter_open(account="eve", listing="sort", limit_nanos=10**9, days=1, key="m")
        market.meter_use(meter=meter.meter, units=10, key="read")
        market.meter_close(meter=meter.meter, key="close")
        trial = market.trial_open(
            buyer="eve", listing="sort2", challenge_digest="d", n_questions=9, min_gain=1, key="t"
        )
        market.trial_settle(trial=trial.trial, n_correct=5, n_base_correct=1, key="passed")
        bounty = market.bounty_post(
            sponsor="eve",
            skill="sorting",
            base_model="tiny-llama",
            exam="standard",
            min_questions=5,
            min_accuracy_parts=500_000,
            reward_nanos=10**9,
            days=5,
            key="bounty",
        )
        (receipt,) = market.receipts("sort")
        market.rent(renter="eve", listing="sort", days=1, key="rent-to-examine")
        market.recheck(
            receipt=receipt.id,
            by="eve",
            n_correct=80,
            n_base_correct=30,
            seed=7,
            questions_digest="f" * 64,
            key="exam",
        )
        market.bounty_claim(bounty=bounty.bounty, listing="sort", by="bob", key="claim")
    return path


def tamper(path: Path, *statements: str) -> list[str]:
    """What the audit says after somebody changed the file past its triggers."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA ignore_check_constraints = ON")
    names = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'").fetchall()
    for (name,) in names:
        connection.execute(f"DROP TRIGGER {name}")
    for statement in statements:
        assert connection.execute(statement).rowcount > 0, statement
    connection.close()
    with Market.open(f"sqlite:///{path}", create=False) as market, market._read() as session:
        return verify_trades.problems(session)


def test_an_honest_market_has_no_problems(file: Path) -> None:
    """The fixture itself is clean."""
    with Market.open(f"sqlite:///{file}", create=False) as market:
        assert market.verify() == []


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("UPDATE settlement SET gross_nanos = gross_nanos + 10 WHERE way = 'rent'", "'ada' rec"),
        ("UPDATE settlement SET fee_nanos = fee_nanos - 1 WHERE way = 'rent'", "the fee is"),
        ("UPDATE settlement SET payer = 'eve' WHERE way = 'sale' AND payer = 'ada'", "other than"),
        ("UPDATE settlement SET way = 'usage' WHERE way = 'rent'", "is a usage, its transfer a"),
        ("DELETE FROM settlement WHERE way = 'rent'", "rent without a settlement"),
        ("UPDATE income SET account = 'eve' WHERE role = 'seller'", "belongs to 'bob'"),
        ("UPDATE income SET amount_nanos = amount_nanos + 1 WHERE role = 'royalty'", "incomes are"),
        ("UPDATE income SET role = 'royalty' WHERE role = 'seller'", "less than 80 %"),
        ("DELETE FROM income WHERE role = 'royalty'", "incomes are"),
        ("UPDATE purchase SET buyer = 'zoe' WHERE buyer = 'ada'", "does not agree with its sett"),
        ("UPDATE purchase SET price_nanos = price_nanos + 1 WHERE buyer = 'ada'", "its epoch was"),
        ("DELETE FROM purchase WHERE buyer = 'ada'", "sale without a purchase"),
        ("DELETE FROM rental", "is a rent that left no row"),
        ("DELETE FROM usage", "is a usage that left no row"),
        ("UPDATE usage SET amount_nanos = 0", "its payment was"),
        ("UPDATE meter_reading SET units = units + 1", "its readings add up to 11"),
        ("UPDATE trial_result SET n_correct = 1", "does not support"),
        ("UPDATE trial_result SET passed = 0", "decided as failed"),
        ("UPDATE bounty_award SET n_correct = 3", "below its mark"),
        ("DELETE FROM bounty_award", "without an award"),
        (
            "INSERT INTO sale_return SELECT transfer_id, transfer_id, 'x', 0 FROM purchase",
            "which is no refund of it",
        ),
    ],
)
def test_every_disagreement_is_found(file: Path, statement: str, words: str) -> None:
    """Each finding is one line that names what does not agree."""
    findings = tamper(file, statement)
    assert any(words in finding for finding in findings), findings
    assert all("\n" not in finding for finding in findings)


def test_a_refund_past_the_rules_is_found(file: Path) -> None:
    """Money went back, but the buyer still owns the layer."""
    findings = tamper(
        file,
        "INSERT INTO request (key, operation, body, at, body_hash) VALUES ('x', 'r', '', 0, '')",
        "INSERT INTO transfer (id, at, kind, memo, key, refers_to) SELECT 1 + max(id), 0, 'refund',"
        " '', 'x', (SELECT transfer_id FROM purchase WHERE buyer = 'ada') FROM transfer",
    )
    assert any("what it bought has not ended" in finding for finding in findings), findings


def test_a_long_list_is_cut_and_says_so(tmp_path: Path) -> None:
    """Twenty findings of a kind, then one line for the others."""
    path = tmp_path / "market.db"
    with open_bazaar(f"sqlite:///{path}", clock=HandClock()) as market:
        put_up(market, "bob", "sort")
        for number in range(30):
            market.charge(account="ada", listing="sort", units=1, key=f"u{number}")
    findings = tamper(path, "DELETE FROM usage")
    assert len(findings) == verify_trades.SHOWN + 1
    assert findings[-1].startswith("and more of the kind")


@pytest.fixture
def owing(tmp_path: Path) -> Path:
    """Bob has spent what he must give back to Ada, and has paid a part of it."""
    path = tmp_path / "owing.db"
    with open_bazaar(f"sqlite:///{path}") as market:
        put_up(market, "bob", "sort")
        put_up(market, "tom", "dear", ask_nanos=9 * 10**8)
        market.buy(buyer="ada", listing="sort", key="sale")
        market.buy(buyer="bob", listing="dear", key="spend")
        market.revoke(listing="sort", by="platform", reason="stolen", key="revoke")
        assert market.verify() == [] and len(market.owed()) == 1
    return path


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("UPDATE debt SET amount_nanos = amount_nanos + 1", "'bob' is said to owe"),
        ("UPDATE debt SET debtor = 'tom'", "'tom' is said to owe"),
        ("DELETE FROM debt", "what it bought has not ended"),
        (
            "INSERT INTO sale_return SELECT refers_to, id, 'x', 0 FROM transfer"
            " WHERE kind = 'refund'",
            "of it are not given back, and what it bought has ended",
        ),
    ],
)
def test_paid_and_owed_are_what_was_claimed(owing: Path, statement: str, words: str) -> None:
    """A debt that was forgotten, moved to somebody else or declared paid is found."""
    findings = tamper(owing, statement)
    assert any(words in finding for finding in findings), findings
