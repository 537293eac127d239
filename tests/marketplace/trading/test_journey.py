"""Every way of paying on every database: the books and the trades agree afterwards."""

from collections.abc import Iterator

import pytest

from marketplace.market import Market
from marketplace.trading.testing import HandClock, balances, gains, open_bazaar, put_up
from marketplace.trading.usage import Charge


@pytest.fixture
def town(market_url: str, clock: HandClock) -> Iterator[Market]:
    """A bazaar on SQLite and on PostgreSQL, with a line of three layers by three people."""
    with open_bazaar(market_url, clock=clock) as market:
        put_up(market, "bob", "sort")
        put_up(market, "tom", "sort2", parents=["sort"])
        put_up(market, "zoe", "sort3", parents=["sort2"])
        yield market


def trade_in_every_way(market: Market, clock: HandClock) -> None:
    """One of each, royalties included."""
    clock.pass_days(1)
    market.open_mandate(owner="ada", name="agent", cap_nanos=10**10, key="open")
    market.fund_mandate("ada/agent", 10**9, key="fill")
    market.buy(buyer="eve", listing="sort3", key="buy")
    market.rent(renter="ada", listing="sort3", days=2, key="rent")
    meter = market.meter_open(account="ada", listing="sort2", limit_nanos=10**9, days=3, key="m")
    market.meter_use(meter=meter.meter, units=5_000, key="read")
    market.charge_many([Charge("ada/agent", "sort", n + 1, f"use-{n}") for n in range(5)])
    market.subscribe(account="eve", fee_nanos=10**9, days=3, key="sub")
    market.charge(account="eve", listing="sort2", units=7, key="covered")
    market.bundle_create(owner="bob", name="pack", listings=["sort", "sort2"], key="pack")
    market.bundle_buy(buyer="ada", bundle="pack", key="pack-ada")
    put_up(market, "bob", "spare")
    trial = market.trial_open(
        buyer="ada", listing="spare", challenge_digest="d", n_questions=10, min_gain=1, key="try"
    )
    market.trial_settle(trial=trial.trial, n_correct=9, n_base_correct=1, key="passed")
    bounty = market.bounty_post(
        sponsor="eve", skill="sorting", base_model="tiny-llama", exam="standard", min_questions=5,
        min_accuracy_parts=500_000, reward_nanos=10**9, days=5, key="bounty",
    )  # fmt: skip
    (receipt,) = market.receipts("sort2")
    market.recheck(
        receipt=receipt.id, by="eve", n_correct=80, n_base_correct=30, seed=7,
        questions_digest="f" * 64, key="exam",
    )  # fmt: skip
    market.bounty_claim(bounty=bounty.bounty, listing="sort2", by="eve", key="claim")
    market.offer_compute(
        owner="zoe", name="gpu", resource="training", ask_nanos=10**7, capacity_units=9_000, key="o"
    )
    market.use_compute(buyer="ada", offer="gpu", units=9_000, key="train")
    market.close_epoch()
    market.use_compute(buyer="ada", offer="gpu", units=1_000, key="train-dear")
    market.review(reviewer="ada", listing="sort3", n_good=3, n_bad=1, key="review")
    market.record_miss(account="ada", skill="parsing")
    clock.pass_days(4)
    market.sweep()


def test_all_ways_of_paying_agree_with_the_postings(town: Market, clock: HandClock) -> None:
    """No credit appears or is lost, every ancestor earned, and the audit finds nothing."""
    before = balances(town)
    trade_in_every_way(town, clock)
    after = balances(town)
    assert sum(gains(before, after).values()) == 0
    assert town.verify() == []
    assert {income.way for income in town.incomes("bob")} == {
        "sale", "rent", "meter", "usage", "subscription", "bounty",
    }  # fmt: skip
    royalties = [income for income in town.incomes("bob") if income.role == "royalty"]
    assert {income.listing for income in royalties} == {"sort2", "sort3"}
    earned = sum(income.amount_nanos for income in town.incomes("bob"))
    assert after["bob"] - before["bob"] == earned
    assert sum(one.weight for one in town.demand()) == pytest.approx(1.0)
    assert all(account.held_nanos == 0 for account in town.accounts())
