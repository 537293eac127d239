"""Promises of marketplace.trade.settlement."""

from hypothesis import given
from hypothesis import strategies as st

from marketplace.formula.royalty import WHOLE, Share, split
from marketplace.money import INT64_MAX
from marketplace.trade.incomes import SELLER
from marketplace.trade.settlement import Part, Payment, divide, legs, payees

AMOUNTS = st.integers(1, INT64_MAX)
SHARES = st.lists(st.integers(1, WHOLE), max_size=5).map(
    lambda parts: tuple(
        Share(f"ancestor-{place}", part // max(1, len(parts))) for place, part in enumerate(parts)
    )
)
PARTS = st.lists(st.tuples(SHARES, st.integers(1, 10**12)), min_size=1, max_size=6).map(
    lambda drawn: tuple(
        Part(f"layer-{place}", f"seller-{place}", shares, weight)
        for place, (shares, weight) in enumerate(drawn)
    )
)


def payment(gross_nanos: int, parts: tuple[Part, ...], *, payer: str = "ada") -> Payment:
    """A payment without circumstances."""
    return Payment("sale", payer, payer, gross_nanos, parts, epoch=0, memo="")


@given(AMOUNTS, PARTS)
def test_every_unit_goes_somewhere_once(gross_nanos: int, parts: tuple[Part, ...]) -> None:
    """Fee and incomes add up to the gross exactly; the fee is a tenth, rounded up."""
    division = divide(gross_nanos, parts)
    assert division.fee_nanos == -(-gross_nanos // 10)
    assert division.fee_nanos + sum(income[3] for income in division.incomes) == gross_nanos
    assert all(nanos > 0 for *_, nanos in division.incomes)


@given(AMOUNTS, PARTS)
def test_every_seller_keeps_at_least_four_fifths(gross_nanos: int, parts: tuple[Part, ...]) -> None:
    """Of what the own listing brought after the fee, however many ancestors there are."""
    division = divide(gross_nanos, parts)
    for part in parts:
        own = [income for income in division.incomes if income[0] == part.source]
        net = sum(nanos for *_, nanos in own)
        assert 5 * sum(nanos for _, _, role, nanos in own if role == SELLER) >= 4 * net


@given(AMOUNTS, SHARES)
def test_one_listing_is_split_like_the_formula_says(
    gross_nanos: int, shares: tuple[Share, ...]
) -> None:
    """P2 in `marketplace.formula.royalty` and the payments agree to the unit."""
    expected = split(gross_nanos, shares)
    division = divide(gross_nanos, (Part("layer", "bob", shares),))
    paid = {account: nanos for _, account, _, nanos in division.incomes}
    assert division.fee_nanos == expected.fee_nanos
    assert paid.pop("bob", 0) == expected.seller_nanos
    assert paid == dict(expected.royalties)


@given(AMOUNTS, PARTS, st.sampled_from(["ada", "seller-0", "ancestor-0"]))
def test_legs_sum_to_zero_whoever_pays(
    gross_nanos: int, parts: tuple[Part, ...], payer: str
) -> None:
    """Also when the payer is among the payees: one leg per account, none of them zero."""
    one = payment(gross_nanos, parts, payer=payer)
    moved = legs(one, divide(gross_nanos, parts))
    assert sum(leg.amount_nanos for leg in moved) == 0
    assert len({leg.account for leg in moved}) == len(moved)
    assert all(leg.amount_nanos for leg in moved)


def test_the_surplus_is_the_platforms() -> None:
    """Scarcity pays nobody who could fake it: 1000 at the ask, 500 on top."""
    one = Payment("compute", "ada", "ada", 1000, (Part("gpu", "bob"),), 0, "", surplus_nanos=500)
    assert payees(one, divide(1000, one.parts)) == {"platform": 600, "bob": 900}
