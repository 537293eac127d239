"""Moving an open market between schema revisions, inside a transaction that the caller holds.

Both databases change their structure in transactions, so a migration that fails or is killed
leaves the market as it was. A file is also copied first.
"""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection

from marketplace import schema
from marketplace.errors import MarketDamagedError, MarketFileError
from marketplace.migrations import rebuild, snapshot
from marketplace.place import Place, make_private


def upgrade(connection: Connection, revision: str = schema.HEAD) -> None:
    """Bring a market to a later revision, or an empty place to any.

    Raises:
        MarketDamagedError: Rows refer to missing ones; nothing was changed.
    """
    config = _config(connection)
    known = schema.revision(connection, "this market")
    if known is not None:
        _refuse_other_tables(connection, known)
    noted = MigrationContext.configure(connection, opts={"version_table": schema.VERSION_TABLE})
    if known is not None and noted.get_current_revision() is None:  # written before Alembic came
        command.stamp(config, known)
    command.upgrade(config, revision)
    _finish(connection, revision)


def downgrade(connection: Connection, revision: str) -> None:
    """Bring a market back to an earlier revision.

    Raises:
        MarketFileError: It holds what the earlier revision has no place for.
    """
    command.downgrade(_config(connection), revision)
    _finish(connection, revision)


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


def _finish(connection: Connection, revision: str) -> None:
    schema.mark(connection, revision)
    if connection.dialect.name == "sqlite":
        dangling = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
        if dangling:
            raise MarketDamagedError(
                f"table {dangling[0][0]} row {dangling[0][1]} refers to a missing"
                f" {dangling[0][2]}: nothing was migrated, restore a backup"
            )


def _refuse_other_tables(connection: Connection, revision: str) -> None:
    """A market that says it is older than it is would be rebuilt without what it has no name for.

    Raises:
        MarketDamagedError: Its tables are not those of the revision.
    """
    odd = set(rebuild.tables(connection)) ^ set(snapshot.tables(connection, revision))
    if odd:
        raise MarketDamagedError(
            f"this market says it has schema version {revision}, whose tables it does not have"
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
