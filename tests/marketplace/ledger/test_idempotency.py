"""Promises of marketplace.ledger.idempotency."""

from collections.abc import Callable

import pytest

from marketplace.errors import IdempotencyKeyReusedError, InsufficientCreditsError
from marketplace.market import Market
from tests.support.market import make_market, publish_example


@pytest.fixture
def market() -> Market:
    """Ada and Eve can pay; Bob sells two layers."""
    market = make_market(credits={"ada": 100, "eve": 100, "bob": 0})
    publish_example(market, "bob", "sort")
    publish_example(market, "bob", "rhyme")
    return market


def test_a_repeated_purchase_has_one_effect(market: Market) -> None:
    """The same purchase comes back, marked as replayed, even when the price has moved."""
    first = market.buy(buyer="ada", listing="sort", key="k")
    market.close_epoch()
    accounts = market.accounts()
    again = market.buy(buyer="ada", listing="sort", key="k", max_price_nanos=1)
    assert (first.replayed, again.replayed) == (False, True)
    assert (again.price_nanos, again.at) == (first.price_nanos, first.at)
    assert market.accounts() == accounts


def test_repeated_funding_publishing_and_opening_have_one_effect(market: Market) -> None:
    """Each returns what the first call returned."""
    listing = market.listing("sort")
    accounts = market.accounts()
    market.fund("ada", 100 * 10**9, key="fund-ada")
    assert publish_example(market, "bob", "sort") == listing
    assert market.open_account("ada", key="open") == market.open_account("ada", key="open")
    assert market.accounts() == accounts


@pytest.mark.parametrize(
    "other",
    [
        lambda market: market.buy(buyer="eve", listing="sort", key="k"),
        lambda market: market.buy(buyer="ada", listing="rhyme", key="k"),
        lambda market: market.fund("ada", 1, key="k"),
        lambda market: market.open_account("new", key="k"),
        lambda market: market.fund("ada", 1, key="fund-ada"),
        lambda market: publish_example(market, "bob", "sort", ask_nanos=7),
    ],
)
def test_a_key_never_gets_a_second_meaning(
    market: Market, other: Callable[[Market], object]
) -> None:
    """Another buyer, listing, amount, ask or operation under a used key is refused."""
    market.buy(buyer="ada", listing="sort", key="k")
    accounts = market.accounts()
    with pytest.raises(IdempotencyKeyReusedError, match=r"\A[^\n]*use a new key[^\n]*\Z"):
        other(market)
    assert market.accounts() == accounts


def test_a_refused_request_does_not_use_up_its_key() -> None:
    """After funding, the very same request goes through."""
    market = make_market(credits={"ada": 0, "bob": 0})
    publish_example(market, "bob", "sort")
    with pytest.raises(InsufficientCreditsError):
        market.buy(buyer="ada", listing="sort", key="k")
    market.fund("ada", 10**10, key="fund")
    assert not market.buy(buyer="ada", listing="sort", key="k").replayed
