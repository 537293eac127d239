"""Promises of marketplace.trade.returns."""

import pytest

from marketplace.errors import (
    AlreadyOwnedError,
    HoldClosedError,
    NotDueError,
    RefundExceededError,
    UnpaidReviewError,
)
from marketplace.market import Market
from tests.support.trading import HandClock, balances, gains, put_up


def refute(market: Market, listing: str = "sort") -> None:
    """The platform sits the exam again and finds the base model's score."""
    (receipt,) = market.receipts(listing)
    market.recheck(
        receipt=receipt.id, by="platform", n_correct=30, n_base_correct=30, key=f"refute-{listing}"
    )


def test_a_failed_receipt_undoes_its_sales(market: Market, clock: HandClock) -> None:
    """To the unit, fee and royalties included; the buyer owns the layer no longer."""
    put_up(market, "tom", "sort2", parents=["sort"])
    before = balances(market)
    clock.pass_days(1)
    market.buy(buyer="ada", listing="sort2", key="sale")
    market.buy(buyer="eve", listing="sort2", key="sale2")
    clock.pass_days(1)
    refute(market, "sort2")
    assert balances(market) == before
    assert not market.owns("ada", "digest-of-sort2")
    assert market.verify() == []


def test_nobody_is_paid_back_twice(market: Market, clock: HandClock) -> None:
    """Asking again finds nothing left to return."""
    clock.pass_days(1)
    market.buy(buyer="ada", listing="sort", key="sale")
    clock.pass_days(1)
    refute(market)
    before = balances(market)
    assert market.return_failed(listing="sort").returned == ()
    assert balances(market) == before


def test_a_seller_who_spent_the_money_pays_later(market: Market, clock: HandClock) -> None:
    """What is there is paid at once; the buyer keeps the layer until the same call has the rest."""
    put_up(market, "tom", "dear")
    clock.pass_days(1)
    sale = market.buy(buyer="ada", listing="sort", key="sale")
    market.fund("bob", 200_000_000, key="little")
    spent = market.buy(buyer="bob", listing="dear", key="spend")
    clock.pass_days(1)
    start = balances(market)
    refute(market)
    assert market.owns("ada", "digest-of-sort")
    report = market.return_failed(listing="sort")
    assert (report.returned, len(report.waiting)) == ((), 1)
    market.fund("bob", spent.price_nanos, key="earned")
    assert market.return_failed(listing="sort").waiting == ()
    assert gains(start, balances(market))["ada"] == sale.price_nanos
    assert not market.owns("ada", "digest-of-sort")


def test_an_honest_receipt_returns_nothing(market: Market) -> None:
    """Without a failed binding re-run there is no claim to make good."""
    market.buy(buyer="ada", listing="sort", key="sale")
    with pytest.raises(NotDueError):
        market.return_failed(listing="sort")


def test_old_sales_are_out_of_warranty(market: Market, clock: HandClock) -> None:
    """Ninety days after the sale the money stays where it is."""
    market.buy(buyer="ada", listing="sort", key="sale")
    clock.pass_days(91)
    before = balances(market)
    refute(market)
    assert balances(market) == before
    assert market.owns("ada", "digest-of-sort")


def test_who_was_paid_back_is_no_customer(market: Market, clock: HandClock) -> None:
    """No review, no second purchase."""
    clock.pass_days(1)
    market.buy(buyer="ada", listing="sort", key="sale")
    clock.pass_days(1)
    refute(market)
    with pytest.raises(UnpaidReviewError):
        market.review(reviewer="ada", listing="sort", n_good=1, n_bad=0, key="review")
    if market.listing("sort").status == "listed":
        with pytest.raises(AlreadyOwnedError, match="was paid back"):
            market.buy(buyer="ada", listing="sort", key="again")


def test_a_payment_is_given_back_whole_and_ends_what_it_bought(market: Market) -> None:
    """Part of a sale, or the same sale twice, is refused; all of it takes the layer back."""
    sale = market.buy(buyer="ada", listing="sort", key="sale")
    rental = market.rent(renter="eve", listing="sort", days=5, key="rent")
    (number,) = {income.transfer_id for income in market.incomes("bob") if income.way == "sale"}
    with pytest.raises(RefundExceededError, match="whole or not at all"):
        market.refund(number, amount_nanos=sale.price_nanos - 1, key="part")
    before = balances(market)
    market.refund(number, key="whole")
    market.refund(rental.rental, key="rent-back")
    assert gains(before, balances(market))["ada"] == sale.price_nanos
    assert not market.may_use("ada", "digest-of-sort")
    assert not market.may_use("eve", "digest-of-sort")
    assert market.incomes("bob") == []
    with pytest.raises(RefundExceededError):
        market.refund(number, key="again")


def test_a_user_cannot_void_what_was_used(market: Market) -> None:
    """The hold behind a meter ends by its own rules only."""
    meter = market.meter_open(account="ada", listing="sort", limit_nanos=10**9, days=1, key="m")
    market.meter_use(meter=meter.meter, units=10, key="read")
    with pytest.raises(HoldClosedError, match="belongs to"):
        market.void_hold(meter.meter, key="cheat")
    assert market.meter_close(meter=meter.meter, key="close").due_nanos > 0
