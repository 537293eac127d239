"""Promises of marketplace.price.closing and .known: what an epoch's close makes of it."""

import pytest

from marketplace.errors import AccountNotFoundError, IdempotencyKeyReusedError
from marketplace.formula.price import Demand, next_demand, step_nanos, target_nanos
from marketplace.formula.reputation import Evidence, lower_bound, stated_reputation
from marketplace.market import Market, ReceiptFacts
from marketplace.money import NANOS_PER_CREDIT
from tests.support.trading import HandClock, open_bazaar, put_up


def bazaar(clock: HandClock | None = None, *, vouched: bool = True) -> Market:
    """Bob sells 'sort', tom sells 'rhyme'; ada, eve and zoe have credits, ada is vouched for."""
    credits = {"ada": 100, "eve": 100, "zoe": 100, "bob": 0, "tom": 0}
    market = open_bazaar(clock=clock, credits=credits)
    put_up(market, "bob", "sort")
    put_up(market, "tom", "rhyme")
    if vouched:
        market.vouch("ada", key="vouch")
    return market


def test_a_buyers_report_moves_the_reputation_at_the_close() -> None:
    """Not before: within an epoch prices and their reasons stand still."""
    market = bazaar()
    market.buy(buyer="ada", listing="sort", key="buy")
    before = market.listing("sort").reputation
    market.review(reviewer="ada", listing="sort", n_good=0, n_bad=50, key="bad")
    assert market.listing("sort").reputation == before
    market.close_epoch()
    record = market.record("sort")
    assert market.listing("sort").reputation == pytest.approx(record.reputation)
    assert record.reputation < before
    assert record.measured == Evidence(8.0, 2.0)  # nobody has sat the exam again (R5)
    assert record.rated.failures == pytest.approx(50 / 11, rel=1e-3)  # saturated at 5 (R3)
    assert record.n_raters == 1


def test_a_report_fades_and_a_newer_one_replaces_it() -> None:
    """After 30 days it counts half; the same user's next report is the only one that counts."""
    clock = HandClock()
    market = bazaar(clock)
    market.buy(buyer="ada", listing="sort", key="buy")
    market.review(reviewer="ada", listing="sort", n_good=0, n_bad=5, key="bad")
    clock.pass_days(30)
    market.close_epoch()
    assert market.record("sort").rated.failures == pytest.approx(2.5 / 1.5)
    market.review(reviewer="ada", listing="sort", n_good=5, n_bad=0, key="better")
    market.close_epoch()
    assert market.record("sort").rated.successes == pytest.approx(2.5)
    assert market.record("sort").rated.failures == 0.0


def test_without_anybody_vouched_for_no_user_counts() -> None:
    """Three buyers and their reports move nothing, and the quote says why; one word changes it."""
    market = bazaar(vouched=False)
    for name in ("ada", "eve", "zoe"):
        market.buy(buyer=name, listing="sort", key=name)
        market.review(reviewer=name, listing="sort", n_good=0, n_bad=50, key=f"{name}-review")
    before = market.listing("sort")
    market.close_epoch()
    after = market.listing("sort")
    assert (after.price_nanos, after.reputation) == (before.price_nanos, before.reputation)
    assert (market.vouched(), market.trust("zoe"), market.record("sort").n_raters) == ([], 0.0, 0)
    words = {term.name: term.words for term in market.quote("sort").terms}
    for name in ("users", "buyers u"):
        assert "nobody is vouched for" in words[name]
    market.vouch("ada", key="vouch")
    market.close_epoch()
    assert market.vouched() == ["ada"]
    assert market.listing("sort").reputation < before.reputation
    assert "vouched" not in {t.name: t.words for t in market.quote("sort").terms}["users"]


def test_each_vouched_buyer_is_one_buyer() -> None:
    """Three of them are three."""
    market = bazaar()
    for name in ("ada", "eve", "zoe"):
        market.vouch(name, key=f"vouch-{name}")
        market.buy(buyer=name, listing="sort", key=name)
    before = market.listing("sort")
    market.close_epoch()
    weight = sum(market.trust(name) for name in ("ada", "eve", "zoe"))
    demand = next_demand(Demand(), weight)
    target = target_nanos(before.ask_nanos, before.reputation, demand.log_premium)
    assert market.listing("sort").price_nanos == step_nanos(before.price_nanos, target)
    assert market.trust("zoe") == pytest.approx(1 / 2.55)  # bob has 3 * .85 times a buyer's


def test_strangers_count_for_nothing() -> None:
    """Ada is vouched for and paid bob; eve only paid: her report and her purchase move nothing."""
    market = bazaar()
    market.buy(buyer="ada", listing="sort", key="ada-sort")
    market.buy(buyer="eve", listing="rhyme", key="eve-rhyme")
    market.review(reviewer="eve", listing="rhyme", n_good=0, n_bad=50, key="slander")
    before = market.listing("rhyme")
    market.close_epoch()
    after = market.listing("rhyme")
    assert (after.price_nanos, after.reputation) == (before.price_nanos, before.reputation)
    assert market.listing("sort").price_nanos > before.price_nanos
    assert (market.trust("ada"), market.trust("eve"), market.trust("tom")) == (1.0, 0.0, 0.0)
    assert market.trust("bob") == pytest.approx(0.85)


def test_vouching_can_be_taken_back() -> None:
    """From the next close on; keys work as everywhere."""
    market = bazaar()
    market.vouch("ada", key="vouch")
    market.close_epoch()
    market.vouch("ada", key="unvouch", vouched=False)
    assert (market.trust("ada"), market.trust("eve")) == (1.0, 0.0)
    market.close_epoch()
    assert (market.trust("ada"), market.trust("eve")) == (0.0, 0.0)
    with pytest.raises(IdempotencyKeyReusedError):
        market.vouch("ada", key="vouch", vouched=False)
    with pytest.raises(AccountNotFoundError):
        market.vouch("nobody", key="vouch-nobody")


def test_a_returned_sale_is_no_demand() -> None:
    """Who was paid back neither raised the price nor trusts the seller."""
    market = bazaar()
    market.appoint_evaluator("zoe", key="appoint")
    market.buy(buyer="ada", listing="sort", key="buy")
    (receipt,) = market.receipts("sort")
    market.recheck(
        receipt=receipt.id, by="zoe", n_correct=30, n_base_correct=30, questions_digest="", key="re"
    )
    market.close_epoch()
    assert market.trust("bob") == 0.0
    record = market.record("sort")
    assert record.measured.successes / record.measured.trials == pytest.approx(0.15)
    assert market.quote("sort").price_nanos < NANOS_PER_CREDIT * 17 // 10


def test_a_new_version_starts_with_a_quarter_of_its_record() -> None:
    """R6: 50 trials of the old version count as at most 10 beside the new exam."""
    market = bazaar()
    (receipt,) = market.receipts("sort")
    market.recheck(receipt=receipt.id, by="platform", n_correct=80, n_base_correct=30, key="again")
    market.publish(
        owner="bob",
        name="sort",
        digest="digest-of-sort-2",
        base_model="tiny-llama",
        niche="sorting",
        ask_nanos=NANOS_PER_CREDIT,
        licence="Apache-2.0",
        version_of="sort",
        receipt=ReceiptFacts(skill="sorting", n_questions=20, n_correct=18, n_base_correct=6),
        key="second",
    )
    market.close_epoch()
    record = market.record("sort")
    assert record.measured == Evidence(9.0, 1.0)
    assert record.inherited.successes == pytest.approx(8.0)
    assert record.inherited.failures == pytest.approx(2.0)


def test_a_use_that_costs_next_to_nothing_is_next_to_no_demand() -> None:
    """Else a ring of accounts could fake demand for a fraction of a cent each."""
    cheap, dear = bazaar(), bazaar()
    cheap.charge(account="ada", listing="sort", units=1, key="use")
    dear.buy(buyer="ada", listing="sort", key="buy")
    for market in (cheap, dear):
        market.close_epoch()
    assert 0.0 < cheap.listing("sort").log_premium < dear.listing("sort").log_premium / 1000


def test_closing_twice_with_the_same_number_is_closing_once() -> None:
    """A repeated call after a crash finds the epoch closed."""
    market = bazaar()
    market.close_epoch(0)
    market.close_epoch(0)
    assert market.epoch() == 1
    assert market.verify() == []


def test_closing_twice_with_the_same_key_is_closing_once() -> None:
    """Whichever epoch it was; the key with another number is another request."""
    market = bazaar()
    market.close_epoch(key="k")
    market.close_epoch(key="k")
    assert market.epoch() == 1
    with pytest.raises(IdempotencyKeyReusedError):
        market.close_epoch(1, key="k")
    market.close_epoch(key="k2")
    assert market.epoch() == 2
    assert market.verify() == []


def test_an_epoch_closes_alike_on_every_database(market_url: str) -> None:
    """Purchases, uses, reports and trust give the same prices on SQLite and on PostgreSQL.

    The use paid half of the layer's price, so that it counts as half a buyer.
    """
    market = open_bazaar(market_url, credits={"ada": 100, "eve": 100, "bob": 0, "tom": 0})
    put_up(market, "bob", "sort")
    put_up(market, "tom", "rhyme")
    market.vouch("ada", key="vouch")
    market.buy(buyer="ada", listing="sort", key="buy")
    market.charge(account="ada", listing="rhyme", units=5_000_000, key="use")
    market.review(reviewer="ada", listing="sort", n_good=9, n_bad=1, key="review")
    first = market.listing("sort").price_nanos
    market.close_epoch()
    prices = {view.name: view.price_nanos for view in market.listings()}
    sort = lower_bound(Evidence(8 + 9 / 3, 2 + 1 / 3))  # ten trials of one user count as 10/3
    whole, half = next_demand(Demand(), 1.0), next_demand(Demand(), 0.5)
    assert prices == {
        "rhyme": target_nanos(NANOS_PER_CREDIT, stated_reputation(100, 80), half.log_premium),
        "sort": step_nanos(first, target_nanos(NANOS_PER_CREDIT, sort, whole.log_premium)),
    }
    assert market.trust("bob") + market.trust("tom") == pytest.approx(0.85)
    assert market.concentration()[0].n_owners == 2
    assert market.returns("sort", cost_nanos=NANOS_PER_CREDIT).roi > 0.0
    market.close()
