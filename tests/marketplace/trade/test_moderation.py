"""Promises of marketplace.trade.moderation, on SQLite and PostgreSQL."""

from collections.abc import Iterator
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from marketplace.errors import ListingTakenError, MarketError, NotOwnerError, StatusError
from marketplace.listing.listing import QUARANTINED, REVOKED
from marketplace.market import Market
from marketplace.trade.moderation import DEEDS, check_revocations
from tests.support.market import (
    Publish,
    example_weights,
    fair,
    make_market,
    publish_example,
    publisher,
)

ONE, OTHER = example_weights(0), example_weights(1)  # updates that have nothing in common
WHO = {"owner": "bob", "evaluator": "platform", "stranger": "eve"}


@pytest.fixture
def market(market_url: str) -> Iterator[Market]:
    """Ada, Bob, Carol and Eve have ten credits each."""
    with fair(market_url) as market:
        yield market


@pytest.fixture
def publish(market: Market) -> Publish:
    """Publishes a layer with usual values for whatever is not given."""
    return publisher(market)


def do(market: Market, deed: str, by: str, key: str) -> str:
    """The status after a deed to the listing 'sort'."""
    return getattr(market, deed)(listing="sort", by=by, reason="because", key=key).status  # type: ignore[no-any-return]


def test_a_withdrawn_listing_is_kept_by_its_buyers_and_can_come_back(
    market: Market, publish: Any
) -> None:
    """Not shown, not sold, still known by name, still used by who bought it."""
    publish("bob", "sort")
    market.buy(buyer="ada", listing="sort", key="sale")
    assert do(market, "withdraw", "bob", "w") == "withdrawn"
    assert market.listings() == [] and market.search().total == 0
    assert market.may_use("ada", "digest-of-sort")
    with pytest.raises(MarketError, match="withdrawn"):
        market.buy(buyer="eve", listing="sort", key="late")
    assert do(market, "relist", "bob", "r") == "listed"
    assert market.search().total == 1


@pytest.mark.parametrize("deed", ["quarantine", "revoke"])
def test_a_dangerous_layer_is_used_by_nobody(market: Market, publish: Any, deed: str) -> None:
    """Not even by who bought it."""
    publish("bob", "sort")
    market.buy(buyer="ada", listing="sort", key="sale")
    do(market, deed, "platform", "d")
    assert not market.may_use("ada", "digest-of-sort")


def test_a_revoked_layer_is_on_the_signed_list_for_good(market: Market, publish: Any) -> None:
    """It cannot be published again; the list's number has risen."""
    key = Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes_raw().hex()
    publish("bob", "sort")
    now = 1_000_100.0
    before = check_revocations(market.revocations(key), public_key=public, now=now)
    do(market, "revoke", "bob", "r")
    after = check_revocations(market.revocations(key), public_key=public, now=now)
    assert (before.number, after.number) == (0, 1)
    assert after.layers == {"digest-of-sort": "because"}
    with pytest.raises(ListingTakenError):
        publish("ada", "again", digest="digest-of-sort", key="again")


def test_a_revoked_version_makes_room_for_the_next(market: Market, publish: Any) -> None:
    """The listing is for sale again with another update; the old layer stays unusable."""
    publish("bob", "sort", weights=ONE)
    do(market, "revoke", "bob", "r")
    again = publish("bob", "sort", digest="v2", version_of="sort", weights=OTHER)
    assert again.status == "listed"
    assert [v.status for v in market.versions("sort")] == ["listed", "revoked"]


@pytest.mark.parametrize(
    ("deed", "who"),
    [
        ("withdraw", "stranger"),
        ("withdraw", "evaluator"),
        ("quarantine", "owner"),
        ("quarantine", "stranger"),
        ("revoke", "stranger"),
    ],
)
def test_a_deed_is_for_those_who_may(market: Market, publish: Any, deed: str, who: str) -> None:
    """The message names them."""
    publish("bob", "sort")
    with pytest.raises(NotOwnerError, match=r"only .* may .* ask them"):
        do(market, deed, WHO[who], "k")


def test_an_owner_cannot_revoke_its_way_out_of_quarantine(market: Market, publish: Any) -> None:
    """Else the next version would wash the finding away."""
    publish("bob", "sort")
    do(market, "quarantine", "platform", "q")
    for deed in ("revoke", "relist", "release", "withdraw"):
        with pytest.raises((NotOwnerError, StatusError)):
            do(market, deed, "bob", f"try-{deed}")
    assert do(market, "release", "platform", "r") == "listed"


def test_a_deed_repeated_with_its_key_is_done_once(market: Market, publish: Any) -> None:
    """Also after the status has moved on."""
    publish("bob", "sort")
    do(market, "withdraw", "bob", "w")
    do(market, "relist", "bob", "r")
    assert do(market, "withdraw", "bob", "w") == "listed"


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(st.tuples(st.sampled_from(sorted(DEEDS)), st.sampled_from(sorted(WHO))), max_size=8)
)
def test_whatever_is_tried_the_drawn_ways_are_the_only_ones(deeds: list[tuple[str, str]]) -> None:
    """Revoked is final; nothing leaves quarantine but by an evaluator; strangers do nothing."""
    with make_market(credits={"bob": 0, "eve": 0}) as market:
        publish_example(market, "bob", "sort")
        status = "listed"
        for i, (deed, who) in enumerate(deeds):
            try:
                after = do(market, deed, WHO[who], f"k{i}")
            except (NotOwnerError, StatusError):
                assert market.listing("sort").status == status
                continue
            assert who != "stranger"
            assert status != REVOKED
            assert status != QUARANTINED or who == "evaluator"
            assert (after, True) == (DEEDS[deed][0], status in DEEDS[deed][1])
            status = after
