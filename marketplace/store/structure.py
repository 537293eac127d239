"""Whether a market is still built as this program builds one: its version, tables and triggers.

Whoever may edit a database may also drop a constraint, so that rows fit which never could have, or
add a trigger that writes them later. On SQLite the stored text of every object must be ours; on
PostgreSQL, which stores none, Alembic compares with the tables' classes.
"""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from functools import cache

from sqlalchemy import CheckConstraint, Connection, inspect

from marketplace.database.bulk import is_postgres
from marketplace.database.tables import MarketTable
from marketplace.errors import MarketError
from marketplace.store import schema

VERSIONED = schema.VERSION_TABLE


def altered(connection: Connection) -> list[str]:
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


_OBJECTS = (
    "SELECT name, sql FROM sqlite_schema"
    " WHERE type <> 'trigger' AND sql IS NOT NULL AND name NOT LIKE 'sqlite_%'"
)


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
