"""Promises of marketplace.trade.debts: what is to be paid back is reached, or stays owed."""

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from marketplace.errors import StatusError
from marketplace.market import Market
from tests.support.trading import HandClock, balances, open_bazaar, purchases, put_up

DIGEST = "digest-of-sort"


def refute(market: Market, listing: str = "sort", n_correct: int = 31) -> None:
    """The platform sits the exam again and finds hardly more than the base model's score."""
    (receipt,) = market.receipts(listing)
    market.recheck(
        receipt=receipt.id,
        by="platform",
        n_correct=n_correct,
        n_base_correct=30,
        key=f"refute-{listing}",
    )


def sold(market: Market, seller: str = "bob") -> int:
    """Ada buys 'sort'; what the seller has of it now."""
    market.buy(buyer="ada", listing="sort", key="sale")
    return market.account(seller).balance_nanos


def into_a_mandate(market: Market, nanos: int) -> None:
    """All of it, under a cap that is nearly used up."""
    market.open_mandate(owner="bob", name="purse", cap_nanos=1, key="open")
    market.fund_mandate("bob/purse", nanos, key="move")


def into_a_hold(market: Market, nanos: int) -> None:
    """A promise to nobody, for a hundred years."""
    market.hold(payer="bob", amount_nanos=nanos, purpose="mine", expires_at=4e9, key="hold")


def into_a_hold_of_a_mandate(market: Market, nanos: int) -> None:
    """Both."""
    market.open_mandate(owner="bob", name="purse", cap_nanos=10**12, key="open")
    market.fund_mandate("bob/purse", nanos, key="move")
    market.hold(payer="bob/purse", amount_nanos=nanos, purpose="mine", expires_at=4e9, key="hold")


def into_a_bounty(market: Market, nanos: int) -> None:
    """For what nobody will ever achieve."""
    market.bounty_post(
        sponsor="bob",
        skill="sorting",
        base_model="tiny-llama",
        exam="never",
        min_questions=10**6,
        min_accuracy_parts=10**6,
        reward_nanos=nanos,
        days=366,
        key="park",
    )


def into_a_trial(market: Market, nanos: int) -> None:
    """Of a friend's layer, as dear as it takes."""
    put_up(market, "tom", "friend", ask_nanos=8 * nanos // 10)
    market.trial_open(
        buyer="bob",
        listing="friend",
        challenge_digest="d",
        n_questions=9,
        min_gain=9,
        days=30,
        key="park",
    )


def into_a_subscription(market: Market, nanos: int) -> None:
    """That is never used."""
    market.subscribe(account="bob", fee_nanos=nanos, days=366, key="park")


def into_a_meter(market: Market, nanos: int) -> None:
    """With a single unit read."""
    put_up(market, "tom", "friend")
    meter = market.meter_open(account="bob", listing="friend", limit_nanos=nanos, days=366, key="m")
    market.meter_use(meter=meter.meter, units=1, key="read")


HIDING = (
    into_a_mandate,
    into_a_hold,
    into_a_hold_of_a_mandate,
    into_a_bounty,
    into_a_trial,
    into_a_subscription,
    into_a_meter,
)


@pytest.mark.parametrize("hide", HIDING)
def test_no_hiding_place_keeps_a_refund(
    market: Market, clock: HandClock, hide: Callable[[Market, int], None]
) -> None:
    """Whatever the seller did with the proceeds before the verdict, they are still his."""
    start = balances(market)["ada"]
    market.fund("bob", 10**9, key="pocket-money")  # for a trial's rent, a meter's unit
    hide(market, sold(market) - (10**9 if hide in (into_a_trial, into_a_meter) else 0))
    if hide not in (into_a_trial, into_a_meter):
        bob = market.account("bob")
        assert bob.balance_nanos - bob.held_nanos < 10**9
    refute(market)
    assert balances(market)["ada"] == start
    assert market.owed() == []
    assert not market.owns("ada", DIGEST)
    assert market.verify() == []


def test_what_is_spent_stays_owed_and_every_sweep_asks_again(market: Market) -> None:
    """Shown to both sides, oldest first; who has paid a part is shown with the rest."""
    start = balances(market)["ada"]
    put_up(market, "tom", "dear", ask_nanos=10**9)
    sold(market)
    market.fund("bob", 2 * 10**8, key="little")
    market.buy(buyer="bob", listing="dear", key="spend")
    refute(market)
    (debt,) = market.owed()
    assert (debt.debtor, debt.creditor, debt.listing) == ("bob", "ada", "sort")
    assert debt.claimed_nanos == debt.paid_nanos + debt.owed_nanos
    assert balances(market)["ada"] + debt.owed_nanos == start
    assert market.owed("bob") == market.owed("ada") == [debt] and market.owed("tom") == []
    assert market.sweep().repaid == ()
    assert market.owed() == [debt]  # nothing was there, and nothing changed
    market.fund("bob", debt.owed_nanos - 1, key="nearly")
    assert market.sweep().repaid == ()
    assert market.owed()[0].owed_nanos == 1
    assert market.owns("ada", DIGEST)
    market.fund("bob", 5, key="the-rest")
    assert market.sweep().repaid == (debt.transfer,)
    assert (market.owed(), balances(market)["bob"]) == ([], 4)
    assert balances(market)["ada"] == start
    assert not market.owns("ada", DIGEST)
    assert market.verify() == []


def test_the_next_income_pays_first(market: Market) -> None:
    """In its own transaction, whatever brings it and to whichever account of the debtor."""
    start = balances(market)["ada"]
    market.open_mandate(owner="bob", name="shop", cap_nanos=1, key="open")
    put_up(market, "bob/shop", "other")
    put_up(market, "tom", "dear", ask_nanos=10**9)
    sold(market)
    market.fund("bob", 2 * 10**8, key="little")
    market.buy(buyer="bob", listing="dear", key="spend")
    refute(market)
    (debt,) = market.owed()
    before = balances(market)
    market.charge(account="eve", listing="other", units=10**6, key="use")
    after = balances(market)
    income = before["eve"] - after["eve"] - (after["platform"] - before["platform"])
    assert 0 < income < debt.owed_nanos
    assert after["ada"] - before["ada"] == income
    assert after["bob/shop"] == 0
    assert market.owed()[0].owed_nanos == debt.owed_nanos - income
    market.buy(buyer="eve", listing="other", key="sale-2")
    assert market.owed() == []
    assert balances(market)["ada"] == start
    assert balances(market)["bob"] + balances(market)["bob/shop"] > 0
    assert market.verify() == []


def test_an_income_that_owes_nobody_anything_is_kept(market: Market) -> None:
    """The usual case."""
    assert sold(market) == purchases(market)[0].creator_nanos


def test_ancestors_and_the_platform_give_back_their_part(market: Market) -> None:
    """One who has spent some of it owes that, and the others' part reaches the buyer at once."""
    put_up(market, "tom", "child", parents=["sort"])
    put_up(market, "zoe", "toy", ask_nanos=10**7)
    sale = market.buy(buyer="ada", listing="child", key="sale")
    spent = market.buy(buyer="bob", listing="toy", key="spend").price_nanos
    before = balances(market)
    refute(market, "child")
    assert [(one.debtor, one.owed_nanos) for one in market.owed()] == [("bob", spent)]
    assert balances(market)["ada"] - before["ada"] == sale.price_nanos - spent
    assert (balances(market)["bob"], balances(market)["tom"]) == (0, 0)


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    kept=st.integers(0, 2 * 10**9),
    grants=st.lists(st.integers(1, 10**9), max_size=6),
    mandate=st.booleans(),
)
def test_paid_and_owed_are_always_what_was_claimed(
    kept: int, grants: list[int], mandate: bool
) -> None:
    """Whatever the seller has left, and in whatever pieces money comes; no credit is made."""
    with open_bazaar() as market:
        put_up(market, "bob", "sort")
        put_up(market, "tom", "dear")
        start = balances(market)["ada"]
        has = sold(market)
        spare = max(0, market.listing("dear").price_nanos + kept - has)
        if spare:
            market.fund("bob", spare, key="spare")
        market.buy(buyer="bob", listing="dear", key="spend")
        left = market.account("bob").balance_nanos
        if mandate and left:
            into_a_mandate(market, left)
        refute(market)
        for number, nanos in enumerate(grants):
            market.fund("bob", nanos, key=f"grant-{number}")
            market.collect_owed("ada" if number % 2 else None)
        owed = sum(one.owed_nanos for one in market.owed())
        assert balances(market)["ada"] + owed == start
        assert market.owns("ada", DIGEST) == bool(owed)
        assert sum(balances(market).values()) == 0
        assert market.verify() == []


def test_an_owner_withdraws_what_was_sold_and_cannot_take_it_back(market: Market) -> None:
    """Bought is for good: only what nobody paid for may be revoked by who made it."""
    sold(market)
    with pytest.raises(StatusError, match="continuum market withdraw sort"):
        market.revoke(listing="sort", by="bob", reason="changed my mind", key="r")
    market.withdraw(listing="sort", by="bob", key="w")
    assert market.may_fetch("ada", DIGEST)


def test_a_revocation_pays_back_what_it_takes(market: Market, clock: HandClock) -> None:
    """Sales however old, running rentals whole, held prices released; what was used up stays."""
    start = balances(market)
    market.buy(buyer="ada", listing="sort", key="sale")
    clock.pass_days(200)
    market.rent(renter="eve", listing="sort", days=30, key="rent")
    clock.pass_days(10)
    market.open_account("kim")
    market.fund("kim", 10**10, key="kim")
    market.trial_open(
        buyer="kim", listing="sort", challenge_digest="d", n_questions=9, min_gain=1, key="try"
    )
    market.revoke(listing="sort", by="platform", reason="stolen", key="r")
    after = balances(market)
    assert (after["ada"], after["eve"], after["kim"]) == (start["ada"], start["eve"], 10**10)
    assert market.account("kim").held_nanos == 0
    assert market.owed() == [] and market.verify() == []
    assert not market.owns("ada", DIGEST) and not market.may_fetch("eve", DIGEST)


def test_a_rental_that_was_over_is_not_paid_back(market: Market, clock: HandClock) -> None:
    """It was used to its end before anything was taken away."""
    market.rent(renter="eve", listing="sort", days=1, key="rent")
    clock.pass_days(2)
    before = balances(market)
    market.revoke(listing="sort", by="platform", reason="stolen", key="r")
    assert balances(market) == before


def test_a_quarantine_without_an_end_counts_as_a_revocation(
    market: Market, clock: HandClock
) -> None:
    """For fourteen days it is a question; a release before then takes nothing from anybody."""
    start = balances(market)["ada"]
    sold(market)
    clock.pass_days(1)
    market.quarantine(listing="sort", by="platform", reason="looked at", key="q")
    clock.pass_days(13.9)
    assert market.sweep().repaid == ()
    market.release(listing="sort", by="platform", reason="fine", key="rel")
    clock.pass_days(1)
    assert market.sweep().repaid == () and market.may_fetch("ada", DIGEST)
    market.quarantine(listing="sort", by="platform", reason="again", key="q2")
    clock.pass_days(14)
    assert len(market.sweep().repaid) == 1
    assert balances(market)["ada"] == start
    assert market.sweep().repaid == () and market.verify() == []


def test_the_operator_refunds_from_wherever_the_money_is(market: Market) -> None:
    """By hand it is whole or not at all, as ever; a mandate is no hiding place."""
    start = balances(market)["ada"]
    into_a_mandate(market, sold(market))
    (number,) = {one.transfer_id for one in market.incomes("bob")}
    market.refund(number, key="back")
    assert balances(market)["ada"] == start
    assert market.verify() == []


def test_each_database_keeps_debts(market_url: str) -> None:
    """Owed, shown, paid by an income and by a sweep; files, sales and customers are asked alike."""
    with open_bazaar(market_url) as market:
        put_up(market, "bob", "sort")
        put_up(market, "bob", "other")
        put_up(market, "tom", "dear", ask_nanos=10**9)
        sold(market)
        market.fund("bob", 2 * 10**8, key="little")
        market.buy(buyer="bob", listing="dear", key="spend")
        market.meter_open(account="eve", listing="other", limit_nanos=10**9, days=9, key="meter")
        assert not market.may_fetch("eve", "digest-of-other")
        with pytest.raises(StatusError):
            market.revoke(listing="other", by="bob", reason="mine", key="no")
        market.revoke(listing="sort", by="platform", reason="stolen", key="gone")
        (debt,) = market.owed("ada")
        market.charge(account="eve", listing="other", units=10**6, key="use")
        assert market.owed()[0].owed_nanos < debt.owed_nanos
        market.fund("bob", debt.owed_nanos, key="found")
        assert market.sweep().repaid == (debt.transfer,)
        assert (market.owed(), market.listing("sort").sales) == ([], 0)
        assert market.verify() == []
