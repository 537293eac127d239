"""Promises of marketplace.trade.subscription."""

import pytest

from marketplace.errors import AlreadyOwnedError, AmountError, InsufficientCreditsError
from marketplace.market import Market
from marketplace.trade.charge import Charge
from marketplace.trade.subscription import SubscriptionView
from tests.support.trading import HandClock, balances, gains, put_up

FEE = 10 * 10**9


def subscribe(market: Market, account: str = "ada") -> SubscriptionView:
    """Thirty days for ten credits."""
    return market.subscribe(account=account, fee_nanos=FEE, days=30, key=f"sub-{account}")


def test_a_fee_goes_where_its_own_subscriber_went(market: Market, clock: HandClock) -> None:
    """Ada used 'sort' 3:1, Eve only 'parse'; what Eve pays never reaches Bob."""
    put_up(market, "tom", "parse")
    subscribe(market)
    subscribe(market, "eve")
    before = balances(market)
    market.charge_many(
        [
            Charge("ada", "sort", 300, "a1"),
            Charge("ada", "parse", 100, "a2"),
            Charge("eve", "parse", 1, "e1"),
        ]
    )
    assert balances(market) == before
    clock.pass_days(30)
    assert len(market.sweep().subscriptions) == 2
    net = FEE - FEE // 10
    assert gains(before, balances(market)) == {
        "ada": -FEE,
        "eve": -FEE,
        "bob": net * 3 // 4,
        "tom": net // 4 + net,
        "platform": 2 * (FEE // 10),
    }


def test_a_bot_earns_its_owner_less_than_it_pays(market: Market, clock: HandClock) -> None:
    """However much Eve uses Bob's layer, Bob gets 90 % of her fee, and nothing of Ada's."""
    put_up(market, "tom", "parse")
    subscribe(market)
    subscribe(market, "eve")
    before = balances(market)
    market.charge(account="ada", listing="parse", units=1, key="ada")
    market.charge(account="eve", listing="sort", units=10**12, key="bot")
    clock.pass_days(30)
    market.sweep()
    assert gains(before, balances(market))["bob"] == FEE * 9 // 10


def test_nothing_used_nothing_paid(market: Market, clock: HandClock) -> None:
    """The fee is released; use of one's own layer is no use."""
    subscribe(market)
    put_up(market, "ada", "own")
    before = balances(market)
    market.charge(account="ada", listing="own", units=10, key="own")
    clock.pass_days(30)
    market.sweep()
    assert balances(market) == before
    assert market.account("ada").held_nanos == 0
    assert [view.state for view in market.subscriptions("ada")] == ["released"]


def test_royalties_reach_ancestors(market: Market, clock: HandClock) -> None:
    """A fork's part of the fee pays its root."""
    put_up(market, "tom", "sort2", parents=["sort"])
    subscribe(market)
    before = balances(market)
    market.charge(account="ada", listing="sort2", units=10, key="use")
    clock.pass_days(30)
    market.sweep()
    assert gains(before, balances(market))["bob"] == pytest.approx(
        FEE * 9 // 10 // 5 * 3 / 4, abs=2
    )


def test_one_subscription_at_a_time_and_settled_once(market: Market, clock: HandClock) -> None:
    """A second is refused, a repeat finds the first, sweeping twice pays once."""
    first = subscribe(market)
    assert subscribe(market).replayed
    with pytest.raises(AlreadyOwnedError):
        market.subscribe(account="ada", fee_nanos=FEE, days=1, key="second")
    market.charge(account="ada", listing="sort", units=1, key="use")
    assert market.sweep().subscriptions == ()
    clock.pass_days(30)
    assert market.subscriptions("ada")[0].state == "due"
    assert market.sweep().subscriptions == (first.subscription,)
    before = balances(market)
    assert market.sweep().subscriptions == ()
    assert balances(market) == before
    assert market.subscriptions("ada")[0].state == "paid"
    subscribe_again = market.subscribe(account="ada", fee_nanos=FEE, days=1, key="next")
    assert subscribe_again.state == "open"


def test_a_subscription_needs_its_fee(market: Market) -> None:
    """Held from the first day: too few credits, or too small a fee, and there is none."""
    with pytest.raises(InsufficientCreditsError):
        subscribe(market, "tom")
    with pytest.raises(AmountError):
        market.subscribe(account="ada", fee_nanos=1, days=1, key="small")
