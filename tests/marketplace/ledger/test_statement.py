"""Promises of marketplace.ledger.statement."""

import pytest
from sqlalchemy import text
from sqlmodel import Session

from marketplace.errors import AccountNotFoundError, PageError
from marketplace.ledger import statement
from marketplace.ledger.journal import PostingView
from marketplace.market import Market
from marketplace.money import NANOS_PER_CREDIT
from tests.support.market import make_market


def pages(market: Market, account: str, limit: int) -> list[tuple[PostingView, ...]]:
    """The account's statement, page by page."""
    found, cursor = [], ""
    while cursor is not None:
        page = market.statement(account, limit=limit, cursor=cursor or None)
        found.append(page.lines)
        cursor = page.next
    return found


def steps_of_a_page(session: Session, account: str) -> int:
    """How many instructions SQLite runs for the newest ten lines."""
    n_steps = 0

    def count() -> int:
        nonlocal n_steps
        n_steps += 1
        return 0

    connection = session.connection().connection.dbapi_connection
    assert connection is not None
    connection.set_progress_handler(count, 1)
    statement.statement_page(session, account, limit=10)
    connection.set_progress_handler(None, 1)
    return n_steps


def test_a_statement_leaves_holds_and_others_out() -> None:
    """Funds in their order with the balance after each; a hold moves nothing and shows nothing."""
    market = make_market(credits={"ada": 0, "bob": 0})
    for number in range(1, 4):
        market.fund("ada", number, key=f"ada-{number}")
        market.fund("bob", 10 * number, key=f"bob-{number}")
        market.hold(payer="ada", amount_nanos=1, purpose="", expires_at=9e9, key=f"h-{number}")
    lines = market.postings("ada")
    assert [line.amount_nanos for line in lines] == [1, 2, 3]
    assert [line.balance_after_nanos for line in lines] == [1, 3, 6]
    assert [line.transfer_id for line in lines] == [1, 4, 7]
    assert market.postings("escrow") == []


def test_a_statement_reads_only_its_own_postings() -> None:
    """The plan has no scan of the journal: a statement costs what it is long."""
    market = make_market(credits={"ada": 1})
    asked = {"name": "ada", "start": 1, "n_lines": 9}
    with market._database.read() as session:
        sql = f"EXPLAIN QUERY PLAN {statement._LINES.text}"
        plan = [row[3] for row in session.connection().execute(text(sql), asked)]
    assert not [step for step in plan if step.startswith(("SCAN p", "SCAN t"))]
    assert any(step.startswith("SEARCH p USING INTEGER PRIMARY KEY") for step in plan)


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 8, 100])
def test_pages_together_are_the_statement(limit: int) -> None:
    """Newest first, every line once with its balance, whatever holds lie between."""
    market = make_market(credits={"ada": 0, "bob": 5})
    for number in range(1, 8):
        market.fund("ada", number, key=f"ada-{number}")
        market.fund("bob", number, key=f"bob-{number}")
        if number % 3 == 1:
            market.hold(payer="ada", amount_nanos=1, purpose="", expires_at=9e9, key=f"h-{number}")
    found = pages(market, "ada", limit)
    lines = [line for page in found for line in page]
    assert lines == market.postings("ada")[::-1]
    assert [line.balance_after_nanos for line in lines] == [28, 21, 15, 10, 6, 3, 1]
    assert [len(page) for page in found[:-1]] == [limit] * (len(found) - 1)
    assert found[-1]


def test_an_empty_statement_is_one_empty_page() -> None:
    """Nothing but holds, or nothing at all."""
    market = make_market(credits={"ada": 0})
    assert pages(market, "ada", 5) == [()] and pages(market, "escrow", 5) == [()]


def test_lines_that_come_meanwhile_move_no_page() -> None:
    """The next page goes on where the last ended."""
    market = make_market(credits={"ada": 0})
    for number in range(1, 7):
        market.fund("ada", number, key=f"ada-{number}")
    first = market.statement("ada", limit=3)
    market.fund("ada", 100, key="meanwhile")
    second = market.statement("ada", limit=3, cursor=first.next)
    assert [line.amount_nanos for line in first.lines + second.lines] == [6, 5, 4, 3, 2, 1]
    assert [line.balance_after_nanos for line in second.lines] == [6, 3, 1]


def test_the_newest_lines_cost_the_same_in_a_long_statement() -> None:
    """SQLite's instructions for ten lines: as many after 2,000 postings as after 30."""
    market = make_market(credits={"ada": 1, "eve": 1})
    for number in range(30):
        market.fund("ada", 1, key=f"ada-{number}")
    for number in range(2000):
        market.fund("eve", 1, key=f"eve-{number}")
    with market._database.read() as session:
        short, long = (steps_of_a_page(session, name) for name in ("ada", "eve"))
    assert 100 < long < short + 50


@pytest.mark.parametrize(
    "asked",
    [
        {"limit": 0},
        {"limit": 101},
        {"limit": True},
        {"limit": "5"},
        {"cursor": ""},
        {"cursor": "7"},
        {"cursor": "x:1"},
        {"cursor": "1:1e9"},
        {"cursor": f"{'9' * 19}:1"},
    ],
)
def test_a_page_that_there_is_not_is_refused(asked: dict[str, object]) -> None:
    """One line that says what a page is."""
    market = make_market(credits={"ada": 1})
    with pytest.raises(PageError, match="page"):
        market.statement("ada", **asked)


def test_a_cursor_of_another_account_shows_nothing_of_it() -> None:
    """A position in eve's statement is no position in ada's."""
    market = make_market(credits={"ada": 5, "eve": 5})
    market.fund("eve", 1, key="eve-1")
    cursor = market.statement("eve", limit=1).next
    assert market.statement("ada", limit=5, cursor=cursor).lines == ()


def test_statements_agree_on_every_database(market_url: str) -> None:
    """The same pages from SQLite and PostgreSQL."""
    with Market.open(market_url, clock=lambda: 1e6) as market:
        market.open_account("ada")
        for number in range(1, 6):
            market.fund("ada", number * NANOS_PER_CREDIT, key=f"f-{number}")
            hold = {"payer": "ada", "amount_nanos": 1, "purpose": "", "expires_at": 9e9}
            market.hold(**hold, key=f"h-{number}")
        lines = [line for page in pages(market, "ada", 2) for line in page]
        assert [line.balance_after_nanos // NANOS_PER_CREDIT for line in lines] == [15, 10, 6, 3, 1]
        assert lines == market.postings("ada")[::-1]


def test_an_unknown_account_is_refused_with_the_closest_name() -> None:
    """For statements, holds and mandates alike."""
    market = make_market(credits={"ada": 0})
    asks = (market.account, market.postings, market.statement, market.open_holds, market.mandates)
    for ask in asks:
        with pytest.raises(AccountNotFoundError, match=r"'adda' does not exist: .*'ada'"):
            ask("adda")
