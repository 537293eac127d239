"""Promises of marketplace.database.bulk, kept on both databases through the ledger above it."""

from collections.abc import Iterator

import pytest
from sqlalchemy import inspect

from marketplace.database import bulk
from marketplace.database.sql import MarketTable
from marketplace.ledger.book import Leg
from marketplace.ledger.ledger import Entry, Posted, post_many
from marketplace.market import Market
from tests.support.market import TickingClock

TRICKY = "'; -- %s ? \u00fc\u6f22\U0001f389 {}"
"""Printable text that a careless statement would stumble over."""


@pytest.fixture
def market(market_url: str) -> Iterator[Market]:
    """Ada and 20 others on either database; Ada has 2^62 nano-credits as transfer 1."""
    with Market.open(market_url, clock=TickingClock()) as market:
        for name in ("ada", *(f"user-{number}" for number in range(20))):
            market.open_account(name)
        market.fund("ada", 2**62, key="fund")
        yield market


def charges(n: int) -> list[Entry]:
    """Payments by Ada to everybody in turn, with two legs and a tricky text."""
    return [
        Entry(f"{TRICKY}{i}", "use", TRICKY, (Leg("ada", -i - 1), Leg(f"user-{i % 20}", i + 1)))
        for i in range(n)
    ]


def test_both_databases_keep_the_same_books(market: Market) -> None:
    """A bulk of entries, its repeat, a hold, a refund and a mandate: verified, and as computed."""
    with market._database.write() as session:
        assert post_many(session, charges(100), at=5.0) == [Posted(i + 2, 5.0) for i in range(100)]
        again = post_many(session, charges(101), at=6.0)
        assert [answer.replayed for answer in again if isinstance(answer, Posted)][:100] == [
            True
        ] * 100
    hold = market.hold(payer="ada", amount_nanos=7, purpose=TRICKY, expires_at=9e9, key="h")
    market.void_hold(hold, key="v")
    market.refund(2, key="r")
    market.open_mandate(owner="ada", name="agent", cap_nanos=5, key="m")
    market.fund_mandate("ada/agent", 5, key="f")
    head = market.head()
    assert head.seq == 1 + 101 + 2 + 1 + 1
    assert market.verify(head) == []
    assert market.account("ada").balance_nanos == 2**62 - sum(range(2, 102)) - 5
    lines = market.postings("ada")
    assert lines[-1].balance_after_nanos == market.account("ada").balance_nanos
    assert {line.memo for line in lines if line.kind == "use"} == {TRICKY}


def test_the_same_entries_have_the_same_hashes_everywhere(market: Market) -> None:
    """Known from the first run: the canonical form depends on no database, and stays as it is."""
    with market._database.write() as session:
        post_many(session, charges(3), at=1.0 / 3)
    with market._database.read() as session:
        assert bulk.last_transfer(session.connection()) == (4, KNOWN_HASH, 1.0 / 3)


def test_rows_come_in_the_order_of_the_columns(market: Market) -> None:
    """The ledger writes tuples: a column moved in the class must not move values in the table."""
    names = {
        table: " ".join(column.name for column in MarketTable.metadata.tables[table].columns)
        for table in ("transfer", "posting")
    }
    assert names == {
        "transfer": "id at kind memo key group_key refers_to expires_at body_hash body hash",
        "posting": "id transfer_id account amount_nanos pending previous_id",
    }
    with market._database.read() as session:
        stored = inspect(session.connection()).get_columns("transfer")
    assert {column["name"] for column in stored} == set(names["transfer"].split())


KNOWN_HASH = "285749661f3811ba144e90405d160de54eb00454aba072551f4dd4b2d9e5b805"
