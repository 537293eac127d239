"""Promises of marketplace.database.sql, on both databases."""

from typing import Any

import pytest
from sqlalchemy import event, literal
from sqlmodel import col, select

from marketplace.database.sql import Statement, ask, one_of
from marketplace.ledger.account import Account
from marketplace.market import Market

NAMES = Statement(
    select(Account.name, literal("found"))
    .where(one_of(Account.name, "names"))
    .order_by(col(Account.name))
)


@pytest.fixture
def market(market_url: str) -> Any:
    """Ada, bob, and somebody whose name needs quoting."""
    with Market.open(market_url) as opened:
        for name in ("ada", "bob"):
            opened.open_account(name)
        yield opened


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ([], []),
        (["ada"], ["ada"]),
        ({"bob", "ada", "eve"}, ["ada", "bob"]),
        (["ada", "ada"], ["ada"]),
        (['a"d,a', "'", "%s", "{}", "ä"], []),
        ([*(f"nobody-{n}" for n in range(40_000)), "bob"], ["bob"]),
    ],
    ids=["none", "one", "several", "twice", "odd", "many"],
)
def test_finds_the_rows_of_all_texts_and_no_others(
    market: Market, asked: Any, found: list[str]
) -> None:
    """However many: a database's limit on parameters does not apply to one value."""
    with market._read() as session:
        assert ask(session, NAMES, names=asked) == [(name, "found") for name in found]


def test_sees_what_waits_in_the_session(market: Market) -> None:
    """As a query of the session would."""
    with market._database.write() as session:
        session.add(Account(name="eve", opened_at=1.0))
        assert ask(session, NAMES, names=["eve"]) == [("eve", "found")]
        session.rollback()


def test_wording_does_not_depend_on_how_many(market: Market) -> None:
    """So that a database prepares it once; and the column stays bare, so that it uses an index."""
    seen = []
    with market._read() as session:
        engine = session.get_bind()
        listener = (engine, "before_cursor_execute", lambda *args: seen.append(args[2]))
        event.listen(*listener)
        for n in (1, 2, 30):
            ask(session, NAMES, names=[f"name-{k}" for k in range(n)])
        event.remove(*listener)
    (worded,) = {text for text in seen if "account" in text}
    assert worded.rstrip().endswith("ORDER BY account.name") and "= 1" not in worded
