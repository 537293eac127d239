"""Promises of marketplace.ledger.ledger and of the triggers around it."""

import sqlite3
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import BigInteger
from sqlalchemy.event import listen

from marketplace.database.sql import MarketTable
from marketplace.errors import (
    AccountNotFoundError,
    AmountError,
    HouseAccountError,
    IdempotencyKeyReusedError,
    InsufficientCreditsError,
    MarketError,
    NameFormatError,
)
from marketplace.ledger.book import Leg
from marketplace.ledger.idempotency import claim
from marketplace.ledger.ledger import Entry, Posted, linked, post_many, record_transfer
from marketplace.ledger.statement import find_account as account
from marketplace.market import Market
from marketplace.money import INT64_MAX
from marketplace.store.schema import UNGUARDED
from tests.support.market import make_market, publish_example
from tests.support.proving.real import post_group


@pytest.fixture
def market_file(tmp_path: Path) -> Path:
    """A market with a sale in it, so that no table is empty."""
    path = tmp_path / "market.db"
    with make_market(path, credits={"ada": 100, "bob": 0}) as market:
        publish_example(market, "bob", "sort")
        market.buy(buyer="ada", listing="sort", key="sale")
    return path


def test_every_amount_has_a_64_bit_column() -> None:
    """A plain int field becomes 32 bits on PostgreSQL: 2.1 credits and the ledger overflows."""
    columns = [
        column
        for table in MarketTable.metadata.tables.values()
        for column in table.columns
        if column.name.endswith("_nanos")
    ]
    assert len(columns) >= 7
    assert all(isinstance(column.type, BigInteger) for column in columns)


@pytest.mark.parametrize(
    "table", ["request", "transfer", "posting", "epoch", "listing", "price", "purchase", "receipt"]
)
def test_history_refuses_update_delete_and_replace(market_file: Path, table: str) -> None:
    """Also from another program that opened the file with SQLite's defaults."""
    with sqlite3.connect(market_file) as raw:
        column = raw.execute(f"SELECT name FROM pragma_table_info('{table}')").fetchone()[0]
        deeds = [f"UPDATE {table} SET {column} = {column}", f"DELETE FROM {table}"]
        if table not in UNGUARDED:
            deeds.append(f"INSERT OR REPLACE INTO {table} SELECT * FROM {table}")
        for statement in deeds:
            with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                raw.execute(statement)
    raw.close()


def test_of_an_account_only_the_balance_can_change(market_file: Path) -> None:
    """Nobody grants himself an overdraft or disappears with a debt."""
    with sqlite3.connect(market_file) as raw:
        for statement in (
            "UPDATE account SET overdraft = 1",
            "UPDATE account SET name = 'eve' WHERE name = 'ada'",
            "DELETE FROM account",
        ):
            with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                raw.execute(statement)
        with pytest.raises(sqlite3.IntegrityError, match="only_overdraft_goes_below_zero"):
            raw.execute("UPDATE account SET balance_nanos = -1 WHERE name = 'ada'")
    raw.close()


def test_only_overdraft_accounts_go_below_zero() -> None:
    """The transfer is refused as a whole and the message says what is there and what to do."""
    market = make_market(credits={"ada": 1, "bob": 0})

    def give(amount: int) -> None:
        with market._database.write() as session:
            claim(session, key="gift", operation="gift", body={}, at=0.0)
            legs = [(account(session, "bob"), amount), (account(session, "ada"), -amount)]
            record_transfer(session, at=0.0, kind="gift", memo="", key="gift", legs=legs)

    with pytest.raises(InsufficientCreditsError, match=r"'ada' has 1 credit .*market fund"):
        give(10**9 + 1)
    assert market.account("bob").balance_nanos == 0
    assert market.verify() == []


def test_credits_never_pass_64_bits() -> None:
    """Issuing the last possible nano-credit works, one more is refused, nothing wraps around."""
    market: Market = make_market(credits={"ada": 0, "bob": 0})
    market.fund("ada", INT64_MAX, key="all")
    with pytest.raises(AmountError, match="64-bit limit"):
        market.fund("bob", 1, key="one-more")
    assert market.account("ada").balance_nanos == INT64_MAX
    assert market.verify() == []


def test_a_statement_shows_each_movement_and_the_balance_after_it() -> None:
    """The last line's balance is the account's balance."""
    market = make_market(credits={"ada": 100, "bob": 0})
    publish_example(market, "bob", "sort")
    sale = market.buy(buyer="ada", listing="sort", key="sale")
    fund, bought = market.postings("ada")
    assert (fund.kind, fund.balance_after_nanos) == ("fund", 100 * 10**9)
    assert (bought.kind, bought.amount_nanos) == ("sale", -sale.price_nanos)
    assert bought.balance_after_nanos == market.account("ada").balance_nanos


AT = 2e6


def entry(key: str, *amounts: tuple[str, int], **more: Any) -> Entry:
    """An entry with these legs."""
    return Entry(key, "gift", "", tuple(Leg(*leg) for leg in amounts), **more)


def post(market: Market, *entries: Entry) -> list[Posted | MarketError]:
    """What the ledger answers to a group."""
    with market._database.write() as session:
        return post_many(session, entries, at=AT)


@pytest.fixture
def market() -> Market:
    """Ada has 1000 nano-credits as transfer 1, Bob nothing."""
    market = make_market(credits={"ada": 0, "bob": 0})
    market.fund("ada", 1000, key="fund")
    return market


def nanos(market: Market) -> tuple[int, int]:
    """Ada's and Bob's balances."""
    return market.account("ada").balance_nanos, market.account("bob").balance_nanos


def test_a_refused_entry_leaves_its_neighbours_alone(market: Market) -> None:
    """The second asks for too much; the others are numbered without a gap."""
    answers = post(
        market,
        entry("a", ("ada", -600), ("bob", 600)),
        entry("b", ("ada", -600), ("bob", 600)),
        entry("c", ("ada", -400), ("bob", 400)),
    )
    assert isinstance(answers[1], InsufficientCreditsError)
    assert [answers[0], answers[2]] == [Posted(2, AT), Posted(3, AT)]
    assert nanos(market) == (0, 1000)
    assert market.verify() == []


def test_an_entry_can_spend_what_one_before_it_brought(market: Market) -> None:
    """Within a group the order counts, as if they had come one by one."""
    answers = post(
        market,
        entry("a", ("bob", -1), ("ada", 1)),
        entry("b", ("ada", -5), ("bob", 5)),
        entry("c", ("bob", -1), ("ada", 1)),
    )
    assert [type(answer) for answer in answers] == [InsufficientCreditsError, Posted, Posted]
    assert nanos(market) == (996, 4)


def test_a_repeated_entry_has_one_effect(market: Market) -> None:
    """In the same group and in a later one; any other content under the key is refused."""
    same = entry("a", ("ada", -5), ("bob", 5))
    assert post(market, same, same) == [Posted(2, AT), Posted(2, AT, replayed=True)]
    assert post(market, same) == [Posted(2, AT, replayed=True)]
    others = [
        entry("a", ("ada", -6), ("bob", 6)),
        replace(same, memo="other"),
        replace(same, kind="sale"),
        replace(same, refers_to=1),
        replace(same, body={}),
        entry("fund", ("ada", -5), ("bob", 5)),
    ]
    assert {type(answer) for answer in post(market, *others)} == {IdempotencyKeyReusedError}
    with pytest.raises(IdempotencyKeyReusedError):
        market.fund("ada", 5, key="a")
    assert nanos(market) == (995, 5)
    assert market.verify() == []


def test_a_body_says_what_a_repeat_must_equal(market: Market) -> None:
    """Legs may differ, such as after a change of price: the first effect is the answer."""
    first = entry("a", ("ada", -5), ("bob", 5), body={"listing": "sort", "units": 3})
    later = entry("a", ("ada", -9), ("bob", 9), body={"units": 3, "listing": "sort"})
    assert post(market, first, later) == [Posted(2, AT), Posted(2, AT, replayed=True)]
    assert nanos(market) == (995, 5)
    assert market.verify() == []


def test_a_refused_entry_does_not_use_up_its_key(market: Market) -> None:
    """Once there are credits the very same entry goes through."""
    asked = entry("a", ("bob", -1), ("ada", 1))
    assert isinstance(post(market, asked)[0], InsufficientCreditsError)
    market.fund("bob", 1, key="more")
    assert isinstance(post(market, asked)[0], Posted)


@pytest.mark.parametrize("bad", [0, 1, 2])
def test_linked_entries_are_all_posted_or_none(market: Market, bad: int) -> None:
    """Wherever the bad one stands, and whatever stands around the group."""
    linked = [
        entry(f"k{number}", ("ada", -(10**9) if number == bad else -1), ("bob", 1), group_key="g")
        for number in range(3)
    ]
    linked[bad] = entry("bad", ("ada", -(10**9)), ("bob", 10**9), group_key="g")
    alone = [entry("x", ("ada", -5), ("bob", 5)), entry("y", ("ada", -5), ("bob", 5))]
    answers = post(market, alone[0], *linked, alone[1])
    assert {type(answer) for answer in answers[1:4]} == {InsufficientCreditsError}
    assert [answers[0], answers[4]] == [Posted(2, AT), Posted(3, AT)]
    assert nanos(market) == (990, 10)
    with market._database.write() as session:
        good = [entry(f"k{n}", ("ada", -1), ("bob", 1)) for n in range(3)]
        assert len(post_group(session, good, at=AT)) == 3
        with pytest.raises(InsufficientCreditsError):
            post_group(session, [entry("z", ("ada", -1), ("bob", 1)), linked[bad]], at=AT)
    assert nanos(market) == (987, 13)
    assert market.verify() == []


def test_what_is_done_in_a_linked_block_is_undone_with_it(market: Market) -> None:
    """Balances that the session had read before are forgotten, too."""
    with market._database.write() as session:
        with suppress(ZeroDivisionError), linked(session):
            post_many(session, [entry("a", ("ada", -5), ("bob", 5))], at=AT)
            assert account(session, "ada").balance_nanos == 995
            raise ZeroDivisionError
        assert account(session, "ada").balance_nanos == 1000
        post_many(session, [entry("a", ("ada", -7), ("bob", 7))], at=AT)
        assert account(session, "ada").balance_nanos == 993
    assert market.verify() == []


@pytest.mark.parametrize(
    ("legs", "error"),
    [
        ([("ada", -1), ("bob", 2)], AmountError),
        ([("ada", -1)], AmountError),
        ([], AmountError),
        ([("ada", 0), ("bob", 0)], AmountError),
        ([("ada", -0.5), ("bob", 0.5)], AmountError),
        ([("ada", True), ("bob", -1)], AmountError),
        ([("ada", 2**63), ("ada", -(2**63))], AmountError),
        ([("world", -(2**63 - 1)), ("ada", 2**63 - 1)], AmountError),
        ([("ada", -1, True), ("bob", 1)], AmountError),
        ([("ada", -1), ("escrow", 1)], HouseAccountError),
        ([("ada", -1), ("nobody", 1)], AccountNotFoundError),
        ([("ada", -1), ("no\0body", 1)], AccountNotFoundError),
    ],
)
def test_an_impossible_entry_is_refused_alone(
    market: Market, legs: list[tuple[str, int]], error: type[Exception]
) -> None:
    """Unbalanced, empty, broken or too large amounts, unknown accounts; the next one passes."""
    answers = post(market, entry("a", *legs), entry("b", ("ada", -1), ("bob", 1)))
    assert [type(answer) for answer in answers] == [error, Posted]
    assert market.verify() == []


@pytest.mark.parametrize(
    "change",
    [
        {"key": ""},
        {"key": "\ud800"},
        {"key": "a\0"},
        {"key": "k" * 201},
        {"memo": "\ud800"},
        {"memo": "m" * 501},
        {"kind": "a\n"},
        {"group_key": "\0"},
    ],
)
def test_an_unstorable_text_is_refused_alone(market: Market, change: dict[str, str]) -> None:
    """Half a character or a NUL must not fail the whole group's statement."""
    bad = replace(entry("a", ("ada", -1), ("bob", 1)), **change)
    answers = post(market, bad, entry("b", ("ada", -1), ("bob", 1)))
    assert [type(answer) for answer in answers] == [NameFormatError, Posted]


def test_a_large_group_costs_as_few_statements_as_a_small_one(market: Market) -> None:
    """No more statements for 1,490 entries than for 149: nobody loops over rows by accident."""
    counts = []
    for size in (149, 1490):
        statements: list[str] = []

        def note(*event: Any, into: list[str] = statements) -> None:
            into.append(event[2])

        with market._database.write() as session:
            connection = session.connection()
            listen(connection, "before_cursor_execute", note)
            entries = [entry(f"{size}-{n}", ("ada", -1), ("bob", 1)) for n in range(size)]
            post_many(session, entries, at=AT)
        counts.append(len(statements))
    assert counts[0] == counts[1] <= 11
