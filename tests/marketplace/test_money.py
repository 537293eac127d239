"""Promises of marketplace.money."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketplace.errors import AmountError
from marketplace.money import INT64_MAX, check_amount, format_credits, short_credits, split_price


@pytest.mark.parametrize("value", [True, 1.0, "1", None, 0, -1, INT64_MAX + 1])
def test_only_whole_positive_64_bit_amounts_pass(value: object) -> None:
    """A bool is an int to Python and still no amount of money; a float never is one."""
    with pytest.raises(AmountError, match=r"^[^\n]*nano-credits[^\n]*$"):
        check_amount(value)


@given(st.integers(min_value=1, max_value=INT64_MAX))
def test_split_is_exact_and_the_fee_is_a_tenth_rounded_up(price_nanos: int) -> None:
    """Fee and creator add up to the price; the fee is the smallest whole number >= price / 10."""
    split = split_price(price_nanos)
    assert split.fee_nanos + split.creator_nanos == price_nanos
    assert 0 <= 10 * split.fee_nanos - price_nanos < 10


@pytest.mark.parametrize(
    ("nanos", "text"),
    [
        (0, "0 credits"),
        (10**9, "1 credit"),
        (1_500_000_000, "1.5 credits"),
        (-1, "-0.000000001 credits"),
        (INT64_MAX, "9223372036.854775807 credits"),
    ],
)
def test_credits_are_shown_exactly(nanos: int, text: str) -> None:
    """No digit is lost or invented, down to one nano-credit and up to 64 bits."""
    assert format_credits(nanos) == text


@given(st.integers(min_value=-INT64_MAX, max_value=INT64_MAX))
def test_short_credits_are_cut_never_rounded_up(nanos: int) -> None:
    """Nobody reads more than there is; what is there is never read as nothing."""
    written = short_credits(nanos)
    if 0 < abs(nanos) < 100_000:
        assert written == ("<0.0001" if nanos > 0 else ">-0.0001")
        return
    shown = int(written.strip("-").replace(",", "").replace(".", "")) * 100_000
    assert 0 <= abs(nanos) - shown < 100_000
    assert written.startswith("-") == (nanos < 0)
