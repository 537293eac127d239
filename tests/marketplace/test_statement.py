"""Promises of marketplace.statement."""

import pytest

from marketplace import statement
from marketplace.errors import AccountNotFoundError
from marketplace.testing import make_market


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
    with market._database.read() as session:
        sql = f"EXPLAIN QUERY PLAN {statement._STATEMENT.text.replace(':name', '?')}"
        plan = [row[3] for row in session.connection().exec_driver_sql(sql, ("ada",))]
    assert not [step for step in plan if step.startswith(("SCAN p", "SCAN t"))]
    assert any(step.startswith("SEARCH p USING INTEGER PRIMARY KEY") for step in plan)


def test_an_unknown_account_is_refused_with_the_closest_name() -> None:
    """For statements, holds and mandates alike."""
    market = make_market(credits={"ada": 0})
    for ask in (market.account, market.postings, market.open_holds, market.mandates):
        with pytest.raises(AccountNotFoundError, match=r"'adda' does not exist: .*'ada'"):
            ask("adda")
