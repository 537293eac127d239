"""Promises of marketplace.listing.publish, on SQLite and PostgreSQL."""

from typing import Any

import pytest

from marketplace.errors import ListingTakenError, StatusError
from marketplace.market import Market
from tests.support.market import buried, example_weights

ONE, OTHER = example_weights(0), example_weights(1)


def take_down(market: Market, deed: str, listing: str, by: str = "platform") -> None:
    """Quarantine or revoke a listing's newest version."""
    getattr(market, deed)(listing=listing, by=by, reason="poisoned", key=f"{deed}-{listing}")


@pytest.mark.parametrize("deed", ["revoke", "quarantine"])
@pytest.mark.parametrize("owner", ["bob", "ada"])
def test_what_was_taken_down_stays_away(
    market: Market, publish: Any, deed: str, owner: str
) -> None:
    """Not with a little noise under another name, by whomever, and not as its own digest."""
    publish("bob", "sort", weights=ONE)
    take_down(market, deed, "sort")
    with pytest.raises(StatusError, match=r"'sort' version 1 .*(revoked|quarantined) .poisoned.:"):
        publish(owner, "again", weights=ONE)
    with pytest.raises(ListingTakenError):
        publish(owner, "again", digest="digest-of-sort", weights=ONE, key="same")
    assert publish(owner, "another", weights=OTHER).status == "listed"


def test_a_revoked_layer_is_no_next_version_of_itself(market: Market, publish: Any) -> None:
    """The listing's own past versions are compared with, too; also the one before the last."""
    publish("bob", "sort", weights=ONE)
    take_down(market, "revoke", "sort")
    again = {"version_of": "sort", "weights": ONE}
    with pytest.raises(StatusError, match="train it anew"):
        publish("bob", "sort", digest="v2", **again)
    publish("bob", "sort", digest="v3", version_of="sort", weights=OTHER)
    with pytest.raises(StatusError, match="revoked"):
        publish("bob", "sort", digest="v4", **again)
    assert market.listing("sort").digest == "v3"


def test_a_poisoned_version_does_not_come_back_by_its_clean_elder(
    market: Market, publish: Any
) -> None:
    """Nearly the clean first version, and nearly the poisoned second: the owner is refused."""
    publish("bob", "sort", weights=ONE)
    publish("bob", "sort", digest="v2", version_of="sort", weights=ONE)
    take_down(market, "revoke", "sort")
    with pytest.raises(StatusError, match="version 2"):
        publish("bob", "sort", digest="v3", version_of="sort", weights=ONE)


@pytest.mark.parametrize("by", ["platform", "eve"])
def test_nobody_bans_an_original_by_having_a_copy_taken_down(
    market: Market, publish: Any, by: str
) -> None:
    """Bob's layer is good and older; neither eve's poisoned copy nor her deed binds him."""
    publish("bob", "root", weights=ONE)
    publish("eve", "copy", weights=ONE, parents=("root",))
    take_down(market, "revoke", "copy", by)
    again = publish("bob", "root", digest="v2", version_of="root", weights=ONE)
    assert (again.status, again.near_of) == ("listed", None)


def test_a_copier_does_not_ban_others_forks(market: Market, publish: Any) -> None:
    """Eve takes her own copy down: carol may still fork; an evaluator's word would stop her."""
    publish("bob", "root", weights=ONE)
    publish("eve", "copy", weights=ONE, parents=("root",))
    take_down(market, "revoke", "copy", "eve")
    assert publish("carol", "fork", weights=ONE, parents=("root",)).near_of == "root"
    take_down(market, "revoke", "fork")
    with pytest.raises(StatusError, match="'fork'"):
        publish("ada", "late", weights=ONE, parents=("root",))


def test_a_released_layer_is_an_ordinary_elder_again(market: Market, publish: Any) -> None:
    """Quarantine was lifted: forks are allowed as before."""
    publish("bob", "sort", weights=ONE)
    take_down(market, "quarantine", "sort")
    take_down(market, "release", "sort")
    assert publish("ada", "fork", weights=ONE, parents=("sort",)).near_of == "sort"


@pytest.mark.parametrize("deed", ["revoke", "quarantine"])
def test_what_was_taken_down_stays_away_under_random_ranks(
    market: Market, publish: Any, deed: str
) -> None:
    """Whatever is added to it, and whether or not its files are still there."""
    publish("bob", "sort", weights=ONE)
    take_down(market, deed, "sort")
    for size in (0.25, 1.0, 4.0):
        for others in ({}, {"others": {"digest-of-sort": ONE}.get}):
            with pytest.raises(StatusError, match="'sort' version 1"):
                publish("eve", "again", weights=buried(ONE, size=size), **others)


def test_a_poisoned_fork_stops_no_fork_of_its_good_parent(market: Market, publish: Any) -> None:
    """The good parent is all that they have in common; a copy of the poisoned one is refused."""
    poisoned, honest = buried(ONE, seed=1), buried(ONE, seed=2)
    publish("bob", "root", weights=ONE)
    publish("eve", "poisoned", weights=poisoned, parents=("root",))
    take_down(market, "revoke", "poisoned")
    terms = {
        "others": {"digest-of-root": ONE, "digest-of-poisoned": poisoned}.get,
        "parents": ("root",),
    }
    assert publish("carol", "fork", weights=honest, **terms).near_of == "root"
    with pytest.raises(StatusError, match="'poisoned'"):
        publish("ada", "again", weights=buried(poisoned, seed=3), **terms)
