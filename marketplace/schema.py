"""What a market file consists of, and the triggers that make history unchangeable.

The file carries an application id and a schema version: another program's database is
refused instead of being filled with our tables, and a newer market instead of being misread.
"""

from sqlalchemy import Connection
from sqlalchemy.engine import url
from sqlalchemy.schema import CreateIndex, CreateTable, ExecutableDDLElement
from sqlmodel import Session

from marketplace import (
    account,
    account_key,
    epoch,
    event_log,
    idempotency,
    journal,
    listing,
    protection,
    receipt,
    standing,
    status,
)
from marketplace.account import house_accounts
from marketplace.epoch import Epoch
from marketplace.errors import MarketDamagedError, MarketFileError
from marketplace.tables import MarketTable
from marketplace.trading import notices, records

TABLE_MODULES = (
    account,
    account_key,
    epoch,
    event_log,
    idempotency,
    journal,
    listing,
    notices,
    receipt,
    records,
    standing,
    status,
)
"""Where the tables are defined; a market consists of exactly these."""

APPLICATION_ID = 0x434E544D  # "CNTM"
REVISIONS = ("0001", "0002", "0003", "0004")
HEAD = REVISIONS[-1]
SCHEMA_VERSION = int(HEAD)
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
    if found is None or found in REVISIONS:
        return found
    raise MarketFileError(
        f"{where} has schema version {found.lstrip('0')}, this program reads up to"
        f" {SCHEMA_VERSION}: use the version of continuum that wrote it"
    )


def create_market(connection: Connection, at: float) -> None:
    """Fill an empty place: tables, triggers, the house accounts and epoch 0."""
    dialect = connection.dialect.name
    for statement in (*table_statements(dialect), *protection_statements(dialect).values()):
        connection.exec_driver_sql(statement)
    with event_log.recording(connection), Session(connection) as session:
        session.add_all([*house_accounts(at), Epoch(number=0, opened_at=at)])
        session.flush()
    mark_new(connection)


def mark_new(connection: Connection, revision: str = HEAD) -> None:
    """Note the revision of what was just created, as Alembic does when it migrates."""
    connection.exec_driver_sql(
        f"CREATE TABLE {VERSION_TABLE} (version_num VARCHAR(32) NOT NULL,"
        f" CONSTRAINT {VERSION_TABLE}_pkc PRIMARY KEY (version_num))"
    )
    connection.exec_driver_sql(f"INSERT INTO {VERSION_TABLE} VALUES ('{revision}')")
    mark(connection, revision)


def mark(connection: Connection, revision: str) -> None:
    """Write the revision where a file shows it without being read as a database."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.exec_driver_sql(f"PRAGMA user_version = {int(revision)}")


def missing_triggers(connection: Connection) -> list[str]:
    """Names of protecting triggers that are absent or differ from the ones we create."""
    return protection.missing(connection, protection_statements(connection.dialect.name))


def table_statements(dialect: str) -> list[str]:
    """Every table and index of a market, each after the ones it refers to, without blank lines."""
    made: list[ExecutableDDLElement] = []
    for table in MarketTable.metadata.sorted_tables:
        indexes = sorted(table.indexes, key=lambda index: str(index.name))
        made += [CreateTable(table), *(CreateIndex(index) for index in indexes)]
    words = url.URL.create(dialect).get_dialect()()
    lines = (str(one.compile(dialect=words)).splitlines() for one in made)
    return ["\n".join(line.rstrip() for line in statement if line.strip()) for statement in lines]


def protection_statements(dialect: str) -> dict[str, str]:
    """Every protecting statement by the name of what it creates."""
    tables = MarketTable.metadata.tables
    return protection.statements(
        dialect,
        [tables[str(model.__tablename__)] for model in APPEND_ONLY],
        {name: (tables[name], columns) for name, columns in CACHES.items()},
        UNGUARDED,
    )


def _in_file(connection: Connection, where: str) -> str | None:
    application = _pragma(connection, "application_id")
    if application == APPLICATION_ID:
        return _agreed(connection, f"{_pragma(connection, 'user_version'):04}", where)
    n_objects = connection.exec_driver_sql("SELECT count(*) FROM sqlite_schema").scalar_one()
    if application != 0 or n_objects:
        raise MarketFileError(f"{where} belongs to another program: choose another path")
    return None


def _agreed(connection: Connection, revision: str, where: str) -> str:
    """The revision in the file's header, when the table says the same.

    Raises:
        MarketDamagedError: Somebody changed one of them.
    """
    known = f"SELECT count(*) FROM sqlite_schema WHERE name = '{VERSION_TABLE}'"
    noted: list[str | None] = [None]  # the first markets were written before Alembic came
    if connection.exec_driver_sql(known).scalar_one():
        rows = connection.exec_driver_sql(f"SELECT version_num FROM {VERSION_TABLE}").scalars()
        noted = list(rows)
    if (
        revision in REVISIONS
        and noted != [revision]
        and (noted, revision) != ([None], REVISIONS[0])
    ):
        said = " and ".join(str(one) for one in noted) or "nothing"
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
