"""What attackers had found: rows of 0003 under the rules that close the holes.

Every table is made anew around its rows, whatever differs. To change the structure: change the
table classes, write the snapshot (`python -m marketplace.migrations.snapshot`), and

    a new table            needs nothing here; it begins empty
    a new column           with a server default needs nothing either; else name the SQL that
                           gives its value from `old_<table>` in ADDED
                           and, in LOST, when its content would be missed by going back
    a column that went     going back fills it from GONE

Going back is refused while a table that 0003 does not know holds a row.
"""

from alembic import op
from sqlalchemy import Connection, inspect

from marketplace.errors import MarketFileError
from marketplace.migrations import backfill, rebuild, snapshot
from marketplace.migrations.rebuild import pour, same

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

ADDED: dict[str, dict[str, str]] = {}
"""New columns by table, each with the SQL of its value for a row of 0003."""
GONE: dict[str, dict[str, str]] = {}
"""Columns that 0004 gave up, by table, each with the SQL of its value for a row of 0004."""
LOST: dict[str, str] = {}
"""What 0003 has no place for, each with the rows it stands in: `table WHERE ...`."""
DERIVED: tuple[str, ...] = ("event",)
"""New tables that are made from the others: going back loses nothing with them."""
UNLOGGED = ("transfer", "posting", "open_hold", "event")
CACHES = ("balance_nanos", "held_nanos", "spent_nanos", "last_posting_id")
"""Columns of an account that are not logged."""


def upgrade() -> None:
    """Rebuild every table around its rows, and log each of them."""
    connection = op.get_bind()
    _remake(connection, revision, ADDED)
    columns = _columns(connection)
    columns["account"] = [name for name in columns["account"] if name not in CACHES]
    names = [name for name in snapshot.tables(connection, revision) if name not in UNLOGGED]
    backfill.log_rows(connection, {name: columns[name] for name in names})


def downgrade() -> None:
    """Back to 0003.

    Raises:
        MarketFileError: Something would be lost.
    """
    connection = op.get_bind()
    _refuse_loss(connection)
    _remake(connection, down_revision, GONE)


def _remake(connection: Connection, target: str, values: dict[str, dict[str, str]]) -> None:
    before = _columns(connection)
    rebuild.set_aside(connection, before)
    rebuild.drop_everything(connection)
    snapshot.create_tables(connection, target)
    after = _columns(connection)
    for table in snapshot.tables(connection, target):
        if table in before:
            kept = " ".join(f'"{name}"' for name in after[table] if name in before[table])
            pour(connection, table, same(kept) | values.get(table, {}))
            rebuild.count_on(connection, table)
    rebuild.forget(connection, before)
    snapshot.protect(connection, target)


def _columns(connection: Connection) -> dict[str, list[str]]:
    """Names of every table's columns."""
    inspector = inspect(connection)
    return {
        table: [column["name"] for column in inspector.get_columns(table)]
        for table in rebuild.tables(connection)
    }


def _refuse_loss(connection: Connection) -> None:
    known = set(snapshot.tables(connection, down_revision))
    for table in rebuild.tables(connection):
        if table not in known and table not in DERIVED:
            _refuse(connection, f"a row of table {table}", table)
    for what, rows in LOST.items():
        _refuse(connection, what, rows)


def _refuse(connection: Connection, what: str, rows: str) -> None:
    if connection.exec_driver_sql(f"SELECT EXISTS (SELECT 1 FROM {rows})").scalar_one():
        raise MarketFileError(
            f"this market holds {what}, which schema version 3 has no place for: keep"
            " version 4, or restore the backup made before the migration"
        )
