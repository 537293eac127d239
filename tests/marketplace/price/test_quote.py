"""Promises of marketplace.price.quote and of the market's answers about prices."""

import pytest

from marketplace.errors import AmountError, ListingNotFoundError
from marketplace.money import NANOS_PER_CREDIT
from tests.support.market import make_market, publish_example
from tests.support.trading import open_bazaar, put_up

TERMS = [
    "exams",
    "users",
    "inherited",
    "reputation L",
    "buyers u",
    "usual ū",
    "premium x",
    "ask",
    "quality",
    "demand",
    "target",
    "last price",
    "floor",
    "price",
    "to platform",
    "to seller",
]


def test_a_quote_explains_ask_quality_demand_and_price() -> None:
    """The shown factors multiply to the shown price: 1 x 1.119671 x 1.000000."""
    market = make_market(credits={"bob": 0})
    publish_example(market, "bob", "sort")
    quote = market.quote("sort")
    assert quote.lines == (
        "ask      1 credit, set by bob",
        "quality  x 1.119671: 80 of 100 right (base model 30) proves at least 0.541",
        "demand   x 1.000000: as many buyers as usual",
        "price    1.119671 credits",
    )
    assert quote.price_nanos == 1_119_671_000


def test_the_long_answer_has_every_term_in_numbers_and_words() -> None:
    """In the order of the formula, each on one line."""
    market = open_bazaar()
    put_up(market, "bob", "sort")
    market.vouch("ada", key="vouch")
    market.buy(buyer="ada", listing="sort", key="buy")
    market.review(reviewer="ada", listing="sort", n_good=4, n_bad=1, key="review")
    market.close_epoch()
    terms = {term.name: term for term in market.quote("sort").terms}
    assert list(terms) == TERMS
    assert terms["exams"].value == "8.00 of 10.00"
    assert "an evaluator's re-run" in terms["exams"].words
    assert terms["users"].words.startswith("reports of 1 users")
    assert terms["buyers u"].value == "1.000"
    assert terms["last price"].value == "1.119671 credits"
    assert all("\n" not in term.line() and term.words for term in terms.values())


def test_royalties_show_in_the_quote_of_a_fork() -> None:
    """Platform, seller and ancestor add up to the price."""
    market = open_bazaar()
    root = put_up(market, "bob", "sort")
    put_up(market, "tom", "sort-fast", parents=[root.digest])
    terms = [term for term in market.quote("sort-fast").terms if term.name.startswith("to ")]
    assert [term.name for term in terms] == ["to platform", "to seller", "to ancestor"]
    assert terms[-1].words.startswith("bob")
    shown = sum(float(term.value.split()[0]) for term in terms)
    assert shown == pytest.approx(market.quote("sort-fast").price_nanos / NANOS_PER_CREDIT)


def test_returns_compare_income_with_the_cost_of_training() -> None:
    """One sale at 1.119671 brings the seller nine tenths of it."""
    market = open_bazaar()
    put_up(market, "bob", "sort")
    market.buy(buyer="ada", listing="sort", key="buy")
    returns = market.returns("sort", cost_nanos=50 * NANOS_PER_CREDIT)
    assert returns.net_nanos == 1_007_703_900
    assert returns.roi == pytest.approx(-0.98, abs=1e-3)
    with pytest.raises(AmountError):
        market.returns("sort", cost_nanos=0)
    with pytest.raises(ListingNotFoundError):
        market.returns("sorted", cost_nanos=1)


def test_concentration_is_published_per_skill() -> None:
    """One seller of sorting has it all; the whole market is shared by two."""
    market = open_bazaar()
    put_up(market, "bob", "sort")
    put_up(market, "tom", "rhyme", skill="rhyming")
    for listing in ("sort", "rhyme"):
        market.buy(buyer="ada", listing=listing, key=listing)
    everything, *skills = market.concentration()
    assert (everything.skill, everything.n_owners) == ("all", 2)
    assert everything.hhi == pytest.approx(0.5)
    assert everything.gini == pytest.approx(0.0)
    assert [(c.skill, c.hhi) for c in skills] == [("rhyming", 1.0), ("sorting", 1.0)]
