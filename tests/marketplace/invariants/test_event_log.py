"""Whoever edits a row beside the journal is found out, whichever table and column it is.

The intruder here is good: triggers, references and constraints are turned off and on again. Given
the whole file he can also make the log and its hashes anew: then only a head kept elsewhere tells.
"""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Boolean, Table, UniqueConstraint

from marketplace.ledger import event_log
from marketplace.ledger.account_key import prove_key
from marketplace.ledger.chain import GENESIS, Head
from marketplace.market import Market
from tests.support.market import log_anew, tamper
from tests.support.trading import HandClock, open_bazaar, put_up, trade_in_every_way

TABLES = {table.name: table for table in event_log.logged_tables()}

ALWAYS_FOUND = ("income", "purchase")
"""Tables of which every column also agrees with other rows."""


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Head]:
    """A market in which everything happened once, and its head."""
    path = tmp_path_factory.mktemp("event-log") / "market.db"
    clock = HandClock()
    with open_bazaar(f"sqlite:///{path}", clock=clock) as market:
        for name, parents in {"sort": (), "sort2": ("sort",), "sort3": ("sort2",)}.items():
            put_up(market, {"sort": "bob", "sort2": "tom"}.get(name, "zoe"), name, parents=parents)
        key = Ed25519PrivateKey.generate()
        public = key.public_key().public_bytes_raw().hex()
        market.adopt("ada", public, proof=prove_key(key, "ada"), key="key")
        spare = Ed25519PrivateKey.generate()
        other = spare.public_key().public_bytes_raw().hex()
        market.add_key("ada", other, proof=prove_key(spare, "ada"), key="spare-key")
        market.revoke_key("ada", other, key="lost")
        market.vouch("ada", key="vouch")
        market.appoint_evaluator("eve", key="appoint")
        market.set_terms(owner="bob", listing="sort", use_parts=2000, key="terms")
        trade_in_every_way(market, clock)
        market.quarantine(listing="sort", by="platform", reason="looked at", key="quarantine")
        sale = next(line.transfer_id for line in market.postings("eve") if line.kind == "sale")
        market.refund(sale, key="refund")
        market.open_account("kim")
        put_up(market, "kim", "gone")
        put_up(market, "zoe", "dear", ask_nanos=9 * 10**8)
        market.buy(buyer="eve", listing="gone", key="gone")
        market.buy(buyer="kim", listing="dear", key="spend")  # and owes it from now on
        market.revoke(listing="gone", by="platform", reason="stolen", key="revoke")
        market.close_epoch()
        assert market.verify(market.head()) == []
        return path, market.head()


@pytest.fixture
def copied(original: tuple[Path, Head], tmp_path: Path) -> Path:
    """A copy to be tampered with."""
    return Path(shutil.copy(original[0], tmp_path / "market.db"))


@pytest.fixture
def head(original: tuple[Path, Head]) -> Head:
    """The end of both chains before anybody touched them."""
    return original[1]


def audit(path: Path, head: Head | None = None) -> list[str]:
    """What the audit says of the file."""
    with Market.open(f"sqlite:///{path}", create=False) as market:
        return market.verify(head)


def other_than(value: Any, *, flag: bool) -> str:
    """Another value of the same type that no other row has, as SQL."""
    if value is None:
        return "1"
    if flag:
        return str(1 - value)
    if isinstance(value, bytes):
        return f"x'{value.hex()}00'"
    if isinstance(value, str):
        return repr(f"{value}0")
    return repr(value + 1000)


def quoted(text: str) -> str:
    """Inside single quotes in SQL."""
    return text.replace("'", "''")


def edits(path: Path, table: Table) -> Iterator[tuple[str, str]]:
    """(What, SQL): each column of a row changed, a row removed, a forged one added."""
    names = [column.name for column in table.columns]
    columns = ", ".join(f'"{name}"' for name in names)
    with closing(sqlite3.connect(path)) as raw:
        rows = raw.execute(f"SELECT rowid, {columns} FROM {table.name}").fetchall()
    assert rows, f"the market of this test holds no row of {table.name}: let `original` write one"
    rowid, *values = rows[len(rows) // 2]
    row = dict(zip(names, values, strict=True))
    where = f"WHERE rowid = {rowid}"
    for name in event_log.logged_columns(table):
        flag = isinstance(table.columns[name].type, Boolean)
        change = f'"{name}" = {other_than(row[name], flag=flag)}'
        yield f"{table.name}.{name}", f"UPDATE {table.name} SET {change} {where}"
    yield f"{table.name} removed", f"DELETE FROM {table.name} {where}"
    unique = {column.name for column in table.primary_key.columns}
    for constraint in (*table.constraints, *table.indexes):
        if isinstance(constraint, UniqueConstraint) or getattr(constraint, "unique", False):
            unique |= {column.name for column in constraint.columns}
    forged = [f'"{n}" || 999' if n in unique else f'"{n}"' for n in names]
    copy = (
        f"INSERT INTO {table.name} ({columns}) SELECT {', '.join(forged)} FROM {table.name} {where}"
    )
    yield f"{table.name} forged", copy


@pytest.mark.parametrize("name", sorted(TABLES))
def test_every_edit_of_every_table_is_found(copied: Path, head: Head, name: str) -> None:
    """A changed value is named with table and column, a removed or forged row with its table."""
    path = copied.with_name("edited.db")
    for what, statement in edits(copied, TABLES[name]):
        shutil.copy(copied, path)
        tamper(path, statement)
        column = what.partition(".")[2]
        lines = [line for line in audit(path, head) if line.startswith(f"table {name} ")]
        assert lines, f"{what} went unnoticed: {statement}"
        is_key = column in {one.name for one in TABLES[name].primary_key.columns}
        assert not column or is_key or any(f": {column} is " in line for line in lines), what


def test_more_than_fifty_five_edits_are_tried(original: tuple[Path, Head]) -> None:
    """Of keys, evaluators, trust, prices, receipts, licences, terms and all the rest."""
    tried = [what for table in TABLES.values() for what, _ in edits(original[0], table)]
    assert len(tried) >= 55 and len(set(tried)) == len(tried)
    assert {
        "account.owner",
        "account.opened_at",
        "account_key.account",
        "key_revocation removed",
        "evaluator forged",
        "vouching.vouched",
        "status_event.status",
        "price.price_nanos",
        "standing.reputation",
        "receipt.n_correct",
        "recheck.passed",
        "review.n_good",
        "version.licence",
        "version_parent.weight",
        "version_parent removed",
        "terms.use_parts",
        "rental.ends_at",
        "usage.units",
        "subscription.ends_at",
        "meter.limit_nanos",
        "meter_reading.units",
        "trial.min_gain",
        "trial_result.passed",
        "bounty.reward_nanos",
        "bounty_award.listing",
        "account_trust.trust",
        "request.body",
        "request.operation",
        "search_miss forged",
        "epoch.opened_at",
        "sale_return removed",
        "bundle_part removed",
        "compute_offer.ask_nanos",
        "compute_use.units",
        "debt.amount_nanos",
        "debt removed",
    } <= set(tried)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(TABLES))
def test_with_a_log_made_anew_only_the_head_tells(copied: Path, head: Head, name: str) -> None:
    """The file fits itself, but where an edited row also disagrees with other rows."""
    path = copied.with_name("edited.db")
    fits = 0
    for what, statement in edits(copied, TABLES[name]):
        shutil.copy(copied, path)
        tamper(path, statement)
        log_anew(path)
        found = audit(path, head)
        told = [line for line in found if "signed head" in line]
        assert told, what
        fits += told == found
    assert fits or name in ALWAYS_FOUND, f"every edit of {name} is found without a head"


@pytest.mark.parametrize(
    ("old", "new", "statement"),
    [
        ('"evaluator":[["eve"', '"evaluator":[["bob"', "UPDATE evaluator SET account = 'bob'"),
        (
            '"looked at","platform"',
            '"stolen","platform"',
            "UPDATE status_event SET reason='stolen'",
        ),
        (
            '"vouching":[[1,"ada",true',
            '"vouching":[[1,"ada",false',
            "UPDATE vouching SET vouched=0",
        ),
    ],
)
def test_a_log_edited_in_its_place_is_missed_by_the_head_alone(
    copied: Path, head: Head, old: str, new: str, statement: str
) -> None:
    """One value in table and log, every later hash made anew: as many events as before."""
    with closing(sqlite3.connect(copied)) as raw:
        rows = raw.execute("SELECT number, changes FROM event ORDER BY number").fetchall()
    assert sum(old in changes for _, changes in rows) == 1
    last, statements = GENESIS, [statement]
    for number, changes in rows:
        forged = changes.replace(old, new)
        last = event_log.link(last, number, forged)
        values = f"changes = '{quoted(forged)}', hash = '{last}'"
        statements.append(f"UPDATE event SET {values} WHERE number = {number}")
    tamper(copied, *statements)
    assert audit(copied) == []
    assert "history was rewritten" in "\n".join(audit(copied, head))


LAST = "(SELECT max(number) FROM event)"


@pytest.mark.parametrize(
    ("statement", "report"),
    [
        ("UPDATE event SET changes = replace(changes, 'ada', 'eve') WHERE number = 3", "fit the"),
        ("UPDATE event SET hash = '' WHERE number = 3", "event 4 does not fit the hash chain"),
        ("UPDATE event SET changes = '{' WHERE number = 3", "event 3 cannot be read"),
        ("UPDATE event SET changes = '[]' WHERE number = 3", "event 3 cannot be read"),
        ("UPDATE event SET changes = '{\"account\":[[[],1]]}' WHERE number = 3", "cannot be read"),
        ("UPDATE event SET changes = '{\"ghost\":[[1]]}' WHERE number = 3", "cannot be read"),
        ("UPDATE event SET number = 9999 WHERE number = 3", "event 4 follows 2"),
        ("DELETE FROM event WHERE number = 3", "event 4 follows 2"),
        (f"DELETE FROM event WHERE number = {LAST}", "was added behind the market's back"),
        ("DELETE FROM event", "was added behind the market's back"),
        (
            f"INSERT INTO event SELECT {LAST} + 1, changes, hash FROM event WHERE number = 3",
            "does not fit the hash chain",
        ),
        (
            "UPDATE event SET changes = (SELECT changes FROM event other"
            " WHERE other.number = 7 - event.number) WHERE number IN (3, 4)",
            "event 3 does not fit the hash chain",
        ),
    ],
)
def test_an_edited_log_is_found_without_a_head(copied: Path, statement: str, report: str) -> None:
    """Changed, removed, renumbered, exchanged, repeated or cut off while its rows are there."""
    tamper(copied, statement)
    assert report in "\n".join(audit(copied))


def test_a_repeated_event_with_a_good_hash_is_found(copied: Path) -> None:
    """An old event at the end, chained as a real one: its rows are there once and logged twice."""
    with closing(sqlite3.connect(copied)) as raw:
        number, last = raw.execute(
            f"SELECT number, hash FROM event WHERE number = {LAST}"
        ).fetchone()
        changes = raw.execute("SELECT changes FROM event WHERE number = 3").fetchone()[0]
    hashed = event_log.link(last, number + 1, changes)
    tamper(copied, f"INSERT INTO event VALUES ({number + 1}, '{quoted(changes)}', '{hashed}')")
    assert "events are repeated" in "\n".join(audit(copied))


def test_the_last_event_removed_with_its_rows_is_missed_by_the_head_alone(
    copied: Path, head: Head
) -> None:
    """A log without its last event is a good log; the head kept elsewhere is longer."""
    with Market.open(f"sqlite:///{copied}", create=False) as market:
        market.appoint_evaluator("bob", key="bob judges")
        later = market.head()
    tamper(
        copied,
        f"DELETE FROM event WHERE number = {LAST}",
        "DELETE FROM evaluator WHERE account = 'bob'",
        "DELETE FROM request WHERE key = 'bob judges'",
    )
    assert audit(copied) == audit(copied, head) == []
    assert audit(copied, later) == [
        f"the log ends at event {head.event}, the signed head is of {later.event}: rows were cut"
        " off"
    ]
