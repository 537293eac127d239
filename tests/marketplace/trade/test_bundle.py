"""Promises of marketplace.trade.bundle."""

import pytest

from marketplace.errors import (
    AlreadyOwnedError,
    AmountError,
    InsufficientCreditsError,
    InvalidInputError,
    ListingNotFoundError,
    ListingTakenError,
    NotForSaleError,
    PriceAboveLimitError,
    TradeNotFoundError,
)
from marketplace.market import Market
from marketplace.trade.bundle import BundleView
from tests.support.trading import balances, gains, purchases, put_up


@pytest.fixture
def pack(market: Market) -> BundleView:
    """Bob's 'sort' and 'search' at a quarter off, with Tom's 'parse' at full price."""
    put_up(market, "bob", "search")
    put_up(market, "tom", "parse")
    return market.bundle_create(
        owner="bob",
        name="pack",
        listings=["sort", "search", "parse"],
        discount_parts=250_000,
        key="create",
    )


def test_a_bundle_is_sales_at_a_discount_on_the_own(market: Market, pack: BundleView) -> None:
    """Three quarters for Bob's two, Tom's as it is; each sale pays its own fee."""
    price = market.listing("sort").price_nanos
    own = -(-price * 3 // 4)
    assert pack.price_nanos == 2 * own + price
    before = balances(market)
    sales = market.bundle_buy(buyer="ada", bundle="pack", key="buy")
    assert sorted(sale.price_nanos for sale in sales) == sorted([own, own, price])
    changes = gains(before, balances(market))
    assert changes["ada"] == -pack.price_nanos
    assert changes["tom"] == price - -(-price // 10)
    assert changes["platform"] == sum(-(-sale.price_nanos // 10) for sale in sales)
    assert all(market.owns("ada", f"digest-of-{name}") for name in pack.listings)
    assert market.verify() == []


def test_a_repeat_buys_nothing_more(market: Market, pack: BundleView) -> None:
    """The same key answers with the same purchases."""
    sales = market.bundle_buy(buyer="ada", bundle="pack", key="buy")
    before = balances(market)
    again = market.bundle_buy(buyer="ada", bundle="pack", key="buy")
    assert [sale.listing for sale in again] == [sale.listing for sale in sales]
    assert all(sale.replayed for sale in again)
    assert balances(market) == before


def test_what_is_owned_is_not_paid_again(market: Market, pack: BundleView) -> None:
    """A buyer of one pays for the other two; the owner of a part pays for the rest."""
    market.buy(buyer="ada", listing="sort", key="sale")
    sales = market.bundle_buy(buyer="ada", bundle="pack", key="buy")
    assert [sale.listing for sale in sales] == ["parse", "search"]
    with pytest.raises(AlreadyOwnedError):
        market.bundle_buy(buyer="ada", bundle="pack", key="again")
    market.fund("tom", 10**10, key="fund-tom")
    assert len(market.bundle_buy(buyer="tom", bundle="pack", key="tom")) == 2


def test_all_of_it_or_nothing(market: Market, pack: BundleView) -> None:
    """Too few credits, a limit, or one part off the market: no part is sold."""
    market.fund("zoe", pack.price_nanos - 1, key="fund-zoe")
    before = balances(market)
    with pytest.raises(InsufficientCreditsError):
        market.bundle_buy(buyer="zoe", bundle="pack", key="zoe")
    with pytest.raises(PriceAboveLimitError):
        market.bundle_buy(
            buyer="ada", bundle="pack", key="ada", max_price_nanos=pack.price_nanos - 1
        )
    market.withdraw(listing="parse", by="tom", key="gone")
    with pytest.raises(NotForSaleError):
        market.bundle_buy(buyer="ada", bundle="pack", key="ada")
    assert balances(market) == before
    assert purchases(market) == []


def test_bundles_that_cannot_be(market: Market, pack: BundleView) -> None:
    """Taken names, unknown or too few listings, a gift, and bundles that do not exist."""
    with pytest.raises(ListingTakenError):
        market.bundle_create(owner="eve", name="pack", listings=["sort", "parse"], key="k")
    with pytest.raises(ListingNotFoundError):
        market.bundle_create(owner="eve", name="new", listings=["sort", "nothing"], key="k")
    with pytest.raises(InvalidInputError):
        market.bundle_create(owner="eve", name="new", listings=["sort", "sort"], key="k")
    with pytest.raises(AmountError):
        market.bundle_create(
            owner="bob", name="new", listings=["sort", "search"], discount_parts=10**6, key="k"
        )
    with pytest.raises(TradeNotFoundError):
        market.bundle_buy(buyer="ada", bundle="none", key="k")
