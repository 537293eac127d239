"""Re-runs on fresh questions, and an account's incomes in order."""

from alembic import op
from sqlalchemy import Connection

from marketplace.errors import MarketFileError
from marketplace.migrations import rebuild

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

COLUMNS = {
    "recheck": "id receipt by n_questions n_correct n_base_correct passed binding at key",
    "income": "transfer_id source account role amount_nanos",
}


def upgrade() -> None:
    """Rebuild two tables around their rows."""
    for table, columns in COLUMNS.items():
        rebuild.remake(op.get_bind(), table, columns, revision)


def downgrade() -> None:
    """Back to re-runs of the very questions only.

    Raises:
        MarketFileError: Something would be lost.
    """
    connection = op.get_bind()
    _refuse_loss(connection)
    for table, columns in COLUMNS.items():
        rebuild.remake(connection, table, columns, down_revision)


def _refuse_loss(connection: Connection) -> None:
    query = "SELECT EXISTS (SELECT 1 FROM recheck WHERE seed IS NOT NULL)"
    if connection.exec_driver_sql(query).scalar_one():
        raise MarketFileError(
            "this market holds a re-run on fresh questions, which schema version 2 has no place"
            " for: keep version 3, or restore the backup made before the migration"
        )
