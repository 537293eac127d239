"""Promises of marketplace.trade.meter."""

import pytest

from marketplace.errors import (
    AlreadyOwnedError,
    HoldClosedError,
    HoldExceededError,
    NotOfferedError,
    TradeNotFoundError,
)
from marketplace.market import Market
from marketplace.trade.meter import MeterView
from tests.support.trading import HandClock, balances, gains

LIMIT = 10**8


@pytest.fixture
def meter(market: Market) -> MeterView:
    """Ada's meter on 'sort', for up to a tenth of a credit."""
    return market.meter_open(account="ada", listing="sort", limit_nanos=LIMIT, days=7, key="open")


def test_readings_move_nothing_until_the_meter_is_closed(market: Market, meter: MeterView) -> None:
    """The limit is held, not paid; closing pays the exact units and frees the rest."""
    before = balances(market)
    market.meter_use(meter=meter.meter, units=1_000, key="one")
    market.meter_use(meter=meter.meter, units=400, key="two")
    assert balances(market) == before
    assert market.account("ada").held_nanos == LIMIT
    closed = market.meter_close(meter=meter.meter, key="close")
    due = -(-1_400 * meter.rate_nanos // 1_000)
    assert (closed.n_units, closed.due_nanos, closed.open) == (1_400, due, False)
    fee = -(-due // 10)
    assert gains(before, balances(market)) == {"ada": -due, "bob": due - fee, "platform": fee}
    assert market.account("ada").held_nanos == 0


def test_the_bill_cannot_pass_the_hold(market: Market, meter: MeterView) -> None:
    """The last unit that fits is accepted, the next refused, and the meter goes on."""
    fits = LIMIT * 1_000 // meter.rate_nanos
    with pytest.raises(HoldExceededError):
        market.meter_use(meter=meter.meter, units=fits + 1, key="much")
    assert market.meter_use(meter=meter.meter, units=fits, key="all").due_nanos <= LIMIT
    assert market.meter_close(meter=meter.meter, key="close").n_units == fits


def test_the_same_reading_counts_once(market: Market, meter: MeterView) -> None:
    """A repeated key adds no units."""
    market.meter_use(meter=meter.meter, units=5, key="one")
    again = market.meter_use(meter=meter.meter, units=5, key="one")
    assert (again.replayed, again.n_units) == (True, 5)


def test_an_unused_meter_costs_nothing(market: Market, meter: MeterView) -> None:
    """Closing without a reading releases everything."""
    before = balances(market)
    market.meter_close(meter=meter.meter, key="close")
    assert balances(market) == before
    assert market.account("ada").held_nanos == 0


def test_a_meter_is_closed_once(market: Market, meter: MeterView) -> None:
    """The same key repeats the answer, another key finds it closed, readings too."""
    market.meter_use(meter=meter.meter, units=5, key="one")
    market.meter_close(meter=meter.meter, key="close")
    before = balances(market)
    assert market.meter_close(meter=meter.meter, key="close").replayed
    with pytest.raises(HoldClosedError):
        market.meter_close(meter=meter.meter, key="other")
    with pytest.raises(NotOfferedError):
        market.meter_use(meter=meter.meter, units=1, key="late")
    assert balances(market) == before


def test_one_meter_per_listing_and_none_on_what_is_owned(market: Market, meter: MeterView) -> None:
    """Two meters would split one use in two bills."""
    assert market.may_use("ada", "digest-of-sort")
    with pytest.raises(NotOfferedError, match="running"):
        market.meter_open(account="ada", listing="sort", limit_nanos=LIMIT, days=1, key="two")
    market.buy(buyer="eve", listing="sort", key="sale")
    with pytest.raises(AlreadyOwnedError):
        market.meter_open(account="eve", listing="sort", limit_nanos=LIMIT, days=1, key="own")


def test_a_rate_is_fixed_when_the_meter_is_opened(market: Market, meter: MeterView) -> None:
    """New terms do not change the bill of a running meter."""
    market.set_terms(owner="bob", listing="sort", use_parts=1_000_000, key="dear")
    read = market.meter_use(meter=meter.meter, units=1_000, key="one")
    assert read.due_nanos == meter.rate_nanos


def test_a_forgotten_meter_is_settled(market: Market, meter: MeterView, clock: HandClock) -> None:
    """Past its days it takes no readings; the sweep pays the seller and frees the rest, once."""
    market.meter_use(meter=meter.meter, units=1_000, key="one")
    clock.pass_days(8)
    with pytest.raises(NotOfferedError):
        market.meter_use(meter=meter.meter, units=1, key="late")
    before = balances(market)
    assert market.sweep().meters == (meter.meter,)
    assert gains(before, balances(market))["ada"] == -meter.rate_nanos
    assert market.account("ada").held_nanos == 0
    assert market.sweep().meters == ()


def test_a_meter_that_is_not_there(market: Market) -> None:
    """The number of some other transfer is no meter."""
    with pytest.raises(TradeNotFoundError):
        market.meter_use(meter=1, units=1, key="k")
