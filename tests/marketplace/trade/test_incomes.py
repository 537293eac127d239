"""Promises of marketplace.trade.incomes, on every database."""

from collections import defaultdict
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from marketplace.errors import AccountNotFoundError, PageError
from marketplace.market import Market
from marketplace.trade import incomes
from marketplace.trade.charge import Charge
from tests.support.trading import HandClock, open_bazaar, put_up


@pytest.fixture
def town(market_url: str, clock: HandClock) -> Iterator[Market]:
    """Bob's layer and one bred from it: sold, used, and shared in by one subscriber's fee."""
    with open_bazaar(market_url, clock=clock) as market:
        put_up(market, "bob", "sort")
        put_up(market, "tom", "sort2", parents=["sort"])
        uses = [(n, "sort2" if n % 2 else "sort") for n in range(1, 8)]
        market.charge_many([Charge("eve", listing, n, f"eve-{n}") for n, listing in uses])
        market.subscribe(account="ada", fee_nanos=10**9, days=3, key="sub")
        market.charge_many([Charge("ada", listing, n, f"ada-{n}") for n, listing in uses])
        clock.pass_days(4)
        market.sweep()
        market.buy(buyer="eve", listing="sort2", key="bought")
        yield market


def pages(market: Market, account: str, limit: int) -> list[tuple[Any, ...]]:
    """The account's incomes, page by page."""
    found, cursor = [], None
    while not found or cursor is not None:
        page = market.income_page(account, limit=limit, cursor=cursor)
        found.append(page.items)
        cursor = page.next
    return found


@pytest.mark.parametrize("limit", [1, 2, 3, 9, 100])
def test_pages_together_are_the_whole_list(town: Market, limit: int) -> None:
    """Also where a page ends between two incomes of one payment, as a subscriber's fee brings."""
    found = pages(town, "bob", limit)
    whole = town.incomes("bob")
    assert [one for page in found for one in page] == whole
    assert [len(page) for page in found[:-1]] == [limit] * (len(found) - 1)
    assert len({one.transfer_id for one in whole}) < len(whole)


def test_earnings_are_the_sums_of_incomes(town: Market) -> None:
    """By listing, role and way; whole numbers on every database."""
    sums: dict[tuple[str, str, str], list[int]] = defaultdict(list)
    for one in town.incomes("bob"):
        sums[one.role, one.listing, one.way].append(one.amount_nanos)
    earned = town.earnings("bob")
    assert [(x.role, x.listing, x.way, x.n_payments, x.amount_nanos) for x in earned] == [
        (*key, len(amounts), sum(amounts)) for key, amounts in sorted(sums.items())
    ]
    assert {type(one.amount_nanos) for one in earned} == {int}
    assert {one.role for one in earned} == {"seller", "royalty"}


def test_what_was_given_back_was_not_earned(town: Market) -> None:
    """Neither in the list, nor on a page, nor in the sums."""
    before, whole = town.earnings("tom"), town.incomes("tom")
    assert whole[-1].way == "sale"
    town.refund(whole[-1].transfer_id, key="back")
    assert town.incomes("tom") == whole[:-1]
    assert pages(town, "tom", 100) == [tuple(whole[:-1])]
    assert town.earnings("tom") == [one for one in before if one.way != "sale"]


def test_an_account_without_incomes_has_one_empty_page(town: Market) -> None:
    """And one that does not exist is refused."""
    assert pages(town, "eve", 5) == [()]
    assert town.earnings("eve") == []
    for ask in (town.incomes, town.earnings):
        with pytest.raises(AccountNotFoundError):
            ask("nobody")


@pytest.mark.parametrize("cursor", ["", "1", "1 sort", "x sort seller", "1  sort seller", "1" * 30])
def test_a_cursor_that_is_none_is_refused(town: Market, cursor: str) -> None:
    """With the remedy."""
    with pytest.raises(PageError, match="start without one"):
        town.income_page("bob", limit=5, cursor=cursor)


def test_a_page_reads_what_it_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred incomes later the first page costs SQLite the same."""
    with open_bazaar() as market:
        put_up(market, "bob", "sort")
        steps = SimpleNamespace(few=0, many=0)
        for name, n_more in (("few", 30), ("many", 300)):
            market.charge_many([Charge("eve", "sort", 1, f"{name}{n}") for n in range(n_more)])
            setattr(steps, name, _steps(market))
    assert steps.many < 1.2 * steps.few


def _steps(market: Market) -> int:
    n_steps = 0

    def count() -> int:
        nonlocal n_steps
        n_steps += 1
        return 0

    with market._database.read() as session:
        raw = session.connection().connection.dbapi_connection
        assert raw is not None
        raw.set_progress_handler(count, 1)
        assert len(incomes.income_page(session, "bob", limit=10).items) == 10
        raw.set_progress_handler(None, 1)
    return n_steps
