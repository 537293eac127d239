"""Promises of marketplace.ledger.mandate."""

import pytest

from marketplace.errors import (
    CapExceededError,
    HouseAccountError,
    InsufficientCreditsError,
    MandateError,
)
from marketplace.ledger.book import Leg
from marketplace.ledger.ledger import Entry, Posted, post_many
from marketplace.market import Market
from tests.support.market import make_market

SHOPPER = "ada/shopper"


@pytest.fixture
def market() -> Market:
    """Ada's shopper may spend 100 nano-credits in all and has 150."""
    market = make_market(credits={"ada": 1, "bob": 0})
    market.open_mandate(owner="ada", name="shopper", cap_nanos=100, key="open")
    market.fund_mandate(SHOPPER, 150, key="fund")
    return market


def spend(market: Market, amount: int, key: str) -> object:
    """The shopper pays Bob; the ledger's answer."""
    with market._database.write() as session:
        legs = (Leg(SHOPPER, -amount), Leg("bob", amount))
        return post_many(session, [Entry(key, "gift", "", legs)], at=1.0)[0]


def test_the_cap_bounds_all_spending_together(market: Market) -> None:
    """60 and 40 pass; one more is refused although 50 are there; new funds do not help."""
    assert isinstance(spend(market, 60, "a"), Posted)
    assert isinstance(spend(market, 41, "b"), CapExceededError)
    assert isinstance(spend(market, 40, "c"), Posted)
    market.fund_mandate(SHOPPER, 500, key="more")
    assert isinstance(spend(market, 1, "d"), CapExceededError)
    view = market.account(SHOPPER)
    assert (view.spent_nanos, view.cap_nanos, view.owner) == (100, 100, "ada")
    assert market.verify() == []


def test_open_holds_count_against_the_cap_and_closed_ones_do_not(market: Market) -> None:
    """Otherwise a mandate could promise its cap twice."""
    hold = market.hold(payer=SHOPPER, amount_nanos=70, purpose="", expires_at=9e9, key="h")
    assert isinstance(spend(market, 31, "a"), CapExceededError)
    with pytest.raises(CapExceededError, match=r"0\.00000003 credits are left"):
        market.hold(payer=SHOPPER, amount_nanos=31, purpose="", expires_at=9e9, key="h2")
    market.void_hold(hold, key="v")
    assert isinstance(spend(market, 100, "b"), Posted)
    assert market.verify() == []


def test_the_owner_takes_back_what_is_left(market: Market) -> None:
    """Everything that is not held goes home, once, and is no spending."""
    market.hold(payer=SHOPPER, amount_nanos=20, purpose="", expires_at=9e9, key="h")
    for _ in range(2):
        market.reclaim_mandate(SHOPPER, key="home")
    view = market.account(SHOPPER)
    assert (view.balance_nanos, view.held_nanos, view.spent_nanos) == (20, 20, 0)
    assert market.account("ada").balance_nanos == 10**9 - 20
    assert market.verify() == []


def test_a_mandate_spends_no_more_than_it_was_given(market: Market) -> None:
    """A cap is no credit."""
    market.open_mandate(owner="ada", name="poor", cap_nanos=10**12, key="p")
    with pytest.raises(InsufficientCreditsError):
        market.hold(payer="ada/poor", amount_nanos=1, purpose="", expires_at=9e9, key="h")
    with pytest.raises(InsufficientCreditsError):
        market.fund_mandate("ada/poor", 10**9, key="f")


def test_mandates_that_cannot_be_are_refused(market: Market) -> None:
    """Of a mandate, of the house, under a taken name; and only mandates are reclaimed."""
    for owner, name, error in (
        (SHOPPER, "x", MandateError),
        ("platform", "x", HouseAccountError),
        ("ada", "shopper", MandateError),
    ):
        with pytest.raises(error):
            market.open_mandate(owner=owner, name=name, cap_nanos=1, key="k")
    with pytest.raises(MandateError):
        market.reclaim_mandate("ada", key="k")
    assert [view.name for view in market.mandates("ada")] == [SHOPPER]
