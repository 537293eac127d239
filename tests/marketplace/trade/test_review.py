"""Promises of marketplace.trade.review."""

from collections.abc import Callable

import pytest

from marketplace.errors import InvalidInputError, OwnLayerError, UnpaidReviewError
from marketplace.market import Market
from tests.support.trading import HandClock

PAY: dict[str, Callable[[Market], object]] = {
    "sale": lambda market: market.buy(buyer="ada", listing="sort", key="pay"),
    "rent": lambda market: market.rent(renter="ada", listing="sort", days=1, key="pay"),
    "usage": lambda market: market.charge(account="ada", listing="sort", units=1, key="pay"),
}


def rate(market: Market, reviewer: str = "ada", key: str = "review", n_good: int = 3) -> None:
    """Three good uses and one bad."""
    market.review(reviewer=reviewer, listing="sort", n_good=n_good, n_bad=1, key=key)


@pytest.mark.parametrize("way", PAY)
def test_only_who_paid_may_rate(market: Market, way: str) -> None:
    """Before paying refused, afterwards counted, whatever the way of paying."""
    with pytest.raises(UnpaidReviewError):
        rate(market)
    PAY[way](market)
    rate(market)
    (review,) = market.reviews("sort")
    assert (review.reviewer, review.n_good, review.n_bad) == ("ada", 3, 1)


def test_a_hold_is_not_settled_use(market: Market, clock: HandClock) -> None:
    """Held credits have paid nobody yet; a covered subscription counts once it is settled."""
    market.meter_open(account="ada", listing="sort", limit_nanos=10**9, days=1, key="meter")
    with pytest.raises(UnpaidReviewError):
        rate(market)
    market.subscribe(account="eve", fee_nanos=10**9, days=1, key="sub")
    market.charge(account="eve", listing="sort", units=1, key="use")
    with pytest.raises(UnpaidReviewError):
        rate(market, "eve", "review-eve")
    clock.pass_days(1)
    market.sweep()
    rate(market, "eve", "review-eve")


def test_nobody_rates_the_own_layer(market: Market) -> None:
    """Nor does a mandate for its owner."""
    with pytest.raises(OwnLayerError):
        rate(market, "bob")
    market.open_mandate(owner="bob", name="fan", cap_nanos=10**9, key="open")
    with pytest.raises(OwnLayerError):
        rate(market, "bob/fan")


def test_the_newest_review_counts(market: Market) -> None:
    """Changing one's mind adds a row and replaces the opinion; a repeated key adds nothing."""
    PAY["sale"](market)
    rate(market)
    rate(market, key="second", n_good=9)
    rate(market, key="second", n_good=9)
    assert [review.n_good for review in market.reviews("sort")] == [9]


@pytest.mark.parametrize(("n_good", "n_bad"), [(0, 0), (-1, 2), (10**6 + 1, 0), (0.5, 0)])
def test_reviews_count_uses(market: Market, n_good: int, n_bad: int) -> None:
    """Whole numbers, at least one use, within reason."""
    PAY["sale"](market)
    with pytest.raises(InvalidInputError):
        market.review(reviewer="ada", listing="sort", n_good=n_good, n_bad=n_bad, key="k")
