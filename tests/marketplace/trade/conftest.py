"""A bazaar with one layer for sale, and a clock that is set by hand."""

from collections.abc import Iterator

import pytest

from marketplace.market import Market
from marketplace.trade import verify_trades
from tests.support.trading import HandClock, open_bazaar, put_up


@pytest.fixture
def clock() -> HandClock:
    """The market's time."""
    return HandClock()


@pytest.fixture
def market(clock: HandClock) -> Iterator[Market]:
    """Ada and Eve can pay, Bob sells 'sort'; whatever a test does, trades agree with postings."""
    with open_bazaar(clock=clock) as market:
        put_up(market, "bob", "sort")
        yield market
        with market._read() as session:
            assert verify_trades.problems(session) == []
