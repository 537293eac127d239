"""Promises of marketplace.listing.parents."""

from marketplace.formula.royalty import WHOLE, Parent, Share
from marketplace.listing.parents import shares_of
from marketplace.market import Market
from tests.support.trading import balances, gains, put_up


def shares(market: Market, name: str) -> tuple[Share, ...]:
    """What the owners of a listing's ancestors take of its royalty pool."""
    view = market.listing(name)
    with market._read() as session:
        return shares_of(session, {view.digest: view.owner})[view.digest]


def test_an_original_pays_no_royalties(market: Market) -> None:
    """Everything after the fee is the seller's."""
    assert shares(market, "sort") == ()


def test_a_line_is_followed_to_its_root(market: Market) -> None:
    """sort -> sort2 -> sort3 -> sort4: root 1/2 + 1/16, then 1/8 and 1/4 for the nearest."""
    put_up(market, "tom", "sort2", parents=["sort"])
    put_up(market, "zoe", "sort3", parents=["sort2"])
    put_up(market, "eve", "sort4", parents=["sort3"])
    assert shares(market, "sort4") == (
        Share("bob", WHOLE // 2 + WHOLE // 16),
        Share("tom", WHOLE // 8),
        Share("zoe", WHOLE // 4),
    )


def test_parents_share_by_weight(market: Market) -> None:
    """Three to one, each being a root of its own."""
    put_up(market, "tom", "parse")
    put_up(
        market, "zoe", "both", parents=[Parent("digest-of-sort", 3), Parent("digest-of-parse", 1)]
    )
    bob, tom = shares(market, "both")
    assert (bob.owner, tom.owner) == ("bob", "tom")
    assert bob.parts == 3 * tom.parts


def test_own_forks_in_between_change_nothing_for_the_root(market: Market) -> None:
    """Tom sells a fork of his fork of his fork; Bob earns as from the first one."""
    put_up(market, "tom", "one", parents=["sort"])
    put_up(market, "tom", "two", parents=["one"])
    put_up(market, "tom", "three", parents=["two"])
    before = balances(market)
    market.buy(buyer="ada", listing="one", key="one")
    middle = balances(market)
    market.buy(buyer="ada", listing="three", key="three")
    assert gains(before, middle) == gains(middle, balances(market))
