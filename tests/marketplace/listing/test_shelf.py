"""Promises of marketplace.listing.shelf."""

import threading

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from marketplace.listing.listing import Wanted
from marketplace.listing.search import Searcher
from marketplace.listing.shelf import MOST_MERGED, ListingIndex, is_commercial, merged
from marketplace.market import Market
from tests.support.market import make_market, publish_example

KEYS = st.lists(st.integers(0, 5), max_size=30)


@given(
    KEYS, KEYS, st.lists(st.tuples(st.integers(0, 29), st.integers(0, 5)), max_size=5), st.data()
)
def test_merging_is_sorting_again(
    old: list[int], fresh: list[int], moves: list[tuple[int, int]], data: st.DataObject
) -> None:
    """Added and moved slots end up where a full sort puts them, equals by number."""
    keys = np.array(old + fresh, np.int64)
    for slot, key in moves:
        if slot < len(old):
            keys[slot] = key
    number = np.array(data.draw(st.permutations(range(len(keys)))), np.int64)
    before = np.array(old, np.int64)
    slots = np.lexsort((number[: len(old)], before))
    found = merged(slots, before, keys, number)
    assert found is not None
    assert found.tolist() == np.lexsort((number, keys)).tolist()


def test_many_changes_are_sorted_not_merged() -> None:
    """Beyond the limit a full sort is cheaper."""
    keys = np.arange(MOST_MERGED + 1)
    assert merged(np.zeros(0, np.int64), keys[:0], keys, keys) is None


def test_a_stale_session_takes_nothing_back() -> None:
    """A reader whose view is older than the shelf does not make it read everything twice."""
    with make_market(credits={"bob": 0}) as market:
        publish_example(market, "bob", "sort")
        shelf = ListingIndex()
        with market._read() as session:
            shelf.load(session)
            stamp = shelf.stamp
            shelf.stamp = stamp._replace(receipt=stamp.receipt + 5)
            shelf.follow(session)
        assert shelf.stamp.receipt == stamp.receipt + 5
        assert shelf.names == ["sort"]


def test_searches_go_on_while_a_new_epoch_is_read() -> None:
    """Many threads, an epoch closing in between: every search finds everything."""
    with make_market(credits={"bob": 0}) as market:
        for i in range(20):
            publish_example(market, "bob", f"layer-{i}")
        searcher, wrong = Searcher(), list[int]()

        def look(market: Market) -> None:
            for _ in range(20):
                with market._read() as session:
                    names = searcher.names(session, Wanted())
                if len(names) != 20:
                    wrong.append(len(names))

        threads = [threading.Thread(target=look, args=(market,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        market.close_epoch()
        market.close_epoch()
        for thread in threads:
            thread.join()
        assert wrong == []


def test_commercial_means_stated_and_allowed_in_some_reading() -> None:
    """A choice may be taken, a duty may not be dropped, silence is no permission."""
    assert is_commercial("MIT") and is_commercial("MIT OR CC-BY-NC-4.0")
    assert not any(is_commercial(x) for x in ("", "CC-BY-NC-4.0", "MIT AND CC-BY-NC-4.0"))
