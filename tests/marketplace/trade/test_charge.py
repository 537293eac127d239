"""Promises of marketplace.trade.charge."""

import pytest

from marketplace.errors import (
    AccountNotFoundError,
    AmountError,
    IdempotencyKeyReusedError,
    InsufficientCreditsError,
    ListingNotFoundError,
    MarketError,
)
from marketplace.market import Market
from marketplace.trade.charge import Charge, UsageView
from tests.support.trading import balances, gains, put_up


def paid(answer: UsageView | MarketError) -> int:
    """What a charge cost."""
    assert isinstance(answer, UsageView), answer
    return answer.amount_nanos


def test_a_call_costs_a_fraction_of_a_cent(market: Market) -> None:
    """100 tokens at 0.01 % of the price per 1,000: 11197 nano-credits, to the unit.

    A cent is 10 000 000 nano-credits.
    """
    rate = market.terms("sort").use_rate_nanos
    assert rate == -(-market.listing("sort").price_nanos // 10_000)
    before = balances(market)
    use = market.charge(account="ada", listing="sort", units=100, key="use")
    assert use.amount_nanos == -(-rate // 10) == 11_197
    fee = -(-use.amount_nanos // 10)
    assert gains(before, balances(market)) == {
        "ada": -11_197,
        "bob": 11_197 - fee,
        "platform": fee,
    }


def test_the_smallest_charge_keeps_the_fee_a_tenth(market: Market) -> None:
    """Below ten nano-credits the rounded-up fee would take more."""
    market.set_terms(owner="bob", listing="sort", use_parts=1, key="cheap")
    assert market.charge(account="ada", listing="sort", units=1, key="use").amount_nanos == 10


def test_a_batch_equals_its_charges_one_by_one(market: Market) -> None:
    """Same amounts, same balances, whether posted together or not."""
    put_up(market, "tom", "sort2", parents=["sort"])
    charges = [
        Charge("ada" if n % 2 else "eve", "sort2" if n % 3 else "sort", 7 * n + 1, f"b{n}")
        for n in range(20)
    ]
    before = balances(market)
    together = [paid(answer) for answer in market.charge_many(charges)]
    middle = balances(market)
    single = [
        market.charge(account=c.account, listing=c.listing, units=c.units, key=f"s{c.key}")
        for c in charges
    ]
    assert together == [use.amount_nanos for use in single]
    assert gains(before, middle) == gains(middle, balances(market))
    assert market.verify() == []


def test_a_refused_charge_does_not_stop_the_others(market: Market) -> None:
    """Every kind of refusal is answered in its place."""
    answers = market.charge_many(
        [
            Charge("ada", "sort", 10, "good"),
            Charge("tom", "sort", 10, "poor"),
            Charge("ada", "sorted", 10, "unknown"),
            Charge("nobody", "sort", 10, "nobody"),
            Charge("ada", "sort", 0, "nothing"),
            Charge("eve", "sort", 10, "fine"),
        ]
    )
    assert [type(answer) for answer in answers] == [
        UsageView,
        InsufficientCreditsError,
        ListingNotFoundError,
        AccountNotFoundError,
        AmountError,
        UsageView,
    ]


def test_a_key_charges_once(market: Market) -> None:
    """Repeated later, and repeated within one batch; other units under it are refused."""
    twice = [Charge("ada", "sort", 10, "k"), Charge("ada", "sort", 10, "k")]
    before = balances(market)
    first, second = market.charge_many(twice)
    (third,) = market.charge_many(twice[:1])
    assert isinstance(second, UsageView)
    assert isinstance(third, UsageView)
    assert second.replayed
    assert third.replayed
    assert gains(before, balances(market))["ada"] == -paid(first)
    (other,) = market.charge_many([Charge("ada", "sort", 11, "k")])
    assert isinstance(other, IdempotencyKeyReusedError)
    market.buy(buyer="eve", listing="sort", key="sale")
    (foreign,) = market.charge_many([Charge("ada", "sort", 1, "sale")])
    assert isinstance(foreign, IdempotencyKeyReusedError)


def test_what_is_owned_rented_or_tried_costs_nothing_more(market: Market) -> None:
    """The use is noted with what covers it, and no credit moves."""
    market.buy(buyer="ada", listing="sort", key="sale")
    market.rent(renter="eve", listing="sort", days=1, key="rent")
    before = balances(market)
    answers = market.charge_many([Charge(name, "sort", 10, name) for name in ("ada", "eve", "bob")])
    covers = [answer.covered_by for answer in answers if isinstance(answer, UsageView)]
    assert covers == ["sale", "rent", "own"]
    assert balances(market) == before
    (again,) = market.charge_many([Charge("ada", "sort", 10, "ada")])
    assert isinstance(again, UsageView)
    assert again.replayed


def test_use_of_ones_own_layer_leaves_no_row(market: Market) -> None:
    """It is free and decides nothing, so nobody can fill the disk with it, a mandate neither."""
    market.open_mandate(owner="bob", name="agent", cap_nanos=1, key="open")
    before = rows(market)
    for account in ("bob", "bob/agent"):
        for turn in range(3):
            used = market.charge(account=account, listing="sort", units=10**6, key=f"u{turn}")
            assert (used.covered_by, used.amount_nanos, used.transfer) == ("own", 0, None)
    assert rows(market) == before


def rows(market: Market) -> list[int]:
    """How many uses and requests are stored."""
    with market._database.read() as session:
        ask = session.connection().exec_driver_sql
        return [ask(f"SELECT count(*) FROM {table}").scalar_one() for table in ("usage", "request")]


def test_a_mandate_pays_within_its_cap(market: Market) -> None:
    """The first charge beyond the cap is refused; the owner's own account is not touched."""
    market.open_mandate(owner="ada", name="agent", cap_nanos=20_000, key="open")
    market.fund_mandate("ada/agent", amount_nanos=1_000_000, key="fill")
    before = market.account("ada").balance_nanos
    answers = market.charge_many([Charge("ada/agent", "sort", 100, f"k{n}") for n in range(2)])
    assert paid(answers[0]) == 11_197
    assert isinstance(answers[1], MarketError)
    assert market.account("ada").balance_nanos == before


@pytest.mark.parametrize("units", [0, -1, 2**63, 1.5, True])
def test_units_are_whole_and_positive(market: Market, units: int) -> None:
    """Anything else moves nothing."""
    before = balances(market)
    with pytest.raises(AmountError):
        market.charge(account="ada", listing="sort", units=units, key="k")
    assert balances(market) == before


@pytest.mark.parametrize("account", ["a\x00b", "ada\udc80", "", "x" * 999])
def test_an_account_that_no_column_holds_refuses_its_own_charge_only(
    market: Market, account: str
) -> None:
    """Its neighbours in the batch are charged."""
    refused, charged = market.charge_many(
        [Charge(account, "sort", 5, "bad"), Charge("ada", "sort", 5, "good")]
    )
    assert isinstance(refused, MarketError) and paid(charged) > 0
