"""Promises of marketplace.trade.buy."""

import pytest

from marketplace.errors import (
    AccountNotFoundError,
    AlreadyOwnedError,
    HouseAccountError,
    InsufficientCreditsError,
    ListingNotFoundError,
    MarketError,
    NotForSaleError,
    OwnLayerError,
    PriceAboveLimitError,
)
from marketplace.market import Market
from marketplace.receipt import ReceiptFacts
from tests.support.trading import balances, gains, open_bazaar, purchases, put_up


def test_sale_splits_the_price_and_creates_no_money(market: Market) -> None:
    """Creator 90 %, platform 10 %, rounded up; all balances still sum to zero."""
    before = balances(market)
    sale = market.buy(buyer="ada", listing="sort", key="sale")
    after = balances(market)
    assert gains(before, after) == {
        "ada": -sale.price_nanos,
        "bob": sale.creator_nanos,
        "platform": -(-sale.price_nanos // 10),
    }
    assert sale.fee_nanos == -(-sale.price_nanos // 10)
    assert sale.balance_nanos == after["ada"]
    assert [view.balance_nanos for view in purchases(market)] == [None]
    assert sum(after.values()) == 0
    assert market.verify() == []


def test_the_odd_nano_credit_goes_to_the_platform() -> None:
    """At the floor price of 10 the fee is 1; at 11 it is 2."""
    facts = ReceiptFacts(skill="s", n_questions=1, n_correct=0, n_base_correct=0)
    with open_bazaar() as market:
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


@pytest.mark.parametrize(
    ("buyer", "listing", "limit", "error", "words"),
    [
        ("bob", "sort", None, OwnLayerError, "owns it already"),
        ("tom", "sort", None, InsufficientCreditsError, "1.119671 credits.*0 credits.*market fund"),
        ("ada", "sort", 1, PriceAboveLimitError, "limit of 0.000000001 credits"),
        ("world", "sort", None, HouseAccountError, "house account 'world'"),
        ("escrow", "sort", None, HouseAccountError, "house account 'escrow'"),
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
    first = market.buy(buyer="ada", listing="sort", key="first")
    assert market.buy(buyer="ada", listing="sort", key="first").price_nanos == first.price_nanos
    with pytest.raises(AlreadyOwnedError, match="keeps it for good"):
        market.buy(buyer="ada", listing="sort", key="second")
    assert len(purchases(market)) == 1


def test_held_credits_cannot_be_spent(market: Market) -> None:
    """Eve's 100 credits are promised to a bounty; a layer of 1.7 is out of reach."""
    market.bounty_post(
        sponsor="eve",
        skill="sorting",
        base_model="tiny-llama",
        exam="standard",
        min_questions=10,
        min_accuracy_parts=900_000,
        reward_nanos=100 * 10**9,
        days=1,
        key="all",
    )
    with pytest.raises(InsufficientCreditsError, match=r"100 credits more held"):
        market.buy(buyer="eve", listing="sort", key="sale")


def test_a_mandate_pays_and_its_owner_owns(market: Market) -> None:
    """The sub-account's money leaves, the layer is Ada's, and she cannot buy it again."""
    market.open_mandate(owner="ada", name="shopper", cap_nanos=5 * 10**9, key="open")
    market.fund_mandate("ada/shopper", amount_nanos=5 * 10**9, key="fill")
    sale = market.buy(buyer="ada/shopper", listing="sort", key="sale")
    assert sale.buyer == "ada"
    assert market.account("ada/shopper").balance_nanos == 5 * 10**9 - sale.price_nanos
    assert market.owns("ada", "digest-of-sort")
    with pytest.raises(AlreadyOwnedError):
        market.buy(buyer="ada", listing="sort", key="again")
    put_up(market, "ada", "own")
    with pytest.raises(OwnLayerError):
        market.buy(buyer="ada/shopper", listing="own", key="self")


def test_ancestors_are_paid_and_the_root_most(market: Market) -> None:
    """sort (bob) -> sort2 (tom) -> sort3 (zoe): pool 20 %, root half plus what is left of halving.

    By hand: price 1119671000, net 1007703900, pool 201540780. Root half 100770390. Of the other
    half tom, nearest, takes a half (50385195), bob a half of the rest (25192597); 1/8 of the pool
    stays with zoe.
    """
    put_up(market, "tom", "sort2", parents=["sort"])
    put_up(market, "zoe", "sort3", parents=["sort2"])
    before = balances(market)
    market.buy(buyer="eve", listing="sort3", key="sale")
    changes = gains(before, balances(market))
    pool = 1_007_703_900 // 5
    assert changes["tom"] == pool // 4
    assert changes["bob"] == pool // 2 + pool // 8
    assert changes["zoe"] == 1_007_703_900 - changes["tom"] - changes["bob"]
    assert sum(changes.values()) == 0


def test_a_buyer_who_is_an_ancestor_gets_the_royalty_back(market: Market) -> None:
    """Bob buys a fork of his own layer: he pays the price less his own share."""
    put_up(market, "tom", "sort2", parents=["sort"])
    market.fund("bob", 10**10, key="fund-bob")
    before = balances(market)
    sale = market.buy(buyer="bob", listing="sort2", key="sale")
    royalty = sale.creator_nanos // 5 * 3 // 4
    assert gains(before, balances(market))["bob"] == pytest.approx(
        royalty - sale.price_nanos, abs=1
    )


@pytest.mark.parametrize("deed", ["withdraw", "quarantine", "revoke"])
def test_what_is_not_listed_is_not_sold(market: Market, deed: str) -> None:
    """However a listing left the market, nobody can pay for it any more, in any way."""
    by = "bob" if deed == "withdraw" else "platform"
    getattr(market, deed)(listing="sort", by=by, reason="test", key="gone")
    before = balances(market)
    for pay in (
        lambda: market.buy(buyer="ada", listing="sort", key="k"),
        lambda: market.rent(renter="ada", listing="sort", days=1, key="k"),
        lambda: market.charge(account="ada", listing="sort", units=1, key="k"),
        lambda: market.meter_open(
            account="ada", listing="sort", limit_nanos=10**9, days=1, key="k"
        ),
        lambda: market.trial_open(
            buyer="ada", listing="sort", challenge_digest="d", n_questions=5, min_gain=1, key="k"
        ),
    ):
        with pytest.raises(NotForSaleError):
            pay()
    assert balances(market) == before
