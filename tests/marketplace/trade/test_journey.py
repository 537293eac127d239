"""Every way of paying on every database: the books and the trades agree afterwards."""

from collections.abc import Iterator

import pytest

from marketplace.market import Market
from tests.support.trading import (
    HandClock,
    balances,
    gains,
    open_bazaar,
    put_up,
    trade_in_every_way,
)


@pytest.fixture
def town(market_url: str, clock: HandClock) -> Iterator[Market]:
    """A bazaar on SQLite and on PostgreSQL, with a line of three layers by three people."""
    with open_bazaar(market_url, clock=clock) as market:
        put_up(market, "bob", "sort")
        put_up(market, "tom", "sort2", parents=["sort"])
        put_up(market, "zoe", "sort3", parents=["sort2"])
        yield market


def test_all_ways_of_paying_agree_with_the_postings(town: Market, clock: HandClock) -> None:
    """No credit appears or is lost, every ancestor earned, and the audit finds nothing."""
    before = balances(town)
    trade_in_every_way(town, clock)
    after = balances(town)
    assert sum(gains(before, after).values()) == 0
    assert town.verify() == []
    assert {income.way for income in town.incomes("bob")} == {
        "sale",
        "rent",
        "meter",
        "usage",
        "subscription",
        "bounty",
    }
    royalties = [income for income in town.incomes("bob") if income.role == "royalty"]
    assert {income.listing for income in royalties} == {"sort2", "sort3"}
    earned = sum(income.amount_nanos for income in town.incomes("bob"))
    assert after["bob"] - before["bob"] == earned
    assert sum(one.weight for one in town.demand()) == pytest.approx(1.0)
    assert all(account.held_nanos == 0 for account in town.accounts())
