"""Promises of marketplace.ledger.refund."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketplace.errors import (
    IdempotencyKeyReusedError,
    InsufficientCreditsError,
    RefundExceededError,
    RefusedError,
    TransferNotFoundError,
)
from marketplace.ledger.book import Leg
from marketplace.ledger.ledger import Entry, Posted, post_many
from marketplace.ledger.refund import share_out
from marketplace.market import Market
from tests.support.market import make_market


@pytest.fixture
def market() -> Market:
    """Ada paid 1000 nano-credits as transfer 2: 900 to Bob, 100 to the platform."""
    market = make_market(credits={"ada": 1, "bob": 0})
    legs = (Leg("ada", -1000), Leg("bob", 900), Leg("platform", 100))
    with market._database.write() as session:
        assert post_many(session, [Entry("pay", "gift", "", legs)], at=1.0) == [Posted(2, 1.0)]
    return market


def left(market: Market) -> tuple[int, ...]:
    """What Ada lacks and what the others have, in nano-credits."""
    balances = [market.account(name).balance_nanos for name in ("ada", "bob", "platform")]
    return 10**9 - balances[0], *balances[1:]


def test_a_refund_mirrors_the_payment_in_proportion(market: Market) -> None:
    """A third back is a third from everybody; the rest back leaves nothing."""
    market.refund(2, amount_nanos=333, key="third")
    assert left(market) == (667, 600, 67)
    market.refund(2, key="rest")
    assert left(market) == (0, 0, 0)
    assert market.verify() == []


def test_refunds_together_never_pass_the_payment(market: Market) -> None:
    """600 and 401 are one too many; after all 1000 nothing is left to refund."""
    market.refund(2, amount_nanos=600, key="a")
    with pytest.raises(RefundExceededError, match=r"0\.0000004 credits are left"):
        market.refund(2, amount_nanos=401, key="b")
    market.refund(2, amount_nanos=400, key="c")
    with pytest.raises(RefundExceededError, match="given back whole before"):
        market.refund(2, key="d")
    assert left(market) == (0, 0, 0)


def test_a_repeated_refund_has_one_effect(market: Market) -> None:
    """The same number comes back; another amount under the key is refused."""
    assert market.refund(2, amount_nanos=10, key="a") == market.refund(2, amount_nanos=10, key="a")
    with pytest.raises(IdempotencyKeyReusedError):
        market.refund(2, amount_nanos=11, key="a")
    assert left(market)[0] == 990


def test_what_a_receiver_has_spent_cannot_be_refunded(market: Market) -> None:
    """Nobody goes below zero for a refund; nothing moves."""
    with market._database.write() as session:
        post_many(session, [Entry("out", "gift", "", (Leg("bob", -1), Leg("ada", 1)))], at=2.0)
    with pytest.raises(InsufficientCreditsError, match="'bob'"):
        market.refund(2, key="all")
    assert market.verify() == []


def test_only_payments_are_refunded(market: Market) -> None:
    """Neither refunds, nor holds, nor numbers that do not exist."""
    refund = market.refund(2, amount_nanos=1, key="a")
    hold = market.hold(payer="ada", amount_nanos=1, purpose="", expires_at=9e9, key="h")
    for number in (refund, hold):
        with pytest.raises(RefusedError, match="no payment"):
            market.refund(number, key="b")
    with pytest.raises(TransferNotFoundError):
        market.refund(99, key="b")


@given(
    left=st.dictionaries(st.text("abc", max_size=3), st.integers(1, 2**62), min_size=1),
    data=st.data(),
)
def test_shares_are_exact_and_never_more_than_what_is_left(
    left: dict[str, int], data: st.DataObject
) -> None:
    """Any amount up to the whole: parts sum to it, lie within 1 of the fair share, never above."""
    whole = sum(left.values())
    amount = data.draw(st.integers(0, whole))
    parts = share_out(amount, left)
    assert sum(parts.values()) == amount
    assert all(0 <= parts[name] <= left[name] for name in left)
    assert all(abs(parts[name] * whole - amount * left[name]) < whole for name in left)
