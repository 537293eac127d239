"""Moving an open market between schema revisions, inside a transaction that the caller holds.

Both databases change their structure in transactions, so a migration that fails or is killed
leaves the market as it was. A file is also copied first.

Rows set aside, tables made new, rows poured back: one way for both databases.

SQLite cannot change most things about a table, so its manual says to rebuild it. Doing the same
on PostgreSQL means one path to test. All of it happens in the caller's transaction.
"""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, inspect

from marketplace.database.place import Place, make_private
from marketplace.database.sql import MarketTable
from marketplace.errors import MarketDamagedError, MarketFileError
from marketplace.store import schema


def upgrade(connection: Connection) -> None:
    """Bring a market, or an empty place, to the newest revision.

    Raises:
        MarketDamagedError: Its tables are not what it says, or rows refer to missing ones; nothing
            was changed.
    """
    config = _config(connection)
    if schema.revision(connection, "this market") == schema.BEFORE:
        _refuse_other_tables(connection)
        command.stamp(config, "base", purge=True)
    command.upgrade(config, schema.HEAD)
    schema.mark(connection)
    _refuse_dangling(connection)


def downgrade(connection: Connection) -> None:
    """Make an unused market an empty place again.

    Raises:
        MarketFileError: There is money in it.
    """
    command.downgrade(_config(connection), "base")
    connection.exec_driver_sql(f"DROP TABLE {schema.VERSION_TABLE}")
    schema.mark(connection, application=0, version=0)


def back_up(place: Place) -> Path | None:
    """Copy a market's file beside it, complete and on disk; None for a server or memory.

    Call it while holding the write lock. An earlier backup is never overwritten.

    Raises:
        MarketFileError: There is no room or no right to write.
    """
    if place.path is None:
        return None
    partial = place.path.with_name(f"{place.path.name}.backup-partial")
    try:
        with closing(sqlite3.connect(place.path)) as source, closing(_fresh(partial)) as target:
            version = source.execute("PRAGMA user_version").fetchone()[0]
            source.backup(target)
        _to_disk(partial)
        backup = _free_name(place.path, version)
        partial.rename(backup)
        _to_disk(backup.parent)
        return backup
    except (sqlite3.Error, OSError) as error:
        raise MarketFileError(
            f"{place} must be backed up before it is migrated, which failed ({error}): free disk"
            " space or make the folder writable"
        ) from error


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def _refuse_dangling(connection: Connection) -> None:
    if connection.dialect.name == "sqlite":
        dangling = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
        if dangling:
            raise MarketDamagedError(
                f"table {dangling[0][0]} row {dangling[0][1]} refers to a missing"
                f" {dangling[0][2]}: nothing was migrated, restore a backup"
            )


def _refuse_other_tables(connection: Connection) -> None:
    """A market that says it is older than it is would be rebuilt without what it has no name for.

    Raises:
        MarketDamagedError: Its tables are not those of schema 3.
    """
    known = set(MarketTable.metadata.tables) - schema.NEW_IN_HEAD
    odd = known.symmetric_difference(tables(connection))
    if odd:
        raise MarketDamagedError(
            f"this market says it has schema version {schema.BEFORE}, whose tables it does not have"
            f" ({', '.join(sorted(odd)[:5])}): it was altered, restore a backup"
        )


def _fresh(path: Path) -> sqlite3.Connection:
    path.unlink(missing_ok=True)
    make_private(path)
    return sqlite3.connect(path)


def _free_name(path: Path, version: int) -> Path:
    number = 1
    while True:
        tail = "" if number == 1 else f"-{number}"
        name = path.with_name(f"{path.name}.schema-{version}{tail}.bak")
        if not name.exists():
            return name
        number += 1


def _to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def tables(connection: Connection) -> list[str]:
    """Every table but Alembic's note of the revision."""
    names = inspect(connection).get_table_names()
    return [name for name in names if name != schema.VERSION_TABLE]


def drop_everything(connection: Connection) -> None:
    """Remove every table, trigger and function, but Alembic's note of the revision."""
    on_server = connection.dialect.name == "postgresql"
    for table in tables(connection):
        connection.exec_driver_sql(f"DROP TABLE {table}{' CASCADE' if on_server else ''}")
    if on_server:
        connection.exec_driver_sql("DROP FUNCTION IF EXISTS market_keep_rows()")


def remake(connection: Connection) -> None:
    """Make every table as the classes have it, around the rows there are.

    A column keeps its name and its values; a new one takes its server default.
    """
    inspector = inspect(connection)
    before = {
        name: {column["name"] for column in inspector.get_columns(name)}
        for name in tables(connection)
    }
    for name in before:
        connection.exec_driver_sql(f"CREATE TEMPORARY TABLE old_{name} AS SELECT * FROM {name}")
    drop_everything(connection)
    dialect = connection.dialect.name
    for statement in schema.table_statements(dialect):
        connection.exec_driver_sql(statement)
    for table in MarketTable.metadata.sorted_tables:
        if table.name in before:
            kept = [f'"{one.name}"' for one in table.columns if one.name in before[table.name]]
            names = ", ".join(kept)
            connection.exec_driver_sql(
                f"INSERT INTO {table.name} ({names}) SELECT {names} FROM old_{table.name}"
            )
            schema.count_on(connection, table)
    for name in before:
        connection.exec_driver_sql(f"DROP TABLE old_{name}")
    for statement in schema.protection_statements(dialect).values():
        connection.exec_driver_sql(statement)
