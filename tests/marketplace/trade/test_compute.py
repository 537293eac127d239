"""Promises of marketplace.trade.compute."""

import pytest

from marketplace.errors import (
    CapacityError,
    InvalidInputError,
    ListingTakenError,
    OwnLayerError,
    PriceAboveLimitError,
    TradeNotFoundError,
)
from marketplace.market import Market
from marketplace.trade.compute import OfferView
from tests.support.trading import balances, gains

ASK = 8_000_000


@pytest.fixture
def gpu(market: Market) -> OfferView:
    """Bob's machine: 100,000 tokens an epoch, 0.008 credits per thousand."""
    return market.offer_compute(
        owner="bob",
        name="gpu",
        resource="inference",
        ask_nanos=ASK,
        capacity_units=100_000,
        key="offer",
    )


def use(market: Market, units: int, key: str, buyer: str = "ada") -> int:
    """Price of so many units."""
    return market.use_compute(buyer=buyer, offer="gpu", units=units, key=key).price_nanos


def rate(market: Market) -> int:
    """What users pay per 1,000 units now."""
    return market.offers()[0].rate_nanos


def test_an_idle_machine_costs_its_ask(market: Market, gpu: OfferView) -> None:
    """Fee and seller as in any sale, nothing on top."""
    before = balances(market)
    assert use(market, 2_000, "one") == 2 * ASK
    assert gains(before, balances(market)) == {
        "ada": -2 * ASK,
        "bob": 2 * ASK * 9 // 10,
        "platform": 2 * ASK // 10,
    }


def test_a_full_machine_gets_dearer_by_an_eighth_per_epoch(market: Market, gpu: OfferView) -> None:
    """EIP-1559 on utilisation; half full is the target, at which the rate stays."""
    use(market, 100_000, "full")
    market.close_epoch()
    assert rate(market) == ASK * 9 // 8
    use(market, 50_000, "half")
    market.close_epoch()
    assert rate(market) == ASK * 9 // 8
    market.close_epoch()
    market.close_epoch()
    assert rate(market) == ASK


def test_scarcity_pays_the_platform_not_the_seller(market: Market, gpu: OfferView) -> None:
    """The seller gets 90 % of the ask in a dear epoch as well; all parts add up."""
    use(market, 100_000, "full")
    market.close_epoch()
    before = balances(market)
    bought = market.use_compute(buyer="eve", offer="gpu", units=1_000, key="dear")
    assert (bought.price_nanos, bought.surplus_nanos) == (ASK * 9 // 8, ASK // 8)
    assert gains(before, balances(market)) == {
        "eve": -ASK * 9 // 8,
        "bob": ASK * 9 // 10,
        "platform": ASK // 10 + ASK // 8,
    }


def test_what_one_uses_another_cannot(market: Market, gpu: OfferView) -> None:
    """Capacity is per epoch; a refused use leaves its key free."""
    use(market, 60_000, "ada")
    assert market.offers()[0].left_units == 40_000
    with pytest.raises(CapacityError, match="40000 units left"):
        use(market, 40_001, "eve", buyer="eve")
    use(market, 40_000, "eve", buyer="eve")
    market.close_epoch()
    assert market.offers()[0].left_units == 100_000


def test_a_use_is_paid_once(market: Market, gpu: OfferView) -> None:
    """The same key finds the same use, also in a dearer epoch."""
    first = use(market, 100_000, "one")
    market.close_epoch()
    before = balances(market)
    again = market.use_compute(buyer="ada", offer="gpu", units=100_000, key="one")
    assert (again.replayed, again.price_nanos) == (True, first)
    assert balances(market) == before


def test_an_offer_left_alone_for_long_answers_at_once(market: Market, gpu: OfferView) -> None:
    """The rate is followed through every closed epoch and ends at the ask."""
    use(market, 100_000, "full")
    for _ in range(50):
        market.close_epoch()
    assert rate(market) == ASK


def test_offers_and_uses_that_cannot_be(market: Market, gpu: OfferView) -> None:
    """Taken names, unknown resources, own machines, limits and missing offers."""
    terms = {"ask_nanos": 1, "capacity_units": 10, "key": "k"}
    with pytest.raises(ListingTakenError):
        market.offer_compute(owner="tom", name="gpu", resource="training", **terms)
    with pytest.raises(InvalidInputError):
        market.offer_compute(owner="tom", name="x", resource="mining", **terms)
    with pytest.raises(InvalidInputError):
        market.offer_compute(
            owner="tom", name="x", resource="training", ask_nanos=1, capacity_units=1, key="k"
        )
    with pytest.raises(OwnLayerError):
        use(market, 1, "own", buyer="bob")
    with pytest.raises(PriceAboveLimitError):
        market.use_compute(buyer="ada", offer="gpu", units=1_000, key="k", max_price_nanos=ASK - 1)
    with pytest.raises(TradeNotFoundError):
        market.use_compute(buyer="ada", offer="cpu", units=1, key="k")
