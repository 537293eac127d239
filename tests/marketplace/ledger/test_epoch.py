"""Promises of marketplace.ledger.epoch and of closing one."""

from marketplace.formula.price import Demand, next_demand, target_nanos
from marketplace.market import Market
from tests.support.market import make_market, publish_example
from tests.support.trading import purchases


def market_with_buyers(n_buyers: int) -> Market:
    """Bob's 'sort' and 'rhyme'; everyone buys 'sort', and the operator vouches for everyone."""
    names = [f"buyer-{number}" for number in range(n_buyers)]
    market = make_market(credits={"bob": 0} | dict.fromkeys(names, 100))
    publish_example(market, "bob", "sort")
    publish_example(market, "bob", "rhyme")
    for name in names:
        market.buy(buyer=name, listing="sort", key=name)
        market.vouch(name, key=f"vouch-{name}")
    return market


def test_prices_stand_still_within_an_epoch() -> None:
    """However much is bought, the quote holds until the epoch closes."""
    market = market_with_buyers(3)
    assert market.quote("sort").price_nanos == market.quote("rhyme").price_nanos


def test_closing_an_epoch_moves_each_price_by_its_own_buyers() -> None:
    """Three buyers raise the price by the formula; without buyers it stays where it was."""
    market = market_with_buyers(3)
    before = market.listing("sort")
    market.close_epoch()
    trusted = sum(market.trust(f"buyer-{number}") for number in range(3))
    demand = next_demand(Demand(), trusted)
    expected = target_nanos(before.ask_nanos, before.reputation, demand.log_premium)
    assert market.listing("sort").price_nanos == expected > before.price_nanos
    assert market.listing("rhyme").price_nanos == before.price_nanos
    assert "more buyers than usual" in "\n".join(market.quote("sort").lines)


def test_history_has_a_point_per_epoch_since_publication() -> None:
    """Each point is the price that applied in the epoch and the sales made at it."""
    market = market_with_buyers(2)
    market.close_epoch()
    market.close_epoch()
    publish_example(market, "bob", "late")
    points = market.price_history("sort")
    assert [(point.epoch, point.sales) for point in points] == [(0, 2), (1, 0), (2, 0)]
    assert points[0].price_nanos < points[1].price_nanos > points[2].price_nanos
    assert points[-1].price_nanos == market.listing("sort").price_nanos
    assert [point.epoch for point in market.price_history("late")] == [2]


def test_same_trades_give_the_same_market() -> None:
    """Nothing but the clock is free: two runs agree in every view."""
    first, second = market_with_buyers(3), market_with_buyers(3)
    for market in (first, second):
        market.close_epoch()
    assert first.listings() == second.listings()
    assert purchases(first) == purchases(second)
    assert first.postings("bob") == second.postings("bob")
