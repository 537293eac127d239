"""Rows set aside, tables made new, rows poured back: one way for both databases.

SQLite cannot change most things about a table, so its manual says to rebuild it. Doing the same
on PostgreSQL means one path to test. All of it happens in the caller's transaction.
"""

from collections.abc import Iterable, Mapping

from sqlalchemy import Connection, inspect

from marketplace.migrations import snapshot
from marketplace.schema import VERSION_TABLE


def tables(connection: Connection) -> list[str]:
    """Every table but Alembic's note of the revision."""
    return [name for name in inspect(connection).get_table_names() if name != VERSION_TABLE]


def set_aside(connection: Connection, names: Iterable[str]) -> None:
    """Copy tables to temporary ones named old_<table>."""
    for table in names:
        connection.exec_driver_sql(f"CREATE TEMPORARY TABLE old_{table} AS SELECT * FROM {table}")


def drop_everything(connection: Connection) -> None:
    """Remove every table, trigger and function, but Alembic's note of the revision."""
    on_server = connection.dialect.name == "postgresql"
    for table in tables(connection):
        connection.exec_driver_sql(f"DROP TABLE {table}{' CASCADE' if on_server else ''}")
    if on_server:
        connection.exec_driver_sql("DROP FUNCTION IF EXISTS market_keep_rows()")


def pour(
    connection: Connection,
    table: str,
    columns: Mapping[str, str],
    *,
    source: str | None = None,
) -> None:
    """Fill a table from the rows that were set aside.

    Args:
        columns: Each column of the new table with the SQL expression that gives its value.
        source: What to select from; None = old_<table>.
    """
    connection.exec_driver_sql(
        f"INSERT INTO {table} ({', '.join(columns)}) SELECT {', '.join(columns.values())}"
        f" FROM {source or f'old_{table}'}"
    )


def remake(connection: Connection, table: str, columns: str, revision: str) -> None:
    """Make one table anew as a revision has it, around the rows of these columns.

    Nothing may refer to it.
    """
    set_aside(connection, [table])
    connection.exec_driver_sql(f"DROP TABLE {table}")
    snapshot.create_table(connection, revision, table)
    pour(connection, table, same(columns))
    count_on(connection, table)
    forget(connection, [table])


def count_on(connection: Connection, table: str) -> None:
    """Let PostgreSQL number the next row after the ones that were poured with their numbers."""
    numbered = {column["name"] for column in inspect(connection).get_columns(table)}
    if connection.dialect.name == "postgresql" and "id" in numbered:
        connection.exec_driver_sql(
            f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), max(id)) FROM {table}"
            " HAVING max(id) IS NOT NULL"
        )


def same(columns: str) -> dict[str, str]:
    """Columns that keep name and value."""
    return {name: name for name in columns.split()}


def forget(connection: Connection, names: Iterable[str]) -> None:
    """Drop what was set aside."""
    for table in names:
        connection.exec_driver_sql(f"DROP TABLE old_{table}")
