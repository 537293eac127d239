"""What a market file consists of, and the triggers that make history unchangeable.

The file carries an application id and a schema version: another program's database is
refused instead of being filled with our tables, and a newer market instead of being misread.
"""

from sqlalchemy import Connection, Table
from sqlalchemy.engine import url
from sqlalchemy.schema import CreateIndex, CreateTable, ExecutableDDLElement
from sqlmodel import Session

from marketplace.database import protection
from marketplace.database.tables import MarketTable
from marketplace.errors import MarketDamagedError, MarketFileError
from marketplace.ledger import account, account_key, epoch, event_log, idempotency, journal
from marketplace.ledger.account import house_accounts
from marketplace.ledger.epoch import Epoch
from marketplace.listing import listing, standing, status
from marketplace.receipt import receipt
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
    listing,
    meter,
    receipt,
    rent,
    review,
    standing,
    status,
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
    for statement in (*table_statements(dialect), *protection_statements(dialect).values()):
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


def count_on(target: Connection, table: Table) -> None:
    """PostgreSQL numbers the next row by a sequence, which does not see copied numbers."""
    column = table.autoincrement_column
    if target.dialect.name == "postgresql" and column is not None:
        target.exec_driver_sql(
            f"SELECT setval(pg_get_serial_sequence('{table.name}', '{column.name}'),"
            f" max({column.name})) FROM {table.name} HAVING max({column.name}) > 0"
        )


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
