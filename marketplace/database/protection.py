"""Triggers that make history unchangeable, in each database's words (L7).

They stop a program's mistake and a careless administrator. Whoever owns the database can drop
them; that is what the hash chain is for, and `missing` for a first look.
"""

from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import Connection, Table, UniqueConstraint

Columns = Sequence[str]

_REFUSE = "market_keep_rows"
_REFUSE_BODY = (
    "BEGIN RAISE EXCEPTION USING ERRCODE = 'integrity_constraint_violation',"
    " MESSAGE = 'append-only: rows of ' || TG_TABLE_NAME || ' are never changed'; END"
)


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
