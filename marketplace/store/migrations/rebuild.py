"""Rows set aside, tables made new, rows poured back: one way for both databases.

SQLite cannot change most things about a table, so its manual says to rebuild it. Doing the same
on PostgreSQL means one path to test. All of it happens in the caller's transaction.
"""

from sqlalchemy import Connection, inspect

from marketplace.database.tables import MarketTable
from marketplace.store import schema


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
