"""The baseline: a market as the table classes describe it.

What development versions wrote as schema 3 is rebuilt around its rows, and each row logged.
"""

import time

from alembic import op

from marketplace.errors import MarketFileError
from marketplace.ledger import event_log
from marketplace.store import schema
from marketplace.store.migrations.run import drop_everything, remake, tables

revision = "0004"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Fill an empty place, or rebuild a market of schema 3."""
    connection = op.get_bind()
    if tables(connection):
        remake(connection)
        event_log.write_all(connection)
    else:
        schema.fill(connection, time.time())


def downgrade() -> None:
    """Leave an empty place.

    Raises:
        MarketFileError: There is money in it.
    """
    connection = op.get_bind()
    if connection.exec_driver_sql("SELECT EXISTS (SELECT 1 FROM transfer)").scalar_one():
        raise MarketFileError(
            "this market holds transfers, which no earlier schema version has a place for: keep it,"
            " or delete its database"
        )
    drop_everything(connection)
