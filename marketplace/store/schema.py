"""What a market file consists of, and the triggers that make history unchangeable.

The file carries an application id and a schema version: another program's database is
refused instead of being filled with our tables, and a newer market instead of being misread.

Triggers that make history unchangeable, in each database's words (L7).

They stop a program's mistake and a careless administrator. Whoever owns the database can drop
them; that is what the hash chain is for, and `missing` for a first look.
"""

from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache

from sqlalchemy import Connection, Table, UniqueConstraint
from sqlalchemy.engine import url
from sqlalchemy.schema import CreateIndex, CreateTable, ExecutableDDLElement
from sqlmodel import Session

from marketplace import receipt
from marketplace.database.sql import MarketTable
from marketplace.errors import MarketDamagedError, MarketFileError
from marketplace.ledger import account, account_key, epoch, event_log, idempotency, journal
from marketplace.ledger.account import house_accounts
from marketplace.ledger.epoch import Epoch
from marketplace.listing import listing
from marketplace.price import known
from marketplace.trade import (
    bounty,
    bundle,
    buy,
    compute,
    debts,
    demand,
    incomes,
    meter,
    rent,
    review,
    subscription,
    terms,
    trial,
    usage,
)

Columns = Sequence[str]
_REFUSE = "market_keep_rows"
_REFUSE_BODY = (
    "BEGIN RAISE EXCEPTION USING ERRCODE = 'integrity_constraint_violation',"
    " MESSAGE = 'append-only: rows of ' || TG_TABLE_NAME || ' are never changed'; END"
)

TABLE_MODULES = (
    account,
    account_key,
    bounty,
    bundle,
    buy,
    compute,
    debts,
    demand,
    epoch,
    event_log,
    idempotency,
    incomes,
    journal,
    known,
    listing,
    meter,
    receipt,
    rent,
    review,
    subscription,
    terms,
    trial,
    usage,
)
"""Where the tables are defined; a market consists of exactly these."""

APPLICATION_ID = 0x434E544D  # "CNTM"
HEAD = "0004"
SCHEMA_VERSION = int(HEAD)
BEFORE = "0003"
"""What development versions wrote before this baseline; still opened, and rebuilt."""
NEW_IN_HEAD = frozenset({"debt", "event"})
"""Tables that `BEFORE` does not have."""
VERSION_TABLE = "market_version"
"""Where Alembic notes the revision; on a server its presence also says that this is a market."""

CACHES: dict[str, tuple[str, ...]] = {"account": account.CACHES}
"""Tables of which only these columns, the caches, may change."""
FREE = ("open_hold",)
"""Tables that are caches as a whole."""
APPEND_ONLY = tuple(
    model
    for model in sorted(MarketTable.__subclasses__(), key=lambda model: str(model.__tablename__))
    if model.__tablename__ not in (*CACHES, *FREE)
)
"""All other tables: their rows are never changed."""
UNGUARDED = ("posting",)
"""Append-only, but without the trigger that stops INSERT OR REPLACE on SQLite: four postings make
a charge, and any trigger on INSERT, even an empty one, costs a charge 60 % more time. What is
replaced there breaks the hash chain."""


def revision(connection: Connection, where: str) -> str | None:
    """Schema revision of a market; None for an empty place.

    Raises:
        MarketFileError: The place belongs to another program or another version of this one.
    """
    found = (_on_server if connection.dialect.name == "postgresql" else _in_file)(connection, where)
    if found in (None, BEFORE, HEAD):
        return found
    writer = "the version of continuum that wrote it"
    if found < BEFORE:
        writer = "continuum of commit 04f8bb0 once, which brings it to version 3"
    raise MarketFileError(
        f"{where} has schema version {found.lstrip('0')}, this program reads {int(BEFORE)} and"
        f" {SCHEMA_VERSION}: open it with {writer}"
    )


def create_market(connection: Connection, at: float) -> None:
    """Make an empty place a market."""
    fill(connection, at)
    mark_new(connection)


def mark_new(connection: Connection) -> None:
    """Note the revision of what was just created, as Alembic does when it migrates."""
    connection.exec_driver_sql(
        f"CREATE TABLE {VERSION_TABLE} (version_num VARCHAR(32) NOT NULL,"
        f" CONSTRAINT {VERSION_TABLE}_pkc PRIMARY KEY (version_num))"
    )
    connection.exec_driver_sql(f"INSERT INTO {VERSION_TABLE} VALUES ('{HEAD}')")
    mark(connection)


def fill(connection: Connection, at: float) -> None:
    """Tables, triggers, the house accounts and epoch 0."""
    dialect = connection.dialect.name
    made = (*table_statements(dialect), *protection_statements(dialect).values())
    if dialect == "postgresql":  # which takes them as one message instead of 330 questions
        text = ";\n".join(made).replace("%%", "%")  # as doubled for statements with parameters
        connection.exec_driver_sql(text, execution_options={"no_parameters": True})
    else:
        for statement in made:
            connection.exec_driver_sql(statement)
    with event_log.recording(connection), Session(connection) as session:
        session.add_all([*house_accounts(at), Epoch(number=0, opened_at=at)])
        session.flush()


def mark(
    connection: Connection, application: int = APPLICATION_ID, version: int = SCHEMA_VERSION
) -> None:
    """Write whose file it is and its revision where they show without reading it as a database."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql(f"PRAGMA application_id = {application}")
        connection.exec_driver_sql(f"PRAGMA user_version = {version}")


def missing_triggers(connection: Connection) -> list[str]:
    """Names of protecting triggers that are absent or differ from the ones we create."""
    return missing(connection, protection_statements(connection.dialect.name))


@lru_cache
def table_statements(dialect: str) -> tuple[str, ...]:
    """Every table and index of a market, each after the ones it refers to, without blank lines."""
    made: list[ExecutableDDLElement] = []
    for table in MarketTable.metadata.sorted_tables:
        indexes = sorted(table.indexes, key=lambda index: str(index.name))
        made += [CreateTable(table), *(CreateIndex(index) for index in indexes)]
    words = url.URL.create(dialect).get_dialect()()
    lines = (str(one.compile(dialect=words)).splitlines() for one in made)
    return tuple("\n".join(filter(None, map(str.rstrip, statement))) for statement in lines)


def count_on(target: Connection, table: Table) -> None:
    """PostgreSQL numbers the next row by a sequence, which does not see copied numbers."""
    column = table.autoincrement_column
    if target.dialect.name == "postgresql" and column is not None:
        target.exec_driver_sql(
            f"SELECT setval(pg_get_serial_sequence('{table.name}', '{column.name}'),"
            f" max({column.name})) FROM {table.name} HAVING max({column.name}) > 0"
        )


@lru_cache
def protection_statements(dialect: str) -> Mapping[str, str]:
    """Every protecting statement by the name of what it creates."""
    tables = MarketTable.metadata.tables
    return statements(
        dialect,
        [tables[str(model.__tablename__)] for model in APPEND_ONLY],
        {name: (tables[name], columns) for name, columns in CACHES.items()},
        UNGUARDED,
    )


def _in_file(connection: Connection, where: str) -> str | None:
    application = _pragma(connection, "application_id")
    if application == APPLICATION_ID:
        return _agreed(connection, f"{_pragma(connection, 'user_version'):04}", where)
    own = "SELECT count(*) FROM sqlite_schema WHERE name NOT LIKE 'sqlite!_%' ESCAPE '!'"
    n_objects = connection.exec_driver_sql(own).scalar_one()
    if application != 0 or n_objects:
        raise MarketFileError(f"{where} belongs to another program: choose another path")
    return None


def _agreed(connection: Connection, revision: str, where: str) -> str:
    """The revision in the file's header, when the table says the same.

    Raises:
        MarketDamagedError: Somebody changed one of them.
    """
    known = f"SELECT count(*) FROM sqlite_schema WHERE name = '{VERSION_TABLE}'"
    noted: list[str] = []
    if connection.exec_driver_sql(known).scalar_one():
        rows = connection.exec_driver_sql(f"SELECT version_num FROM {VERSION_TABLE}").scalars()
        noted = list(rows)
    is_older = revision < BEFORE and not noted  # the first ones noted it in the header only
    if revision <= HEAD and noted != [revision] and not is_older:
        said = " and ".join(noted) or "nothing"
        raise MarketDamagedError(
            f"{where} has schema version {revision} in its header and {said} in its table: it was"
            " altered, restore a backup"
        )
    return revision


def _on_server(connection: Connection, where: str) -> str | None:
    # one question for both: while others create the market, two would see it by halves
    names = "SELECT relname FROM pg_class WHERE relnamespace = current_schema()::regnamespace"
    found = connection.exec_driver_sql(names).scalars().all()
    if VERSION_TABLE in found:
        rows = connection.exec_driver_sql(f"SELECT version_num FROM {VERSION_TABLE}").scalars()
        return next(iter(rows), None)
    if found:
        raise MarketFileError(f"{where} belongs to another program: choose another database")
    return None


def _pragma(connection: Connection, name: str) -> int:
    value = connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
    assert isinstance(value, int)
    return value


def statements(
    dialect: str,
    append_only: Sequence[Table],
    caches: Mapping[str, tuple[Table, Columns]],
    unguarded: Collection[str] = (),
) -> dict[str, str]:
    """Every protecting statement by the name of what it creates, in order.

    Args:
        append_only: Tables whose rows are never changed.
        caches: Tables of which only some columns, the caches, may change; rows stay.
        unguarded: Append-only tables without the guard on INSERT.
    """
    if dialect == "postgresql":
        return _postgresql(append_only, caches)
    guarded = [table for table in append_only if table.name not in unguarded]
    guarded += [table for table, _ in caches.values()]
    return {**_sqlite(append_only, caches), **_sqlite_guards(guarded)}


def missing(connection: Connection, wanted: Mapping[str, str]) -> list[str]:
    """Names of protecting triggers that are absent, altered or turned off."""
    if connection.dialect.name == "postgresql":
        found = _postgresql_triggers(connection)
    else:
        rows = connection.exec_driver_sql(
            "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'"
        )
        found = {row.name: row.sql for row in rows}
    is_trigger = ("CREATE TRIGGER", "CREATE FUNCTION")
    expected = {name: sql for name, sql in wanted.items() if sql.startswith(is_trigger)}
    return [name for name, sql in expected.items() if found.get(name) != sql]


def _sqlite(
    append_only: Sequence[Table], caches: Mapping[str, tuple[Table, Columns]]
) -> dict[str, str]:
    triggers = {}
    for table in append_only:
        refusal = f"SELECT RAISE(ABORT, 'append-only: rows of {table.name} are never changed')"
        for deed in ("UPDATE", "DELETE"):
            name = f"{table.name}_no_{deed.lower()}"
            triggers[name] = (
                f"CREATE TRIGGER {name} BEFORE {deed} ON {table.name} BEGIN {refusal}; END"
            )
    for table, columns in caches.values():
        refusal = (
            f"SELECT RAISE(ABORT, 'append-only: of {table.name} only"
            f" {', '.join(columns)} may change')"
        )
        for name, deed in {
            f"{table.name}_no_delete": "DELETE",
            f"{table.name}_no_update": f"UPDATE OF {_lasting(table, columns)}",
        }.items():
            triggers[name] = (
                f"CREATE TRIGGER {name} BEFORE {deed} ON {table.name} BEGIN {refusal}; END"
            )
    return triggers


def _sqlite_guards(tables: Sequence[Table]) -> dict[str, str]:
    """INSERT OR REPLACE deletes silently, past any delete trigger, unless the writer turned
    recursive triggers on; hence a guard on INSERT, for every unique key.
    """
    triggers = {}
    for table in tables:
        name = f"{table.name}_no_replace"
        triggers[name] = (
            f"CREATE TRIGGER {name} BEFORE INSERT ON {table.name}"
            f" WHEN {' OR '.join(_same_key(table))} BEGIN"
            f" SELECT RAISE(ABORT, 'append-only: rows of {table.name} are never changed'); END"
        )
    return triggers


def _postgresql(
    append_only: Sequence[Table], caches: Mapping[str, tuple[Table, Columns]]
) -> dict[str, str]:
    """Written as `pg_get_triggerdef` writes them, so that `missing` can compare.

    The owner keeps UPDATE: PostgreSQL checks references with it. ALWAYS: they also hold for
    whoever replays rows as a replica.
    """
    made = {
        _REFUSE: f"CREATE FUNCTION {_REFUSE}() RETURNS trigger LANGUAGE plpgsql"
        f" AS $${_REFUSE_BODY}$$"
    }
    deeds = dict.fromkeys(append_only, "DELETE OR UPDATE")
    for table, columns in caches.values():
        deeds[table] = f"DELETE OR UPDATE OF {_lasting(table, columns)}"
    for table, deed in deeds.items():
        for name, when, scope in (
            (f"{table.name}_no_change", deed, "ROW"),
            (f"{table.name}_no_truncate", "TRUNCATE", "STATEMENT"),
        ):
            made[name] = (
                f"CREATE TRIGGER {name} BEFORE {when} ON {table.name}"
                f" FOR EACH {scope} EXECUTE FUNCTION {_REFUSE}()"
            )
            made[f"{name} always"] = f"ALTER TABLE {table.name} ENABLE ALWAYS TRIGGER {name}"
        made[f"{table.name} for nobody else"] = f"REVOKE ALL ON {table.name} FROM PUBLIC"
        made[f"{table.name} for the owner"] = (
            f"REVOKE DELETE, TRUNCATE ON {table.name} FROM CURRENT_USER"
        )
    return made


def _postgresql_triggers(connection: Connection) -> dict[str, str]:
    rows = connection.exec_driver_sql(
        "SELECT t.tgname AS name, pg_get_triggerdef(t.oid, true) AS sql FROM pg_trigger t"
        " JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE NOT t.tgisinternal AND t.tgenabled = 'A' AND n.nspname = current_schema()"
    )
    found = {row.name: row.sql for row in rows}
    bodies = connection.exec_driver_sql(
        f"SELECT prosrc FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace"
        f" WHERE p.proname = '{_REFUSE}' AND n.nspname = current_schema()"
    )
    if bodies.scalars().all() == [_REFUSE_BODY]:
        found[_REFUSE] = _postgresql((), {})[_REFUSE]
    return found


def _lasting(table: Table, caches: Columns) -> str:
    return ", ".join(column.name for column in table.columns if column.name not in caches)


def _same_key(table: Table) -> list[str]:
    """One condition per unique key: a stored row has the new row's key."""
    keys: list[tuple[list[str], object]] = [([c.name for c in table.primary_key.columns], None)]
    unique = [one for one in table.constraints if isinstance(one, UniqueConstraint)]
    keys += sorted(([column.name for column in one.columns], None) for one in unique)
    for index in sorted(table.indexes, key=lambda index: str(index.name)):
        if index.unique:
            keys.append(([c.name for c in index.columns], index.dialect_options["sqlite"]["where"]))
    return [_exists(table, columns, where) for columns, where in keys]


def _exists(table: Table, columns: list[str], where: object) -> str:
    same = " AND ".join(f"{name} = NEW.{name}" for name in columns)
    found = f"EXISTS (SELECT 1 FROM {table.name} WHERE {same}"
    if where is None:
        return f"{found})"
    new_row = ", ".join(f"NEW.{column.name} AS {column.name}" for column in table.columns)
    return f"{found} AND ({where})) AND EXISTS (SELECT 1 FROM (SELECT {new_row}) WHERE {where})"
