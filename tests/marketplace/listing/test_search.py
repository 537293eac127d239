"""Promises of marketplace.listing.search and marketplace.listing.shelf."""

from collections.abc import Iterator
from typing import Any

import pytest

from marketplace.errors import PageError
from marketplace.listing.listing import ListingView, SearchPage, Wanted
from marketplace.listing.shelf import ORDERS
from marketplace.market import Market
from marketplace.money import NANOS_PER_CREDIT
from marketplace.receipt import ReceiptFacts
from tests.support.market import TickingClock, example_weights

OWNERS = ("ada", "bob", "carol", "dan", "eve")
LICENCES = ("MIT", "Apache-2.0", "CC-BY-NC-4.0", "")


def put(market: Market, name: str, owner: str = "ada", **changes: Any) -> ListingView:
    """A listing with usual values for whatever is not given."""
    n_correct = changes.pop("n_correct", 320)
    facts: dict[str, Any] = {
        "digest": f"digest-of-{name}",
        "base_model": "tiny",
        "niche": "sorting",
        "ask_nanos": NANOS_PER_CREDIT,
        "key": f"publish-{name}",
        "licence": "MIT",
        "receipt": ReceiptFacts(
            skill="sorting", n_questions=400, n_correct=n_correct, n_base_correct=40
        ),
    }
    return market.publish(owner=owner, name=name, **(facts | changes))


@pytest.fixture
def market(market_url: str) -> Iterator[Market]:
    """An empty market with five accounts, on each database."""
    with Market.open(market_url, clock=TickingClock()) as market:
        for name in OWNERS:
            market.open_account(name)
        yield market


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Market]:
    """Sixty listings that differ in everything that can be asked for."""
    url = f"sqlite:///{tmp_path_factory.mktemp('shop') / 'market.db'}"
    with Market.open(url, clock=TickingClock()) as market:
        for name in OWNERS:
            market.open_account(name)
        for i in range(60):
            put(
                market,
                f"layer-{i:02}",
                OWNERS[i % 5],
                base_model=f"base-{i % 2}",
                niche=("sorting", "rhyming", "counting")[i % 3],
                licence=LICENCES[i % 4],
                tags=tuple(f"tag{j}" for j in (2, 3, 7) if i % j == 0),
                n_correct=100 + 4 * i,
                ask_nanos=(1 + i % 10) * NANOS_PER_CREDIT,
                description=f"Handles numbéro {i}.",
            )
        yield market


def names(page: SearchPage) -> list[str]:
    """What a page shows."""
    return [view.name for view in page.listings]


def all_pages(
    market: Market, *, limit: int, order: str, text: str = "", **wanted: Any
) -> list[str]:
    """Everything a search finds, page after page."""
    found, cursor = [], None
    while True:
        page = market.search(text, Wanted(**wanted), order=order, limit=limit, cursor=cursor)
        found += names(page)
        cursor = page.next
        if cursor is None:
            assert len(found) == page.total
            return found


@pytest.mark.parametrize(
    ("wanted", "fits"),
    [
        ({}, lambda v: True),
        ({"base_model": "base-1"}, lambda v: v.base_model == "base-1"),
        ({"niche": "rhyming"}, lambda v: v.niche == "rhyming"),
        ({"owner": "carol"}, lambda v: v.owner == "carol"),
        ({"licences": ("MIT", "")}, lambda v: v.licence in ("MIT", "")),
        ({"commercial": True}, lambda v: v.licence in ("MIT", "Apache-2.0")),
        ({"tags": ("tag2", "tag3")}, lambda v: {"tag2", "tag3"} <= set(v.tags)),
        ({"max_price_nanos": 3 * 10**9}, lambda v: v.price_nanos <= 3 * 10**9),
        ({"min_reputation": 0.5}, lambda v: v.reputation >= 0.5),
        (
            {"niche": "sorting", "base_model": "base-0", "max_price_nanos": 5 * 10**9},
            lambda v: (
                (v.niche, v.base_model) == ("sorting", "base-0") and v.price_nanos <= 5 * 10**9
            ),
        ),
        ({"owner": "nobody"}, lambda v: False),
    ],
)
def test_conditions_agree_with_looking_at_everything(shop: Market, wanted: Any, fits: Any) -> None:
    """Against a plain loop over all listings."""
    expected = sorted(view.name for view in shop.listings() if fits(view))
    assert sorted(all_pages(shop, limit=7, order="rank", **wanted)) == expected
    assert [view.name for view in shop.listings(Wanted(**wanted))] == expected


@pytest.mark.parametrize(
    ("text", "total"),
    [
        ("", 60),
        ("sorting", 20),
        ("SORTING tag2", 10),
        ("layer 07", 1),
        ("numbéro", 60),
        ("NUMBÉRO 3", 1),
        ("rhym", 20),
        ("layer-07", 1),
        ("sorting rhyming", 0),
        ("zebra", 0),
        ("!!", 60),
    ],
)
def test_every_word_must_be_found_in_some_text(shop: Market, text: str, total: int) -> None:
    """Name, niche, description or tags, whatever the case; an unknown word may begin one."""
    assert shop.search(text).total == total


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("limit", [1, 7, 59, 60, 100])
def test_pages_together_show_everything_once(shop: Market, order: str, limit: int) -> None:
    """Whatever the order and the page size."""
    found = all_pages(shop, limit=limit, order=order)
    assert len(found) == len(set(found)) == 60


@pytest.mark.parametrize(
    ("order", "key"),
    [
        ("price", lambda v: v.price_nanos),
        ("newest", lambda v: -v.published_at),
        ("sales", lambda v: -v.sales),
        ("name", lambda v: v.name),
    ],
)
def test_an_order_is_kept_across_pages(shop: Market, order: str, key: Any) -> None:
    """Sorted by its key, equals by publication."""
    views = {view.name: view for view in shop.listings()}
    found = [views[name] for name in all_pages(shop, limit=7, order=order)]
    assert found == sorted(found, key=lambda view: (key(view), view.published_at))


def test_ranked_pages_stand_still_and_lead_with_the_proven(shop: Market) -> None:
    """The same page twice; most of it among the best third, although chance has a say."""
    page = shop.search(limit=20)
    assert page == shop.search(limit=20)
    best = sorted(shop.listings(), key=lambda view: -view.reputation)[:25]
    assert len({view.name for view in best} & set(names(page))) >= 14


def test_no_owner_fills_the_first_page(market: Market) -> None:
    """Thirty of one owner, twelve lesser ones of others: the owner gets three places of ten."""
    for i in range(30):
        put(market, f"big-{i:02}", "bob", n_correct=390)
    for i in range(12):
        put(market, f"small-{i:02}", OWNERS[2 + i % 3], n_correct=200 + i)
    page = market.search(limit=10)
    assert sum(view.owner == "bob" for view in page.listings) == 3
    assert len(all_pages(market, limit=10, order="rank")) == 42


def test_what_changes_is_found_at_once(market: Market) -> None:
    """New listings, versions, withdrawals and refuted claims, by this object and by another."""
    market.search()
    put(market, "sort", description="sorts apples")
    assert names(market.search("apples")) == ["sort"]
    put(market, "sort", digest="v2", version_of="sort", key="v2", description="sorts pears")
    assert (market.search("apples").total, market.search("pears").total) == (0, 1)
    market.recheck(receipt=2, by="platform", n_correct=200, n_base_correct=40, key="re")
    assert market.search("pears", Wanted(min_reputation=0.5)).total == 0
    market.withdraw(listing="sort", by="ada", key="w")
    assert market.search().total == 0


def test_another_process_sees_the_change_too(market: Market, market_url: str) -> None:
    """Two open markets on one address."""
    with Market.open(market_url) as other:
        assert other.search().total == 0
        put(market, "sort")
        assert other.search().total == 1
        market.withdraw(listing="sort", by="ada", key="w")
        assert other.search().total == 0


def test_a_new_epochs_prices_are_searched(market: Market) -> None:
    """A filter by price goes by the running epoch."""
    put(market, "sort", n_correct=390)
    put(market, "sort", digest="v2", version_of="sort", key="v2", n_correct=390, ask_nanos=10**8)
    old = market.listing("sort").price_nanos
    limit = Wanted(max_price_nanos=old - 1)
    assert market.search("", limit).total == 0
    market.close_epoch()
    assert market.listing("sort").price_nanos < old
    assert market.search("", limit).total == 1


def test_a_page_is_not_upset_by_what_happens_between(market: Market) -> None:
    """Publishing and withdrawing while somebody leafs through repeats and hides nothing else."""
    for i in range(20):
        put(market, f"layer-{i:02}", OWNERS[i % 5], n_correct=200 + i)
    first = market.search(order="name", limit=5)
    market.withdraw(listing="layer-04", by="eve", key="w")
    put(market, "layer-00b")
    put(market, "layer-05b")
    second = market.search(order="name", limit=5, cursor=first.next)
    assert names(second) == ["layer-05", "layer-05b", "layer-06", "layer-07", "layer-08"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"order": "beauty"},
        {"limit": 0},
        {"limit": 101},
        {"limit": 2.5},
        {"limit": True},
        {"cursor": ""},
        {"cursor": "!!!"},
        {"cursor": "W10"},
        {"cursor": "x" * 5000},
        {"cursor": "WyJwcmljZSIsMSwxLFtdXQ"},
        {"cursor": "WyJyYW5rIiwieCIsMSxbXV0"},
    ],
)
def test_a_wrong_page_is_refused_in_one_line(shop: Market, wrong: Any) -> None:
    """An order, a size or a cursor that there is not, among them one of another order."""
    with pytest.raises(PageError, match=r"\A[^\n]+\Z"):
        shop.search(**wrong)


def test_a_clone_never_comes_before_its_original(market: Market) -> None:
    """However many chances the draw has, and on every page."""
    weights = example_weights()
    put(market, "root", "bob", weights=weights, n_correct=100)
    for i in range(6):
        put(
            market,
            f"clone-{i}",
            OWNERS[i % 5],
            weights=weights,
            parents=("root",),
            n_correct=100 + i,
        )
        put(market, f"other-{i}", OWNERS[i % 5], n_correct=50)
    for text in ("", "sorting", "root", "tiny"):
        for limit in (2, 5, 100):
            found = all_pages(market, limit=limit, order="rank", text=text)
            if "root" in found:
                assert all(not name.startswith("clone") for name in found[: found.index("root")])
