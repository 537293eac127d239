"""Whoever changes the file behind the market's back is found out (L8, L15).

The tamperer here is good: he turns the triggers off and on again, and repairs the balances.
"""

import random
import shutil
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from marketplace.errors import HeadError, MarketError
from marketplace.ledger.chain import Head, check_head, sign_head
from marketplace.market import Market
from tests.support.market import tamper
from tests.support.proving import real
from tests.support.proving.deed import (
    Deed,
    Hold,
    Linked,
    OpenMandate,
    Pay,
    PostHold,
    Refund,
    VoidHold,
)
from tests.support.proving.machine import START, settle

DEEDS: list[Deed] = [
    Pay("sale-1", (("ada", -100), ("bob", 90), ("platform", 10))),
    Hold("hold-1", "ada", 50, START + 100),
    Hold("hold-2", "bob", 30, START + 100),
    PostHold("post-1", "hold-1", (("bob", 20), ("platform", 3))),
    Refund("refund-1", "sale-1", 33),
    VoidHold("void-2", "hold-2"),
    OpenMandate("mandate-1", "ada", "ada/shop", 40),
    Linked((Pay("a", (("ada", -20), ("ada/shop", 20))), Pay("b", (("bob", -5), ("eve", 5))))),
    Pay("sale-2", (("ada/shop", -15), ("cyd", 15))),
    Hold("hold-3", "cyd", 7, START + 100),
]
ROWS = {
    "account": "name, overdraft, balance_nanos, held_nanos, spent_nanos, cap_nanos, owner",
    "transfer": "*",
    "posting": "*",
    "open_hold": "*",
}


def make_market(path: Path, deeds: Sequence[Deed] = DEEDS) -> Head:
    """A market in which these deeds were done, closed."""
    with Market.open(f"sqlite:///{path}", clock=lambda: START) as market:
        settle(market, 1000)
        for deed in deeds:
            with market._database.write() as session:
                real.do(session, deed, START)
        return market.head()


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The market nobody has touched."""
    path = tmp_path_factory.mktemp("tampering") / "market.db"
    make_market(path)
    return path


@pytest.fixture
def copied(original: Path, tmp_path: Path) -> Path:
    """A copy to be tampered with."""
    return Path(shutil.copy(original, tmp_path / "market.db"))


def audit(path: Path, head: Head | None = None) -> list[str]:
    """What the audit says of the file."""
    with Market.open(f"sqlite:///{path}", create=False) as market:
        return market.verify(head)


REPAIR = (
    "UPDATE account SET balance_nanos = coalesce((SELECT sum(amount_nanos) FROM posting"
    " WHERE account = name AND NOT pending), 0)",
    "UPDATE account SET held_nanos = coalesce((SELECT -sum(amount_nanos) FROM posting"
    " WHERE account = name AND pending), 0) WHERE name <> 'escrow'",
)


def test_an_honest_market_has_no_problems(copied: Path) -> None:
    """Else the other tests here would prove nothing; repairing it changes nothing either."""
    assert audit(copied) == []
    tamper(copied, *REPAIR)
    assert audit(copied) == []


def columns(path: Path, table: str) -> list[str]:
    """The table's columns."""
    with sqlite3.connect(path) as raw:
        found = raw.execute(f"SELECT name FROM pragma_table_info('{table}')").fetchall()
    raw.close()
    return [name for (name,) in found]


def changed(name: str, value: Any) -> str:
    """Another value of the same type that no other row has, as SQL."""
    if name == "pending":
        return str(1 - value)
    if value is None:
        return "1"
    return repr(value + "0") if isinstance(value, str) else repr(value + 1000)


@pytest.mark.parametrize("table", ["transfer", "posting", "open_hold"])
def test_no_column_can_be_changed(copied: Path, table: str) -> None:
    """Every column of a middle and of the last row, balances repaired afterwards."""
    names = columns(copied, table)
    with sqlite3.connect(copied) as raw:
        rows = raw.execute(f"SELECT rowid, * FROM {table}").fetchall()
    raw.close()
    for rowid, *values in {rows[len(rows) // 2], rows[-1]}:
        for name, value in zip(names, values, strict=True):
            path = copied.with_name("changed.db")
            shutil.copy(copied, path)
            change = f"UPDATE {table} SET {name} = {changed(name, value)} WHERE rowid = {rowid}"
            tamper(path, change, *REPAIR)
            assert audit(path), f"{change} went unnoticed"


@pytest.mark.parametrize(
    "change",
    [
        "balance_nanos = balance_nanos + 1",
        "held_nanos = held_nanos + 1",
        "spent_nanos = spent_nanos + 1",
        "overdraft = 1",
        "cap_nanos = coalesce(cap_nanos, 0) + 1",
        "owner = 'eve'",
        "name = 'mallory'",
    ],
)
@pytest.mark.parametrize("account", ["ada", "ada/agent"])
def test_no_account_can_be_changed(copied: Path, account: str, change: str) -> None:
    """Neither what it holds nor what it may."""
    tamper(copied, f"UPDATE account SET {change} WHERE name = '{account}'")
    assert audit(copied)


@pytest.fixture
def head(copied: Path) -> Head:
    """The end of the journal as it was before anybody touched it."""
    with Market.open(f"sqlite:///{copied}", create=False) as market:
        return market.head()


def test_no_transfer_can_be_removed(copied: Path, head: Head) -> None:
    """Those after it are renumbered; the very last one is missed by the signed head alone."""
    for number in range(1, head.seq + 1):
        path = copied.with_name("removed.db")
        shutil.copy(copied, path)
        pairs = (("posting", "transfer_id"), ("open_hold", "transfer_id"), ("transfer", "id"))
        tamper(
            path,
            *(f"DELETE FROM {table} WHERE {column} = {number}" for table, column in pairs),
            *(
                f"UPDATE {table} SET {column} = {later - 1} WHERE {column} = {later}"
                for later in range(number + 1, head.seq + 1)
                for table, column in pairs
            ),
            *REPAIR,
        )
        assert audit(path, head), number
        assert audit(path) or number == head.seq, number


def test_no_two_transfers_can_be_swapped(copied: Path) -> None:
    """The two grants to Ada and Bob, with their postings; every sum stays as it was."""
    tamper(
        copied,
        *(
            f"UPDATE {table} SET {column} = CASE {column} WHEN 1 THEN -2 ELSE -1 END"
            f" WHERE {column} IN (1, 2)"
            for table, column in (("transfer", "id"), ("posting", "transfer_id"))
        ),
        *(
            f"UPDATE {table} SET {column} = -{column} WHERE {column} < 0"
            for table, column in (("transfer", "id"), ("posting", "transfer_id"))
        ),
    )
    assert audit(copied)


def test_a_rewritten_history_fits_itself_but_not_the_signed_head(tmp_path: Path) -> None:
    """With other amounts, or cut short, every hash is recomputed: only the head tells."""
    honest = make_market(tmp_path / "honest.db")
    key = Ed25519PrivateKey.generate()
    signed = sign_head(honest, key)
    head = check_head(signed, [key.public_key().public_bytes_raw().hex()])
    assert audit(tmp_path / "honest.db", head) == []
    richer = [Pay("sale-1", (("ada", -100), ("bob", 95), ("platform", 5))), *DEEDS[1:]]
    for name, deeds in {"richer": richer, "shorter": DEEDS[:-1]}.items():
        make_market(tmp_path / f"{name}.db", deeds)
        assert audit(tmp_path / f"{name}.db") == []
        assert audit(tmp_path / f"{name}.db", head)
    forged = sign_head(richer_head := make_market(tmp_path / "again.db", richer), key)
    assert richer_head.seq == honest.seq
    with pytest.raises(HeadError):
        check_head(
            type(signed)(forged.head, signed.public_key, signed.signature), [signed.public_key]
        )


def test_an_old_head_still_fits_a_market_that_went_on(tmp_path: Path) -> None:
    """A head vouches for everything up to it and says nothing of what came later."""
    early = make_market(tmp_path / "early.db", DEEDS[:4])
    make_market(tmp_path / "market.db")
    assert audit(tmp_path / "market.db", early) == []


def stored(path: Path) -> list[Any]:
    """Everything the ledger consists of; an error's name when it cannot be read."""
    with sqlite3.connect(path) as raw:
        try:
            rows = [
                raw.execute(f"SELECT {names} FROM {table}").fetchall()
                for table, names in ROWS.items()
            ]
        except (sqlite3.Error, OverflowError) as error:
            rows = [type(error).__name__]
    raw.close()
    return rows


@pytest.mark.parametrize("first", range(0, 120, 30))
def test_any_flipped_bit_of_the_file_is_harmless_or_found(copied: Path, first: int) -> None:
    """Either every row of the ledger reads as before, or the audit or the opening says no."""
    content, rows = copied.read_bytes(), stored(copied)
    path = copied.with_name("flipped.db")
    for seed in range(first, first + 30):
        rng = random.Random(seed)
        place, bit = rng.randrange(len(content)), 1 << rng.randrange(8)
        path.write_bytes(content[:place] + bytes([content[place] ^ bit]) + content[place + 1 :])
        if stored(path) == rows:
            continue
        try:
            problems = audit(path)
        except MarketError:
            continue
        assert problems, f"seed {seed}: byte {place}, bit {bit}"
