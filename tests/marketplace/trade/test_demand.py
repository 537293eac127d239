"""Promises of marketplace.trade.demand."""

import pytest

from marketplace.market import Market
from tests.support.trading import HandClock, put_up


def weights(market: Market) -> dict[str, float]:
    """Each skill's share of demand."""
    return {one.skill: one.weight for one in market.demand()}


def bounty(market: Market, skill: str, reward_nanos: int) -> None:
    """A bounty for a skill."""
    market.bounty_post(
        sponsor="eve",
        skill=skill,
        base_model="tiny-llama",
        exam="standard",
        min_questions=10,
        min_accuracy_parts=900_000,
        reward_nanos=reward_nanos,
        days=10,
        key=f"bounty-{skill}",
    )


def test_without_trade_there_is_no_demand(market: Market) -> None:
    """Listings alone are supply."""
    assert market.demand() == []


def test_demand_follows_what_was_paid(market: Market) -> None:
    """Twice as much rent for sorting as for parsing: weights 2/3 and 1/3, and they add up to 1."""
    put_up(market, "tom", "parse", skill="parsing")
    market.rent(renter="ada", listing="sort", days=20, key="r1")
    market.rent(renter="ada", listing="parse", days=10, key="r2")
    assert weights(market) == pytest.approx({"sorting": 2 / 3, "parsing": 1 / 3})
    assert [one.skill for one in market.demand()] == ["sorting", "parsing"]


def test_each_signal_has_a_bounded_say(market: Market) -> None:
    """All of a signal on one skill gives that skill 0.35, 0.25, 0.25 and 0.15."""
    put_up(market, "tom", "join", skill="joining")
    market.buy(buyer="ada", listing="sort", key="sale")
    market.charge(account="eve", listing="join", units=1, key="crumb")
    market.review(reviewer="eve", listing="join", n_good=0, n_bad=1, key="useless")
    bounty(market, "parsing", 10**9)
    market.record_miss(account="ada", skill="counting")
    assert weights(market) == pytest.approx(
        {"sorting": 0.35, "joining": 0.25, "parsing": 0.25, "counting": 0.15}, abs=1e-5
    )


def test_what_was_paid_in_vain_is_wanted_twice(market: Market) -> None:
    """By the part of each payer's uses that did not help; who says nothing complains of nothing."""
    put_up(market, "tom", "parse", skill="parsing")
    for account in ("ada", "eve"):
        market.rent(renter=account, listing="sort", days=10, key=f"{account}-sort")
        market.rent(renter=account, listing="parse", days=10, key=f"{account}-parse")
    market.review(reviewer="ada", listing="parse", n_good=1, n_bad=2, key="bad")
    market.review(reviewer="ada", listing="parse", n_good=0, n_bad=1, key="worse")
    found = {one.skill: one for one in market.demand()}
    paid = found["sorting"].paid_nanos
    assert found["parsing"].paid_nanos == paid
    assert found["parsing"].vain_nanos == (paid // 2) * 3 // 4
    assert found["sorting"].vain_nanos == 0
    assert weights(market) == pytest.approx({"sorting": 0.175 / 0.6, "parsing": 0.425 / 0.6})


def test_old_complaints_are_forgotten(market: Market, clock: HandClock) -> None:
    """As old payments are."""
    market.rent(renter="ada", listing="sort", days=1, key="first")
    market.review(reviewer="ada", listing="sort", n_good=0, n_bad=1, key="bad")
    clock.pass_days(29)
    market.rent(renter="ada", listing="sort", days=1, key="second")
    assert [one.vain_nanos > 0 for one in market.demand()] == [True]
    clock.pass_days(2)
    assert [one.vain_nanos for one in market.demand()] == [0]


def test_free_searches_move_little_and_count_once_a_day(market: Market, clock: HandClock) -> None:
    """A thousand searches of one account for one skill are one miss."""
    market.buy(buyer="ada", listing="sort", key="sale")
    noted = [market.record_miss(account="eve", skill="counting") for _ in range(5)]
    assert noted == [True, False, False, False, False]
    clock.pass_days(1)
    assert market.record_miss(account="eve", skill="counting")
    (counting,) = [one for one in market.demand() if one.skill == "counting"]
    assert counting.n_misses == 2
    assert counting.weight == pytest.approx(0.15 / 0.5)
    many = [market.record_miss(account="tom", skill=f"skill-{n}") for n in range(30)]
    assert sum(many) == 20


def test_a_signal_that_is_absent_leaves_its_say(market: Market) -> None:
    """A market without sales still says what is wanted."""
    bounty(market, "parsing", 3 * 10**9)
    bounty(market, "counting", 10**9)
    assert weights(market) == pytest.approx({"parsing": 0.75, "counting": 0.25})


def test_old_payments_and_closed_bounties_are_forgotten(market: Market, clock: HandClock) -> None:
    """The window is thirty days; a bounty counts while its reward waits."""
    market.buy(buyer="ada", listing="sort", key="sale")
    bounty(market, "parsing", 10**9)
    clock.pass_days(11)
    assert weights(market) == {"sorting": 1.0}
    clock.pass_days(20)
    assert weights(market) == {}
    assert [one.skill for one in market.demand(since=0.0)] == ["sorting"]


def test_dealing_with_oneself_is_no_demand(market: Market) -> None:
    """Own layers cannot be bought, and free use of them counts nothing; nor does a mandate's."""
    market.open_mandate(owner="bob", name="fan", cap_nanos=10**9, key="open")
    market.charge(account="bob", listing="sort", units=10**6, key="own")
    market.charge(account="bob/fan", listing="sort", units=10**6, key="fan")
    assert market.demand() == []


def test_a_sale_that_was_paid_back_is_no_demand(market: Market, clock: HandClock) -> None:
    """What failed its re-run was not wanted."""
    clock.pass_days(1)
    market.buy(buyer="ada", listing="sort", key="sale")
    clock.pass_days(1)
    (receipt,) = market.receipts("sort")
    market.recheck(receipt=receipt.id, by="platform", n_correct=30, n_base_correct=30, key="r")
    assert market.demand() == []
