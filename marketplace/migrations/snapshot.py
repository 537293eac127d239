"""Frozen structure of each schema revision: one SQL statement per paragraph, for each database.

Migrations run these files and not the table classes, which move on. For the newest revision both
say the same, which a test checks; after a change of tables write its files again:

    python -m marketplace.migrations.snapshot
"""

import re
from pathlib import Path

from sqlalchemy import Connection

from marketplace import schema

FOLDER = Path(__file__).parent / "sql"
DIALECTS = ("sqlite", "postgresql")
_PROTECTION = "-- protection: applied when the rows are in place"


def create_tables(connection: Connection, revision: str) -> None:
    """Create a revision's tables and indexes in an empty place."""
    _execute(connection, _parts(connection, revision)[0])


def create_table(connection: Connection, revision: str, table: str) -> None:
    """Create one table of a revision with its indexes, triggers and rights."""
    about = re.compile(rf"(CREATE TABLE|.* ON|ALTER TABLE) {table}\b", re.DOTALL)
    for part in _parts(connection, revision):
        _execute(connection, [one for one in part if about.match(one)])


def tables(connection: Connection, revision: str) -> list[str]:
    """Names of a revision's tables, each after the ones it refers to."""
    return re.findall(r"^CREATE TABLE (\w+)", "\n".join(_parts(connection, revision)[0]), re.M)


def protect(connection: Connection, revision: str) -> None:
    """Create a revision's triggers and take back rights."""
    _execute(connection, _parts(connection, revision)[1])


def render(dialect: str) -> str:
    """The tables as they are now, as the text of a snapshot."""
    tables = schema.table_statements(dialect)
    protection = schema.protection_statements(dialect).values()
    return "\n\n".join([*tables, _PROTECTION, *protection]) + "\n"


def path_of(revision: str, dialect: str) -> Path:
    """The snapshot's file."""
    return FOLDER / f"{revision}.{dialect}.sql"


def _parts(connection: Connection, revision: str) -> tuple[list[str], list[str]]:
    text = path_of(revision, connection.dialect.name).read_text(encoding="utf-8")
    tables, _, protection = text.partition(_PROTECTION)
    return tables.strip().split("\n\n"), protection.strip().split("\n\n")


def _execute(connection: Connection, statements: list[str]) -> None:
    for statement in statements:
        connection.exec_driver_sql(statement)


if __name__ == "__main__":
    for name in DIALECTS:
        path_of(schema.HEAD, name).write_text(render(name), encoding="utf-8")
