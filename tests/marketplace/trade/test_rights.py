"""Promises of marketplace.trade.rights."""

import pytest

from marketplace.listing.listing import UNUSABLE
from marketplace.market import Market
from marketplace.receipt import ReceiptFacts
from tests.support.trading import HandClock, purchases, put_up

DIGEST = "digest-of-sort"


def test_buying_makes_an_owner_and_publishing_is_owning(market: Market) -> None:
    """Nobody else owns the layer, and nobody owns a layer that was never listed."""
    assert market.owns("bob", DIGEST)
    assert not market.owns("ada", DIGEST)
    market.buy(buyer="ada", listing="sort", key="sale")
    assert market.owns("ada", DIGEST)
    assert market.may_use("ada", DIGEST)
    assert not market.owns("eve", DIGEST)
    assert not market.may_use("eve", DIGEST)
    assert not market.owns("ada", "unlisted")
    assert not market.may_use("ada", "unlisted")


@pytest.mark.parametrize(
    ("deed", "status"),
    [("withdraw", "withdrawn"), ("quarantine", "quarantined"), ("revoke", "revoked")],
)
def test_only_what_is_dangerous_is_taken_from_its_owners(
    market: Market, deed: str, status: str
) -> None:
    """A withdrawal stops sales alone; the statuses that forbid use are named in one place."""
    market.buy(buyer="ada", listing="sort", key="sale")
    by = "bob" if deed == "withdraw" else "platform"
    getattr(market, deed)(listing="sort", by=by, reason="test", key="gone")
    assert market.owns("ada", DIGEST) == (status != "revoked")  # who was paid back
    assert market.may_use("ada", DIGEST) == (status not in UNUSABLE)
    assert "withdrawn" not in UNUSABLE
    assert "revoked" in UNUSABLE


def test_a_sale_covers_later_versions(market: Market, clock: HandClock) -> None:
    """The purchase names the version of its day; the right is to the listing."""
    market.buy(buyer="ada", listing="sort", key="sale")
    clock.pass_days(1)
    market.publish(
        owner="bob",
        name="sort",
        digest="second",
        base_model="tiny-llama",
        niche="sorting",
        ask_nanos=10**9,
        licence="Apache-2.0",
        version_of="sort",
        receipt=ReceiptFacts(skill="sorting", n_questions=100, n_correct=90, n_base_correct=30),
        key="v2",
    )
    assert market.may_use("ada", "second")
    assert purchases(market)[0].digest == DIGEST


def test_rented_means_until_the_days_are_over(market: Market, clock: HandClock) -> None:
    """Use is possible to the last second, owning never."""
    market.rent(renter="ada", listing="sort", days=2, key="rent")
    clock.pass_days(1.999)
    assert market.may_use("ada", DIGEST)
    assert not market.owns("ada", DIGEST)
    clock.pass_days(0.001)
    assert not market.may_use("ada", DIGEST)


def test_subscribers_use_only_what_takes_part(market: Market, clock: HandClock) -> None:
    """A seller who opts out keeps the layer to buyers, and the right ends with the days."""
    put_up(market, "tom", "apart")
    market.set_terms(owner="tom", listing="apart", subscribable=False, key="terms")
    market.subscribe(account="ada", fee_nanos=10**9, days=30, key="sub")
    assert market.may_use("ada", DIGEST)
    assert not market.may_use("ada", "digest-of-apart")
    clock.pass_days(30)
    assert not market.may_use("ada", DIGEST)


def test_a_mandate_uses_what_its_owner_has(market: Market) -> None:
    """It spends for its owner and uses for its owner."""
    market.open_mandate(owner="ada", name="shopper", cap_nanos=10**9, key="open")
    market.buy(buyer="ada", listing="sort", key="sale")
    assert market.may_use("ada/shopper", DIGEST)


def test_an_evaluator_fetches_what_it_judges(market: Market) -> None:
    """Listed, withdrawn or quarantined, never revoked; it is no right to use the layer."""
    market.appoint_evaluator("zoe", key="appoint")
    for number, (deed, by) in enumerate(
        (("withdraw", "bob"), ("quarantine", "zoe"), ("release", "zoe"))
    ):
        assert market.may_fetch("zoe", DIGEST) and market.may_fetch("platform", DIGEST)
        assert not market.may_use("zoe", DIGEST)
        assert not market.may_fetch("eve", DIGEST)
        getattr(market, deed)(listing="sort", by=by, reason="test", key=f"deed-{number}")
    assert not market.may_fetch("zoe", "unlisted")
    market.revoke(listing="sort", by="zoe", reason="poisoned", key="gone")
    assert not market.may_fetch("zoe", DIGEST)


def test_judging_covers_no_use(market: Market) -> None:
    """An evaluator that answers questions with a layer pays for them like anybody."""
    market.appoint_evaluator("ada", key="appoint")
    assert market.charge(account="ada", listing="sort", units=1000, key="use").amount_nanos > 0


def test_who_may_use_a_layer_may_fetch_it(market: Market) -> None:
    """Until it is quarantined."""
    market.buy(buyer="ada", listing="sort", key="sale")
    assert market.may_fetch("ada", DIGEST)
    market.quarantine(listing="sort", by="platform", reason="test", key="gone")
    assert not market.may_fetch("ada", DIGEST)
