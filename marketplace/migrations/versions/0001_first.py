"""The first schema: accounts, transfers, listings, purchases, prices."""

import time

from alembic import op

from marketplace.migrations import rebuild, snapshot

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Fill an empty place, with the two house accounts of that time."""
    connection = op.get_bind()
    snapshot.create_tables(connection, revision)
    at = time.time()
    for name, overdraft in (("world", "true"), ("platform", "false")):
        connection.exec_driver_sql(
            "INSERT INTO account (name, overdraft, balance_nanos, opened_at)"
            f" VALUES ('{name}', {overdraft}, 0, {at!r})"
        )
    connection.exec_driver_sql(f"INSERT INTO epoch (number, opened_at) VALUES (0, {at!r})")
    snapshot.protect(connection, revision)


def downgrade() -> None:
    """Leave an empty place."""
    rebuild.drop_everything(op.get_bind())
