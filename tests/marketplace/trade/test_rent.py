"""Promises of marketplace.trade.rent and of the terms in marketplace.trade.terms."""

import pytest

from marketplace.errors import (
    AlreadyOwnedError,
    AmountError,
    IdempotencyKeyReusedError,
    InvalidInputError,
    NotOfferedError,
    NotOwnerError,
    PriceAboveLimitError,
)
from marketplace.market import Market
from tests.support.trading import HandClock, balances, gains, put_up


def test_rent_is_a_share_of_the_running_price(market: Market) -> None:
    """Five per cent a day unless the seller says otherwise; fee and seller as in any sale."""
    price = market.listing("sort").price_nanos
    before = balances(market)
    rental = market.rent(renter="ada", listing="sort", days=3, key="rent")
    assert rental.price_nanos == 3 * (price // 20)
    fee = -(-rental.price_nanos // 10)
    assert gains(before, balances(market)) == {
        "ada": -rental.price_nanos,
        "bob": rental.price_nanos - fee,
        "platform": fee,
    }


def test_renewing_adds_to_the_days_that_are_left(market: Market, clock: HandClock) -> None:
    """Nobody loses paid days; after a gap, renting starts anew."""
    first = market.rent(renter="ada", listing="sort", days=2, key="one")
    clock.pass_days(1)
    second = market.rent(renter="ada", listing="sort", days=2, key="two")
    assert second.starts_at == first.ends_at
    clock.pass_days(10)
    assert market.rent(renter="ada", listing="sort", days=1, key="three").starts_at == clock.now


def test_a_lost_answer_is_repeated_not_paid_again(market: Market) -> None:
    """Same key, same rental; another number of days under it is refused."""
    first = market.rent(renter="ada", listing="sort", days=2, key="rent")
    before = balances(market)
    again = market.rent(renter="ada", listing="sort", days=2, key="rent")
    assert again.replayed
    assert (again.rental, again.ends_at) == (first.rental, first.ends_at)
    assert balances(market) == before
    with pytest.raises(IdempotencyKeyReusedError):
        market.rent(renter="ada", listing="sort", days=3, key="rent")


def test_owners_do_not_rent(market: Market) -> None:
    """What is owned for good costs nothing more."""
    market.buy(buyer="ada", listing="sort", key="sale")
    with pytest.raises(AlreadyOwnedError):
        market.rent(renter="ada", listing="sort", days=1, key="rent")


def test_a_limit_guards_the_rent(market: Market) -> None:
    """One nano-credit below the rent is too little."""
    cost = market.terms("sort").rent_day_nanos
    assert cost is not None
    with pytest.raises(PriceAboveLimitError):
        market.rent(renter="ada", listing="sort", days=1, key="r", max_price_nanos=cost - 1)
    market.rent(renter="ada", listing="sort", days=1, key="r", max_price_nanos=cost)


def test_the_seller_decides_what_is_offered(market: Market) -> None:
    """Zero parts mean not at all; nobody sets another's terms."""
    market.set_terms(owner="bob", listing="sort", rent_day_parts=0, use_parts=0, key="none")
    with pytest.raises(NotOfferedError, match="not offered for rent"):
        market.rent(renter="ada", listing="sort", days=1, key="r")
    with pytest.raises(NotOfferedError, match="not offered by use"):
        market.charge(account="ada", listing="sort", units=1, key="u")
    with pytest.raises(NotOwnerError):
        market.set_terms(owner="eve", listing="sort", use_parts=1, key="foreign")
    market.set_terms(owner="bob", listing="sort", rent_day_parts=1_000_000, key="dear")
    assert market.terms("sort").rent_day_nanos == market.terms("sort").price_nanos


@pytest.mark.parametrize("parts", [-1, 1_000_001, 0.5, True])
def test_terms_are_whole_parts_of_the_price(market: Market, parts: int) -> None:
    """Negative, more than everything, a float or a bool is no share."""
    with pytest.raises(AmountError):
        market.set_terms(owner="bob", listing="sort", rent_day_parts=parts, key="bad")


@pytest.mark.parametrize("days", [0, -1, 367, 1.5])
def test_rentals_last_whole_days_within_a_year(market: Market, days: int) -> None:
    """Anything else is refused before a credit moves."""
    with pytest.raises(InvalidInputError):
        market.rent(renter="ada", listing="sort", days=days, key="r")


def test_rent_pays_royalties(market: Market) -> None:
    """An ancestor earns from rent as from a sale: 3/4 of the pool for the only one, the root."""
    put_up(market, "tom", "sort2", parents=["sort"])
    before = balances(market)
    rental = market.rent(renter="ada", listing="sort2", days=1, key="rent")
    net = rental.price_nanos - -(-rental.price_nanos // 10)
    assert gains(before, balances(market))["bob"] == pytest.approx(net // 5 * 3 / 4, abs=2)
