"""Files cost a day's rent, whatever the way: the one rule of `marketplace.trade.rights`."""

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlmodel import select

from marketplace.errors import BountyError, RefusedError
from marketplace.market import Market
from marketplace.trade.meter import Meter
from tests.support.trading import HandClock, balances, open_bazaar, purchases, put_up

DIGEST = "digest-of-sort"
SMALL = 1_000_000


def subscribe(market: Market, nanos: int) -> None:
    """The least fee there is, or more."""
    market.subscribe(account="ada", fee_nanos=max(SMALL, nanos), days=30, key="way")


def meter(market: Market, nanos: int) -> None:
    """A limit of so much, and nothing read."""
    market.meter_open(account="ada", listing="sort", limit_nanos=nanos, days=30, key="way")


def rent(market: Market, nanos: int) -> None:
    """At a millionth of the price a day, or more."""
    parts = max(1, nanos * 10**6 // market.listing("sort").price_nanos)
    market.set_terms(owner="bob", listing="sort", rent_day_parts=min(10**6, parts), key="terms")
    market.rent(renter="ada", listing="sort", days=1, key="way")


def trial(market: Market, nanos: int) -> None:
    """The trial of somebody who will report nothing right."""
    market.trial_open(
        buyer="ada", listing="sort", challenge_digest="d", n_questions=9, min_gain=9, key="way"
    )


def bundle(market: Market, nanos: int) -> None:
    """The seller's own, at the greatest discount."""
    put_up(market, "bob", "search")
    market.bundle_create(
        owner="bob", name="pack", listings=["sort", "search"], discount_parts=999_999, key="pack"
    )
    market.bundle_buy(buyer="ada", bundle="pack", key="way")


def use(market: Market, nanos: int) -> None:
    """Use by the call."""
    market.charge(account="ada", listing="sort", units=max(1, nanos // 1000), key="way")


def bounty(market: Market, nanos: int) -> None:
    """A reward that an evaluator's re-run earns, claimed for a layer by who wants it cheap."""
    (receipt,) = market.receipts("sort")
    market.recheck(
        receipt=receipt.id,
        by="platform",
        n_correct=80,
        n_base_correct=30,
        seed=7,
        questions_digest="f" * 64,
        key="exam",
    )
    posted = market.bounty_post(
        sponsor="ada",
        skill="sorting",
        base_model="tiny-llama",
        exam="standard",
        min_questions=1,
        min_accuracy_parts=1,
        reward_nanos=nanos,
        days=9,
        key="way",
    )
    market.bounty_claim(bounty=posted.bounty, listing="sort", by="ada", key="claim")


def mandate(market: Market, nanos: int) -> None:
    """A mandate of one's own that subscribes."""
    market.open_mandate(owner="ada", name="bot", cap_nanos=10**9, key="bot")
    market.fund_mandate("ada/bot", 10**9, key="fund-bot")
    market.subscribe(account="ada/bot", fee_nanos=max(SMALL, nanos), days=30, key="way")


WAYS: tuple[Callable[[Market, int], None], ...] = (
    subscribe,
    meter,
    rent,
    trial,
    bundle,
    use,
    bounty,
    mandate,
)


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(way=st.sampled_from(WAYS), nanos=st.integers(1, 2 * 10**9))
def test_no_way_gives_files_below_a_days_rent(
    way: Callable[[Market, int], None], nanos: int
) -> None:
    """Whoever may fetch has paid that much and cannot have it back."""
    with open_bazaar() as market:
        put_up(market, "bob", "sort")
        before = balances(market)["ada"]
        try:
            way(market, nanos)
        except RefusedError:
            assert not market.may_fetch("ada", DIGEST)
            return
        after = balances(market)
        spent = before - after["ada"] - after.get("ada/bot", 0)
        if market.may_fetch("ada", DIGEST):
            assert spent >= market.terms("sort").trial_nanos
        assert market.verify() == []


@pytest.mark.parametrize("way", [subscribe, meter, mandate])
def test_use_is_possible_where_files_are_not(
    market: Market, way: Callable[[Market, int], None]
) -> None:
    """A subscription of 0.001 credits, or a meter of a nano-credit, hands nothing out."""
    way(market, 1)
    assert market.may_use("ada", DIGEST)
    assert not market.may_fetch("ada", DIGEST)


@pytest.mark.parametrize("way", [rent, trial, bundle])
def test_who_pays_a_day_has_files(market: Market, way: Callable[[Market, int], None]) -> None:
    """Renters, triers and buyers, at the seller's own terms."""
    way(market, 1)
    assert market.may_fetch("ada", DIGEST)


def test_a_meter_gives_files_once_it_owes_a_days_rent(market: Market) -> None:
    """What was read is owed for good, whatever of the limit is released later."""
    meter(market, 10**9)
    units = market.terms("sort").trial_nanos * 1000 // market.meter(_number(market)).rate_nanos
    market.meter_use(meter=_number(market), units=units - 1000, key="almost")
    assert not market.may_fetch("ada", DIGEST)
    market.meter_use(meter=_number(market), units=2000, key="enough")
    assert market.may_fetch("ada", DIGEST)
    market.meter_close(meter=_number(market), key="close")
    assert not market.may_fetch("ada", DIGEST)


def test_what_was_paid_before_counts(market: Market, clock: HandClock) -> None:
    """A subscriber who once rented the layer for a day has paid for the files."""
    market.rent(renter="ada", listing="sort", days=1, key="rent")
    clock.pass_days(2)
    assert not market.may_fetch("ada", DIGEST)
    subscribe(market, SMALL)
    assert market.may_fetch("ada", DIGEST)


def test_a_cheap_bundle_is_no_cheaper_than_a_day(market: Market) -> None:
    """999,999 millionths off leave a day's rent for each, and the price shown is the price paid."""
    bundle(market, 1)
    day = market.terms("sort").trial_nanos
    assert [view.price_nanos for view in purchases(market, "ada")] == [day, day]
    put_up(market, "bob", "third")
    put_up(market, "bob", "fourth")
    shown = market.bundle_create(
        owner="bob", name="more", listings=["third", "fourth"], discount_parts=999_999, key="more"
    )
    assert shown.price_nanos == 2 * day


def test_a_small_reward_buys_nothing_without_its_maker(market: Market) -> None:
    """Below the price the maker must agree; below a day's rent nobody can."""
    with pytest.raises(BountyError, match="ask 'bob' to claim"):
        bounty(market, 10**9)
    assert not market.owns("ada", DIGEST)
    (posted,) = market.bounties()
    assert market.bounty_claim(bounty=posted.bounty, listing="sort", by="bob", key="yes").listing
    assert market.owns("ada", DIGEST)
    put_up(market, "tom", "tiny")
    market.recheck(
        receipt=market.receipts("tiny")[0].id,
        by="platform",
        n_correct=80,
        n_base_correct=30,
        seed=7,
        questions_digest="f" * 64,
        key="exam-tiny",
    )
    penny = market.bounty_post(
        sponsor="ada",
        skill="sorting",
        base_model="tiny-llama",
        exam="standard",
        min_questions=1,
        min_accuracy_parts=1,
        reward_nanos=1,
        days=9,
        key="penny",
    )
    with pytest.raises(BountyError, match="at least"):
        market.bounty_claim(bounty=penny.bounty, listing="tiny", by="tom", key="penny-claim")


def _number(market: Market) -> int:
    with market._read() as session:
        return session.exec(select(Meter.hold_id)).one()
