"""Promises of marketplace.trade.trial."""

import pytest

from marketplace.errors import (
    AlreadyOwnedError,
    InsufficientCreditsError,
    InvalidInputError,
    OwnLayerError,
    ReceiptError,
    TradeNotFoundError,
    TrialError,
)
from marketplace.market import Market
from marketplace.trade.trial import TrialView
from tests.support.trading import HandClock, balances, gains, purchases, put_up


def start(market: Market, buyer: str = "ada", listing: str = "sort") -> TrialView:
    """A trial on 20 challenges that must gain 5."""
    return market.trial_open(
        buyer=buyer,
        listing=listing,
        challenge_digest="sha256:abc",
        n_questions=20,
        min_gain=5,
        key=f"try-{buyer}-{listing}",
    )


def rent_of(market: Market, listing: str = "sort") -> dict[str, int]:
    """Who gains what from the day's rent that a trial by ada costs."""
    nanos = market.terms(listing).trial_nanos
    fee = -(-nanos // 10)
    return {"ada": -nanos, "bob": nanos - fee, "platform": fee}


def test_a_trial_holds_the_price_and_lends_the_layer(market: Market) -> None:
    """A day's rent is paid, nothing is owned, the layer can be used."""
    before = balances(market)
    trial = start(market)
    assert trial.state == "open"
    assert gains(before, balances(market)) == rent_of(market)
    assert market.account("ada").held_nanos == trial.price_nanos
    assert market.may_use("ada", "digest-of-sort")
    assert not market.owns("ada", "digest-of-sort")


def test_the_buyers_challenges_pay_or_release(market: Market, clock: HandClock) -> None:
    """Gain 5 of 5 wanted: sold at the held price. Gain 4: all held credits are free again."""
    trial = start(market).trial
    before = balances(market)
    won = market.trial_settle(trial=trial, n_correct=12, n_base_correct=7, key="settle-ada")
    assert won.state == "passed"
    fee = -(-won.price_nanos // 10)
    after = balances(market)
    assert gains(before, after) == {
        "ada": -won.price_nanos,
        "bob": won.price_nanos - fee,
        "platform": fee,
    }
    assert market.owns("ada", "digest-of-sort")
    trial = start(market, "eve").trial
    after = balances(market)
    lost = market.trial_settle(trial=trial, n_correct=11, n_base_correct=7, key="settle-eve")
    assert lost.state == "failed"
    assert balances(market) == after
    assert market.account("eve").held_nanos == 0
    clock.pass_days(1)
    assert not market.may_use("eve", "digest-of-sort")


def test_files_are_never_free(market: Market) -> None:
    """Who asks for every answer and reports none has paid what a renter pays, and keeps no more."""
    before = balances(market)
    trial = market.trial_open(
        buyer="ada", listing="sort", challenge_digest="d", n_questions=20, min_gain=20, key="cheat"
    )
    market.trial_settle(trial=trial.trial, n_correct=0, n_base_correct=0, key="nothing-right")
    assert gains(before, balances(market)) == rent_of(market)
    assert market.terms("sort").trial_nanos == market.terms("sort").rent_day_nanos


def test_no_seller_prices_trials_out_of_reach(market: Market) -> None:
    """Without rent, or with a rent as high as the price, a trial costs the usual rent."""
    usual = market.terms("sort").trial_nanos
    assert usual == market.listing("sort").price_nanos // 20
    for number, (parts, nanos) in enumerate(((0, usual), (1_000_000, usual), (1, usual // 50_000))):
        market.set_terms(owner="bob", listing="sort", rent_day_parts=parts, key=f"terms-{number}")
        assert market.terms("sort").trial_nanos == pytest.approx(nanos, abs=1)
    start(market)


def test_rent_and_price_are_needed_together(market: Market) -> None:
    """A limit, and the balance, must reach both; nothing is taken when they do not."""
    price, rent = market.listing("sort").price_nanos, market.terms("sort").trial_nanos
    market.fund("tom", price + rent - 1, key="fund-tom")
    with pytest.raises(InsufficientCreditsError, match="for a day's rent included"):
        start(market, "tom")
    assert market.account("tom").balance_nanos == price + rent - 1
    market.fund("tom", 1, key="one-more")
    assert start(market, "tom").state == "open"


def test_a_repeated_trial_pays_its_rent_once(market: Market) -> None:
    """The key finds the trial that was opened."""
    start(market)
    before = balances(market)
    assert start(market).replayed
    assert balances(market) == before


def test_a_trial_is_decided_once(market: Market) -> None:
    """The same key repeats the answer; a second verdict, either way, is refused."""
    trial = start(market).trial
    market.trial_settle(trial=trial, n_correct=0, n_base_correct=0, key="settle")
    again = market.trial_settle(trial=trial, n_correct=0, n_base_correct=0, key="settle")
    assert again.replayed
    with pytest.raises(TrialError, match="is failed"):
        market.trial_settle(trial=trial, n_correct=20, n_base_correct=0, key="second")
    assert len(purchases(market)) == 0


def test_no_report_in_time_means_no_sale(market: Market, clock: HandClock) -> None:
    """After the days the right is gone, a late verdict refused, and the sweep frees the credits."""
    trial = start(market)
    clock.pass_days(7)
    assert not market.may_use("ada", "digest-of-sort")
    with pytest.raises(TrialError, match="is expired"):
        market.trial_settle(trial=trial.trial, n_correct=20, n_base_correct=0, key="late")
    assert market.sweep().expired == (trial.trial,)
    assert market.account("ada").held_nanos == 0
    assert [view.state for view in market.trials("ada")] == ["expired"]


def test_trials_are_no_free_rent(market: Market) -> None:
    """One per listing ever, three at once."""
    trial = start(market).trial
    market.trial_settle(trial=trial, n_correct=0, n_base_correct=0, key="settle")
    with pytest.raises(TrialError, match="tried listing 'sort' before"):
        market.trial_open(
            buyer="ada",
            listing="sort",
            challenge_digest="d",
            n_questions=9,
            min_gain=1,
            key="again",
        )
    for name in ("a", "b", "c", "d"):
        put_up(market, "bob", name)
    for name in ("a", "b", "c"):
        start(market, listing=name)
    with pytest.raises(TrialError, match="the limit is 3"):
        start(market, listing="d")


def test_the_price_of_the_first_day_holds(market: Market) -> None:
    """A price that moves during the trial changes nothing for who tries."""
    trial = start(market)
    market.buy(buyer="eve", listing="sort", key="sale")
    market.close_epoch()
    market.trial_settle(trial=trial.trial, n_correct=20, n_base_correct=0, key="settle")
    assert purchases(market, "ada")[0].price_nanos == trial.price_nanos


def test_who_bought_meanwhile_is_not_charged_again(market: Market) -> None:
    """A trial that passes after a purchase is refused, and its hold runs out."""
    trial = start(market)
    market.buy(buyer="ada", listing="sort", key="sale")
    before = balances(market)
    with pytest.raises(AlreadyOwnedError):
        market.trial_settle(trial=trial.trial, n_correct=20, n_base_correct=0, key="settle")
    assert balances(market) == before


def test_what_cannot_be_tried(market: Market) -> None:
    """Own layers, without the price, without a yardstick, or with impossible counts."""
    with pytest.raises(OwnLayerError):
        start(market, "bob")
    with pytest.raises(InsufficientCreditsError):
        start(market, "tom")
    for n_questions, min_gain, days in ((0, 0, 1), (5, 6, 1), (5, -1, 1), (5, 1, 31)):
        with pytest.raises(InvalidInputError):
            market.trial_open(
                buyer="ada",
                listing="sort",
                challenge_digest="d",
                n_questions=n_questions,
                min_gain=min_gain,
                days=days,
                key="k",
            )
    trial = start(market).trial
    for n_correct, n_base_correct in ((21, 0), (-1, 0), (0, 21)):
        with pytest.raises(ReceiptError):
            market.trial_settle(
                trial=trial, n_correct=n_correct, n_base_correct=n_base_correct, key="s"
            )
    with pytest.raises(TradeNotFoundError):
        market.trial_settle(trial=1, n_correct=1, n_base_correct=0, key="s")
