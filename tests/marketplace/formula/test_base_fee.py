"""Promises of marketplace.formula.price."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketplace.errors import InvalidInputError
from marketplace.formula.price import next_base_fee
from marketplace.money import INT64_MAX

fees = st.integers(8, INT64_MAX // 2)
slots = st.integers(1, 10**6)


@given(fees, slots, st.data())
def test_the_fee_moves_by_at_most_an_eighth(fee: int, capacity: int, data: st.DataObject) -> None:
    """Up when more than half is used, down when less, unchanged at one half."""
    used = data.draw(st.integers(0, capacity))
    after = next_base_fee(fee, used=used, capacity=capacity)
    assert fee - fee // 8 <= after <= fee + fee // 8
    assert (after > fee) == (2 * used > capacity)
    if 2 * used == capacity:
        assert after == fee


@given(fees, st.integers(1, 1000), st.data())
def test_more_use_never_makes_it_cheaper(fee: int, capacity: int, data: st.DataObject) -> None:
    """The fee is monotone in utilisation."""
    less = data.draw(st.integers(0, capacity))
    more = data.draw(st.integers(less, capacity))
    assert next_base_fee(fee, used=less, capacity=capacity) <= next_base_fee(
        fee, used=more, capacity=capacity
    )


def test_full_machines_get_dearer_until_half_of_the_demand_is_priced_out() -> None:
    """200 slots, buyers who value one at 1..1000: about 100 are sold, to valuations above 900."""
    fee = 10
    for _ in range(200):
        used = min(200, sum(1 for value in range(1, 1001) if value >= fee))
        fee = next_base_fee(fee, used=used, capacity=200)
    assert 860 <= fee <= 940


def test_idle_machines_fall_back_to_the_owners_ask() -> None:
    """And no further."""
    fee = 10**9
    for _ in range(300):
        fee = next_base_fee(fee, used=0, capacity=4, floor_nanos=500)
    assert fee == 500


def test_filling_ones_own_slots_costs_more_than_it_brings() -> None:
    """An owner who buys all its slots for 50 blocks never earns above its ask afterwards."""
    ask = fee = 1000
    spent = earned = 0
    for _ in range(50):
        spent += 100 * fee
        earned += 100 * ask * 9 // 10  # `tests/marketplace/trade/test_compute.py`: never more
        fee = next_base_fee(fee, used=100, capacity=100, floor_nanos=ask)
    assert earned < spent


def test_impossible_utilisation_is_refused() -> None:
    """No more can be used than there is."""
    for used, capacity in ((3, 2), (-1, 2), (0, 0)):
        with pytest.raises(InvalidInputError, match="count the block again"):
            next_base_fee(10, used=used, capacity=capacity)
