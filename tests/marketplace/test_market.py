"""Promises of marketplace.market."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from marketplace.errors import (
    AccountNotFoundError,
    InvalidInputError,
    ListingNotFoundError,
)
from marketplace.market import Market
from tests.support.market import make_market, publish_example
from tests.support.trading import HandClock, purchases, put_up

ROOT = Path(__file__).parents[2]


def test_the_house_exists_from_the_start() -> None:
    """And opening its accounts again changes nothing."""
    market = make_market()
    assert [(view.name, view.balance_nanos) for view in market.accounts()] == [
        ("escrow", 0),
        ("platform", 0),
        ("world", 0),
    ]
    market.open_account("world")
    assert len(market.accounts()) == 3


def test_a_market_survives_closing(tmp_path: Path) -> None:
    """What was there before is there after, in every view."""
    path = tmp_path / "market.db"
    with make_market(path, credits={"ada": 100, "bob": 0}) as market:
        publish_example(market, "bob", "sort")
        market.buy(buyer="ada", listing="sort", key="sale")
        before = (market.accounts(), market.listings(), purchases(market), market.postings("ada"))
    with Market.open(f"sqlite:///{path}", create=False) as market:
        after = (market.accounts(), market.listings(), purchases(market), market.postings("ada"))
    assert after == before


def test_a_listing_shows_its_exam_and_its_sales() -> None:
    """Accuracies come from the receipt, sales from the purchases."""
    market = make_market(credits={"ada": 100, "bob": 0})
    publish_example(market, "bob", "sort")
    market.buy(buyer="ada", listing="sort", key="sale")
    (listing,) = market.listings()
    assert (listing.accuracy, listing.base_accuracy, listing.sales) == (0.8, 0.3, 1)
    assert 0.0 < listing.reputation < 0.8


def test_unknown_names_come_with_suggestions() -> None:
    """Whichever method was asked."""
    market = make_market(credits={"alice": 0, "bob": 0})
    publish_example(market, "bob", "sorting-v1")
    for ask in (market.account, market.postings):
        with pytest.raises(AccountNotFoundError, match="did you mean 'alice'"):
            ask("alicia")
    for look in (market.listing, market.quote, market.price_history):
        with pytest.raises(ListingNotFoundError, match="did you mean 'sorting-v1'"):
            look("sorting")


def test_malformed_requests_are_refused_before_anything_happens() -> None:
    """Every entrance checks names, keys and amounts."""
    market = make_market(credits={"ada": 1})
    with pytest.raises(InvalidInputError):
        market.open_account("Not A Name")
    with pytest.raises(InvalidInputError):
        market.fund("ada", 1.5, key="k")  # type: ignore[arg-type]  # the mistake under test
    with pytest.raises(InvalidInputError):
        market.fund("ada", 1, key="")
    with pytest.raises(InvalidInputError):
        publish_example(market, "ada", "Bad Name")
    assert market.listings() == []


@pytest.mark.parametrize("in_memory", [True, False])
def test_threads_share_one_market(tmp_path: Path, in_memory: bool) -> None:
    """A screen reads while workers trade."""
    market = make_market(None if in_memory else tmp_path / "market.db", credits={"ada": 0})

    def work(worker: int) -> None:
        for number in range(10):
            market.fund("ada", 1, key=f"{worker}-{number}")
            market.accounts()

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert market.account("ada").balance_nanos == 40
    assert market.verify() == []


def test_the_marketplace_loads_none_of_its_neighbours() -> None:
    """No torch, no numpy, no Alembic: `continuum market` starts at once."""
    code = (
        "import sys, marketplace.market, tests.support.market;"
        "heavy = {'torch', 'numpy', 'alembic', 'academy', 'persona', 'tui', 'seeds'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "[]"


def test_a_clock_that_is_set_back_stops_and_goes_on(tmp_path: Path) -> None:
    """Nothing happens before what happened: sales, rights and holds agree with their order.

    Also for another process, whose clock was never ahead.
    """
    ahead, behind = HandClock(2e6), HandClock(2e6)
    url = f"sqlite:///{tmp_path / 'market.db'}"
    with Market.open(url, clock=ahead) as market, Market.open(url, clock=behind) as other:
        for name in ("ada", "bob"):
            market.open_account(name)
            market.fund(name, 10**11, key=f"fund-{name}")
        ahead.now = 3e6
        put_up(market, "bob", "sort")
        put_up(market, "bob", "count")
        ahead.now = 1e6
        sale = market.buy(buyer="ada", listing="sort", key="sale")
        assert (sale.at, sale.digest) == (3e6, "digest-of-sort")
        rental = other.rent(renter="ada", listing="count", days=1, key="rent")
        assert (rental.starts_at, rental.ends_at) == (3e6, 3e6 + 86_400)
        assert other.may_fetch("ada", "digest-of-count")
        assert market.charge(account="ada", listing="count", units=1, key="use").at == 3e6
        ahead.now = 3e6 + 5
        assert market.record_miss(account="ada", skill="x")
        market.fund("ada", 1, key="later")
        assert market.statement("ada").lines[0].at == 3e6 + 5
        assert market.verify() == []
    with Market.open(url, clock=behind) as market:
        assert market.may_use("ada", "digest-of-count")
