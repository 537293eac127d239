"""Promises of marketplace.trade."""

import pytest

from marketplace.errors import (
    AccountNotFoundError,
    AlreadyOwnedError,
    HouseAccountError,
    InsufficientCreditsError,
    ListingNotFoundError,
    ListingTakenError,
    MarketError,
    OwnLayerError,
    PriceAboveLimitError,
)
from marketplace.listing import ReceiptFacts
from marketplace.market import Market
from marketplace.testing import make_market, publish_example

RECEIPT = ReceiptFacts(skill="sorting", n_questions=100, n_correct=80, n_base_correct=30)


@pytest.fixture
def market() -> Market:
    """Ada and Eve can pay, Bob sells 'sort', Tom has nothing."""
    market = make_market(credits={"ada": 100, "eve": 100, "bob": 0, "tom": 0})
    publish_example(market, "bob", "sort")
    return market


def balances(market: Market) -> dict[str, int]:
    """Every balance by account name."""
    return {account.name: account.balance_nanos for account in market.accounts()}


def test_sale_splits_the_price_and_creates_no_money(market: Market) -> None:
    """Creator 90 %, platform 10 %, rounded up; all balances still sum to zero."""
    before = balances(market)
    sale = market.buy(buyer="ada", listing="sort", key="sale")
    after = balances(market)
    assert after["ada"] - before["ada"] == -sale.price_nanos
    assert after["bob"] - before["bob"] == sale.creator_nanos
    assert after["platform"] - before["platform"] == sale.fee_nanos == -(-sale.price_nanos // 10)
    assert sum(after.values()) == 0
    assert market.verify() == []


def test_the_odd_nano_credit_goes_to_the_platform() -> None:
    """At the floor price of 10 the fee is 1; at 11 it is 2."""
    market = make_market(credits={"ada": 1, "bob": 0})
    facts = ReceiptFacts(skill="s", n_questions=1, n_correct=0, n_base_correct=0)
    for name, ask_nanos, fee_nanos in (("floor", 1, 1), ("odd", 44, 2)):
        market.publish(
            owner="bob",
            name=name,
            digest=name,
            base_model="b",
            niche="n",
            ask_nanos=ask_nanos,
            receipt=facts,
            key=name,
        )
        assert market.buy(buyer="ada", listing=name, key=f"buy-{name}").fee_nanos == fee_nanos


def test_buying_makes_an_owner_and_publishing_is_owning(market: Market) -> None:
    """Nobody else owns the layer, and nobody owns a layer that was never listed."""
    digest = market.listing("sort").digest
    assert market.owns("bob", digest)
    assert not market.owns("ada", digest)
    market.buy(buyer="ada", listing="sort", key="sale")
    assert market.owns("ada", digest)
    assert not market.owns("eve", digest)
    assert not market.owns("ada", "unlisted")


@pytest.mark.parametrize(
    ("buyer", "listing", "limit", "error", "words"),
    [
        ("bob", "sort", None, OwnLayerError, "owns it already"),
        ("tom", "sort", None, InsufficientCreditsError, "1.706041 credits.*0 credits.*market fund"),
        ("ada", "sort", 1, PriceAboveLimitError, "limit of 0.000000001 credits"),
        ("world", "sort", None, HouseAccountError, "house account 'world'"),
        ("platform", "sort", None, HouseAccountError, "house account 'platform'"),
        ("adda", "sort", None, AccountNotFoundError, "did you mean 'ada'"),
        ("ada", "sorted", None, ListingNotFoundError, "did you mean 'sort'"),
    ],
)
def test_a_refused_purchase_changes_nothing(
    market: Market,
    buyer: str,
    listing: str,
    limit: int | None,
    error: type[MarketError],
    words: str,
) -> None:
    """The message is one line with the facts; the key stays free for a corrected request."""
    before = balances(market)
    with pytest.raises(error, match=rf"\A(?=[^\n]*\Z).*{words}"):
        market.buy(buyer=buyer, listing=listing, key="sale", max_price_nanos=limit)
    assert balances(market) == before
    assert not market.buy(buyer="eve", listing="sort", key="sale").replayed


def test_nobody_pays_twice_for_the_same_layer(market: Market) -> None:
    """A second key is a second intention, and there is nothing left to buy."""
    market.buy(buyer="ada", listing="sort", key="first")
    with pytest.raises(AlreadyOwnedError, match="keeps it for good"):
        market.buy(buyer="ada", listing="sort", key="second")
    assert len(market.purchases()) == 1


def test_a_limit_equal_to_the_price_is_enough(market: Market) -> None:
    """The limit is the most the buyer is willing to pay, not one more."""
    price_nanos = market.quote("sort").price_nanos
    sale = market.buy(buyer="ada", listing="sort", key="sale", max_price_nanos=price_nanos)
    assert sale.price_nanos == price_nanos


@pytest.mark.parametrize(
    ("owner", "name", "digest", "error", "words"),
    [
        ("bob", "sort", "other", ListingTakenError, "another name"),
        ("eve", "sort", "other", ListingTakenError, "another name"),
        ("eve", "copy", "digest-of-sort", ListingTakenError, "already listed as 'sort'"),
        ("bob", "sort", "digest-of-sort", ListingTakenError, "already listed as 'sort'"),
        ("platform", "new", "new", HouseAccountError, "cannot publish"),
        ("nobody", "new", "new", AccountNotFoundError, "open it first"),
    ],
)
def test_names_and_layers_are_listed_once(
    market: Market, owner: str, name: str, digest: str, error: type[MarketError], words: str
) -> None:
    """A name cannot change its layer, and an exact copy cannot stand beside the original."""
    with pytest.raises(error, match=words):
        market.publish(
            owner=owner,
            name=name,
            digest=digest,
            base_model="tiny",
            niche="sorting",
            ask_nanos=10**9,
            receipt=RECEIPT,
            key="again",
        )
    assert [listing.name for listing in market.listings()] == ["sort"]


@pytest.mark.parametrize("name", ["world", "platform"])
def test_the_house_is_not_funded(market: Market, name: str) -> None:
    """'world' to 'world' would be no movement; fees are the platform's only income."""
    with pytest.raises(HouseAccountError):
        market.fund(name, 1, key="gift")
