"""Promises of marketplace.ledger.event_log: what is added is logged, with it or not at all."""

import json
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import Session

from marketplace.database import bulk
from marketplace.database.sql import table_of
from marketplace.errors import MarketError
from marketplace.ledger import event_log
from marketplace.ledger.ledger import linked
from marketplace.listing.listing import Evaluator
from marketplace.market import Market
from marketplace.price.known import AccountTrust
from marketplace.receipt import ReceiptFacts
from marketplace.store.move import move
from tests.support.market import example_weights, make_market, publish_example

TEXT = "größer, ≥ 3 \U0001f600 'quoted' \\ \"twice\" 100 %"


def appoint(session: Session, account: str) -> None:
    """One logged row."""
    session.add(Evaluator(account=account, appointed_at=1.0))
    session.flush()


def events(market: Market) -> list[dict[str, Any]]:
    """What every event holds."""
    with market._read() as session:
        rows = session.connection().exec_driver_sql("SELECT changes FROM event ORDER BY number")
        return [json.loads(changes) for (changes,) in rows]


def evaluators(market: Market) -> list[str]:
    """Accounts whose appointment is logged."""
    return [row[0] for one in events(market) for row in one.get("evaluator", [])]


@pytest.fixture
def market() -> Market:
    """A market with four accounts."""
    return make_market(credits=dict.fromkeys(("ada", "bob", "cyd", "dan"), 1))


def test_a_refused_work_leaves_no_event(market: Market) -> None:
    """Neither alone nor beside others in one commit."""
    before = events(market)

    def refused(session: Session) -> None:
        appoint(session, "ada")
        raise MarketError("no")

    with pytest.raises(MarketError):
        market._change(refused)
    assert events(market) == before
    assert market.verify() == []


def test_what_a_savepoint_takes_back_is_not_logged(market: Market) -> None:
    """Objects and bulk rows, in savepoints one in another; the rows around them stay."""
    trust = table_of(AccountTrust)

    def work(session: Session) -> None:
        appoint(session, "ada")
        for fails in (False, True):
            try:
                with linked(session):
                    appoint(session, "cyd" if fails else "bob")
                    bulk.insert(session.connection(), trust, [("bob" if fails else "ada", 0, 0.25)])
                    with linked(session):
                        appoint(session, "dan" if fails else "platform")
                    if fails:
                        raise MarketError("no")
            except MarketError:
                assert fails

    market._change(work)
    assert evaluators(market) == ["ada", "bob", "platform"]
    assert events(market)[-1]["account_trust"] == [["ada", 0, 0.25]]
    assert market.verify() == []


def test_one_commit_writes_few_events_however_many_rows(market: Market) -> None:
    """And none for transfers alone, which have a chain of their own."""
    n_before = len(events(market))
    rows = [(name, epoch, 0.5) for epoch in range(300) for name in ("ada", "bob", "cyd", "dan")]
    epochs = [(epoch, 1.0) for epoch in range(1, 300)]

    def work(session: Session) -> None:
        bulk.insert(session.connection(), event_log.MarketTable.metadata.tables["epoch"], epochs)
        bulk.insert(session.connection(), table_of(AccountTrust), rows)

    market._change(work)
    new = events(market)[n_before:]
    sizes = [sum(len(images) for name, images in one.items() if name != "transfer") for one in new]
    assert sizes == [500, 500, 499]
    assert market.verify() == []
    market._change(lambda session: None)
    assert len(events(market)) == n_before + 3


def test_every_event_names_the_journals_end(market: Market) -> None:
    """So that neither chain can be exchanged for another one's."""
    market._change(lambda session: appoint(session, "ada"))
    head = market.head()
    assert events(market)[-1]["transfer"] == [[head.seq, head.hash]]


def test_balances_are_no_part_of_the_log(market: Market) -> None:
    """They follow from the journal and change with it."""
    (image,) = events(market)[1]["account"]
    assert image == ["ada", False, image[2], None, None]


def test_every_kind_of_value_is_found_again_after_a_move(market_url: str, tmp_path: Path) -> None:
    """Bytes, floats, flags, big numbers and any text, on both databases; the head stays."""
    digest = "f" * 64
    with Market.open(market_url) as market:
        market.open_account("ada")
        market.publish(
            owner="ada",
            name="sort",
            digest=digest,
            base_model="tiny",
            niche="sorting",
            ask_nanos=2**53 + 1,
            weights=example_weights(),
            description=TEXT,
            receipt=ReceiptFacts("sorting", 100, 80, 30),
            key="publish",
        )
        market.close_epoch()
        with market._database.write() as session:
            small = [("ada", 0, 5e-324), ("platform", 0, 0.1 + 0.2), ("world", 0, 1e300)]
            bulk.insert(session.connection(), table_of(AccountTrust), small)
        assert market.verify() == []
        head = market.head()
    there = f"sqlite:///{tmp_path / 'there.db'}"
    assert move(market_url, there) == head
    with Market.open(there, create=False) as moved:
        assert moved.head() == head and moved.verify(head) == []


def test_an_event_is_lost_with_its_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When it cannot be written, its rows are not either."""
    with make_market(tmp_path / "market.db", credits={"ada": 1}) as market:
        before = market.head()

        def full(*_: object) -> None:
            raise OSError("disk full")

        with monkeypatch.context() as patched:
            patched.setattr(event_log, "write", full)
            with pytest.raises(OSError, match="disk full"):
                publish_example(market, "ada", "sort")
        assert market.head() == before and market.listings() == []
        assert market.verify() == []
