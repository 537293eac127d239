"""The audit: whether rows agree with each other, with both chains and with a head kept elsewhere.

    structure     tables, triggers and version are as this program makes them
    journal       balances, holds and refunds follow from transfers and postings, chained by hash
    event log     every other row is as the event has it that added it, chained by hash
    trades        payments, rights and reports agree with the postings

Found without a head: any edit of rows, of the log or of the journal that does not make every later
hash anew. Only a head that a known key signed and that was kept elsewhere shows a chain made anew
from some point on, and the newest events and transfers cut off together with their rows. What came
after the head is vouched for by nobody.

It reads rows as they are stored and adds them up in Python, because SQLite's own sum() gives up
on overflow and quietly counts a text as 0, and whoever tampers with a file may leave both. The
journal streams by (`marketplace.ledger.audit`), so memory stays flat however long it is.

Whether a market is still built as this program builds one: its version, tables and triggers.

Whoever may edit a database may also drop a constraint, so that rows fit which never could have, or
add a trigger that writes them later. On SQLite the stored text of every object must be ours; on
PostgreSQL, which stores none, Alembic compares with the tables' classes.
"""

import json
import re
import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from functools import cache
from itertools import groupby, islice
from operator import itemgetter
from typing import Any

from sqlalchemy import CheckConstraint, Connection, inspect
from sqlmodel import Session

from marketplace.database import bulk
from marketplace.database.bulk import is_postgres
from marketplace.database.sql import MarketTable
from marketplace.errors import MarketError
from marketplace.ledger.account import principal_of
from marketplace.ledger.audit import Audit, stored_transfers, streamed
from marketplace.ledger.chain import Head
from marketplace.ledger.event_log import event_problems
from marketplace.names import ESCROW, WORLD
from marketplace.store import schema

VERSIONED = schema.VERSION_TABLE
_OBJECTS = (
    "SELECT name, sql FROM sqlite_schema"
    " WHERE type <> 'trigger' AND sql IS NOT NULL AND name NOT LIKE 'sqlite_%'"
)

MAX_PROBLEMS = 1000
"""Lines that are reported; a ruined file has one per row."""

Rows = list[tuple[Any, ...]]


def problems(session: Session, head: Head | None = None) -> list[str]:
    """Everything that is wrong with the market, one line each; empty when all is well.

    Args:
        head: A head kept elsewhere; the journal must contain it.
    """
    connection = session.connection()
    if altered := altered_structure(connection):
        return altered
    found = list(islice(_book_problems(connection, head), MAX_PROBLEMS + 1))
    if not any("no whole number" in line for line in found):  # sums of these would mean nothing
        found += _trade_problems(session)
    if len(found) > MAX_PROBLEMS:
        return [*found[:MAX_PROBLEMS], f"and more: only the first {MAX_PROBLEMS} are listed"]
    return found


def _trade_problems(session: Session) -> list[str]:
    from marketplace.trade import verify_trades

    return verify_trades.problems(session)


def _book_problems(connection: Connection, head: Head | None) -> Iterator[str]:
    yield from _file_problems(connection)
    accounts = _all(
        connection,
        "SELECT name, overdraft, balance_nanos, held_nanos, spent_nanos,"
        " last_posting_id, cap_nanos FROM account ORDER BY name",
    )
    capped = frozenset(row[0] for row in accounts if row[6] is not None)
    audit = Audit(frozenset((WORLD,)), capped, head)
    for stored in stored_transfers(connection):
        yield from audit.read(stored)
    yield from audit.end_problems()
    yield from _account_problems(accounts, audit)
    yield from _mandate_problems(connection)
    yield from _open_hold_problems(connection, audit)
    yield from _refund_problems(connection)
    yield from event_problems(connection, head)


def _file_problems(connection: Connection) -> Iterator[str]:
    if not bulk.is_postgres(connection):  # which checks both itself
        for (line,) in _all(connection, "PRAGMA quick_check"):
            if line != "ok":
                yield f"file structure: {line}"
        for table, row, parent, _ in _all(connection, "PRAGMA foreign_key_check"):
            yield f"table {table} row {row} refers to a missing {parent}"
    for name in schema.missing_triggers(connection):
        yield f"trigger {name} is missing or altered: rows are no longer protected"
    for name in unknown_triggers(connection):
        yield f"trigger {name} is none of a market: it may change rows by itself"


def _account_problems(accounts: Rows, audit: Audit) -> Iterator[str]:
    total = 0
    for name, overdraft, *cached, cap in accounts:
        if any(type(value) is not int for value in cached):
            yield f"account {name!r} has balance, held, spent {cached}, which is no whole number"
            continue
        balance, held, spent, last = cached
        if last != audit.last_posting.get(name, 0):
            yield f"account {name!r} names {last} as its last posting, which is another"
        total += balance
        replayed = audit.owned.pop(name, 0), audit.held.pop(name, 0), audit.spent.pop(name, 0)
        if balance != replayed[0]:
            yield f"account {name!r} has balance {balance}, its postings sum to {replayed[0]}"
        if (held, spent) != replayed[1:]:
            yield f"account {name!r} has held, spent {held, spent}, its postings say {replayed[1:]}"
        if replayed[0] < replayed[1] and not overdraft:
            yield (
                f"account {name!r} is at {replayed[0]} with {replayed[1]} held and may not go"
                " below 0"
            )
        if overdraft and name != WORLD:
            yield f"account {name!r} may go below 0, which only {WORLD!r} may"
        if name == ESCROW and balance:
            yield f"account {name!r} owns {balance} and should only stand beside holds"
        if cap is not None and spent + held > cap:
            yield f"mandate {name!r} spent {spent} and holds {held}, its cap is {cap}"
    if total:
        yield f"all balances sum to {total} instead of 0"
    for name in audit.owned.keys() | audit.held.keys():
        yield f"account {name!r} has postings and does not exist"


def _mandate_problems(connection: Connection) -> Iterator[str]:
    """Owner and cap as they were asked for; whoever funds a mandate puts both under the chain."""
    asked: dict[str, set[tuple[Any, Any]]] = defaultdict(set)
    sql = "SELECT body FROM request WHERE operation IN ('open_mandate', 'mandate_fund')"
    for (body,) in streamed(connection, sql):
        try:
            terms = json.loads(body)
            asked[terms["mandate"]].add((terms["owner"], terms["cap_nanos"]))
        except (ValueError, TypeError, KeyError):
            yield f"the request of a mandate reads {body!r}, which is none"
    sql = (
        "SELECT name, owner, cap_nanos FROM account"
        " WHERE owner IS NOT NULL OR cap_nanos IS NOT NULL"
    )
    for name, *terms in _all(connection, sql):
        if terms[0] != principal_of(name):
            yield f"mandate {name!r} is said to be of {terms[0]!r}, which is not in its name"
        if asked.pop(name, set()) != {tuple(terms)}:
            yield f"mandate {name!r} has owner, cap {tuple(terms)}, which its requests do not say"
    for name in asked:
        yield f"account {name!r} was opened as a mandate and is none any more"


def _open_hold_problems(connection: Connection, audit: Audit) -> Iterator[str]:
    waiting = dict(audit.open_holds)
    sql = "SELECT transfer_id, payer, amount_nanos, expires_at FROM open_hold ORDER BY transfer_id"
    for number, *cached in _all(connection, sql):
        if waiting.pop(number, None) != tuple(cached):
            yield f"open hold {number} is {tuple(cached)}, the journal says otherwise"
    for number in waiting:
        yield f"hold {number} is open in the journal and missing among the open holds"


_REFUNDED = (
    "SELECT o.id, 0, p.account, p.amount_nanos FROM transfer o"
    " JOIN posting p ON p.transfer_id = o.id WHERE NOT p.pending"
    " AND o.id IN (SELECT refers_to FROM transfer WHERE kind = 'refund')"
    " UNION ALL SELECT t.refers_to, t.id, p.account, p.amount_nanos FROM transfer t"
    " JOIN posting p ON p.transfer_id = t.id WHERE t.kind = 'refund' ORDER BY 1, 2"
)


def _refund_problems(connection: Connection) -> Iterator[str]:
    """Refunds mirror their payment and together never pass it (L12).

    Principal by principal: what came to a mandate may be given back by its owner.
    """
    for original, rows in groupby(streamed(connection, _REFUNDED), key=itemgetter(0)):
        paid: dict[str, int] = {}
        back: dict[str, int] = {}
        for _, refund, name, amount in rows:
            if type(amount) is int:  # else it is reported already
                who, side = principal_of(name), back if refund else paid
                side[who] = side.get(who, 0) + amount
        for name, amount in back.items():
            if not _mirrors(paid.get(name, 0), amount):
                yield (
                    f"refunds of transfer {original} move {amount} at {name!r}, the payment moved"
                    f" {paid.get(name, 0)}"
                )


def _mirrors(paid: int, back: int) -> bool:
    return abs(back) <= abs(paid) and paid * back <= 0


def _all(connection: Connection, sql: str) -> Rows:
    return list(streamed(connection, sql))


def altered_structure(connection: Connection) -> list[str]:
    """What about tables and version is not as it was made, one line each; then rows mean little."""
    lines = _on_server(connection) if is_postgres(connection) else _in_file(connection)
    found = [f"{line}: restore a backup made before that" for line in lines]
    return found or list(_version_problems(connection))


def unknown_triggers(connection: Connection) -> list[str]:
    """Names of triggers that are none of ours."""
    known = schema.protection_statements(connection.dialect.name)
    if is_postgres(connection):
        sql = (
            "SELECT t.tgname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid"
            " WHERE NOT t.tgisinternal AND c.relnamespace = current_schema()::regnamespace"
        )
    else:
        sql = "SELECT name FROM sqlite_schema WHERE type = 'trigger'"
    return sorted(set(connection.exec_driver_sql(sql).scalars()) - set(known))


def _version_problems(connection: Connection) -> Iterator[str]:
    try:
        noted = schema.revision(connection, "this market")
    except MarketError as refusal:
        yield str(refusal)
        return
    if noted != schema.HEAD:
        yield (
            f"this market is of schema version {schema.HEAD} and says it is of {noted}: restore a"
            " backup made before that"
        )


@cache
def _model() -> dict[str, str]:
    """The text of every table and index of a new file, by name."""
    with closing(sqlite3.connect(":memory:")) as model:
        for statement in schema.table_statements("sqlite"):
            model.execute(statement)
        return dict(model.execute(_OBJECTS).fetchall())


def _in_file(connection: Connection) -> Iterator[str]:
    found = {row[0]: row[1] for row in connection.exec_driver_sql(_OBJECTS)}
    wanted = {**_model(), VERSIONED: found.get(VERSIONED, "")}  # that one in Alembic's words
    for name in sorted(wanted.keys() | found.keys()):
        if wanted.get(name) != found.get(name):
            deed = "was altered" if name in found else "is missing"
            yield f"table or index {name} {deed if name in wanted else 'is none of a market'}"


def _on_server(connection: Connection) -> Iterator[str]:
    from alembic.autogenerate import compare_metadata  # slow to import and rarely needed
    from alembic.runtime.migration import MigrationContext

    options = {"version_table": VERSIONED, "compare_type": True, "compare_server_default": True}
    context = MigrationContext.configure(connection, opts=options)
    for difference in compare_metadata(context, MarketTable.metadata):
        yield f"the tables differ from what they should be by {difference!r}"
    known = inspect(connection)
    for table in MarketTable.metadata.sorted_tables:
        wanted = {
            (str(one.name), _plain(str(one.sqltext)))
            for one in table.constraints
            if isinstance(one, CheckConstraint)
        }
        checks = known.get_check_constraints(table.name) if known.has_table(table.name) else []
        found = {(str(one["name"]), _plain(one["sqltext"])) for one in checks}
        for name in sorted({name for name, _ in wanted ^ found}):
            yield f"constraint {name} of table {table.name} is missing or altered"


def _plain(condition: str) -> str:
    """A condition as PostgreSQL writes it down, without the casts and brackets that it adds."""
    condition = re.sub(r"(\w+) BETWEEN (\w+) AND", r"\1 >= \2 AND \1 <=", condition)
    return re.sub(r"::\w+|[\s()]", "", condition).lower()
