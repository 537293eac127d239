"""Hash chain, holds, versions of listings, and everything that can be paid for besides a sale.

Old transfers are chained as if they had been from the start, so a head signed after the
migration vouches for them too. Going back is refused once the market holds anything that the
first schema has no place for.
"""

from alembic import op
from sqlalchemy import Connection

from marketplace.errors import MarketFileError
from marketplace.migrations import backfill, rebuild, snapshot
from marketplace.migrations.rebuild import pour, same

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

OLD = (
    "account", "request", "transfer", "posting", "epoch", "listing", "receipt", "price", "purchase"
)  # fmt: skip
DERIVED = ("version", "settlement", "income")
"""New tables whose rows, for the deeds the first schema knows, follow from its tables."""


def upgrade() -> None:
    """Rebuild every table around its rows, then chain them."""
    connection = op.get_bind()
    rebuild.set_aside(connection, OLD)
    rebuild.drop_everything(connection)
    snapshot.create_tables(connection, revision)
    _pour_ledger(connection)
    _pour_catalogue(connection)
    _pour_sales(connection)
    backfill.hash_bodies(connection)
    backfill.chain_transfers(connection)
    rebuild.forget(connection, OLD)
    snapshot.protect(connection, revision)


def downgrade() -> None:
    """Back to the first schema, without the chain.

    Raises:
        MarketFileError: Something would be lost.
    """
    connection = op.get_bind()
    _refuse_loss(connection)
    kept = (*OLD, "version")
    rebuild.set_aside(connection, kept)
    rebuild.drop_everything(connection)
    snapshot.create_tables(connection, down_revision)
    _pour_back(connection)
    rebuild.forget(connection, kept)
    snapshot.protect(connection, down_revision)


def _pour_ledger(connection: Connection) -> None:
    last = "coalesce((SELECT max(id) FROM old_posting p WHERE p.account = old_account.name), 0)"
    pour(
        connection,
        "account",
        same("name overdraft balance_nanos opened_at") | {"last_posting_id": last},
    )
    connection.exec_driver_sql(
        "INSERT INTO account (name, overdraft, balance_nanos, opened_at)"
        " SELECT 'escrow', false, 0, opened_at FROM old_account WHERE name = 'world'"
    )
    pour(connection, "request", same("key operation body at"))
    pour(connection, "transfer", same("id at kind memo key"))
    previous = "coalesce(lag(id) OVER (PARTITION BY account ORDER BY id), 0)"
    pour(
        connection,
        "posting",
        same("id transfer_id account amount_nanos") | {"previous_id": previous},
    )
    pour(connection, "epoch", same("number opened_at"))


def _pour_catalogue(connection: Connection) -> None:
    pour(connection, "listing", same("name owner base_model niche published_at key"))
    empty = "''::bytea" if connection.dialect.name == "postgresql" else "x''"
    pour(
        connection,
        "version",
        same("digest description ask_nanos published_at key")
        | {"listing": "name", "number": "1", "sketch": empty}
        | dict.fromkeys(("licence", "tags", "creator", "release"), "''"),
        source="old_listing",
    )
    columns = "listing skill split n_questions n_correct n_base_correct"
    pour(
        connection,
        "receipt",
        same(columns)
        | {"id": "row_number() OVER (ORDER BY l.published_at, l.name)", "number": "1"}
        | {"exam": "'standard'", "questions_digest": "''", "at": "l.published_at"},
        source="old_receipt JOIN old_listing l ON l.name = old_receipt.listing",
    )
    rebuild.count_on(connection, "receipt")
    pour(connection, "price", same("listing epoch price_nanos log_premium usual_buyers"))


def _pour_sales(connection: Connection) -> None:
    columns = "transfer_id buyer listing epoch price_nanos fee_nanos creator_nanos"
    pour(connection, "purchase", same(columns))
    pour(
        connection,
        "settlement",
        same("transfer_id epoch fee_nanos")
        | {"way": "'sale'", "payer": "buyer", "principal": "buyer", "gross_nanos": "price_nanos"}
        | {"surplus_nanos": "0", "at": "t.at"},
        source="old_purchase JOIN old_transfer t ON t.id = old_purchase.transfer_id",
    )
    pour(
        connection,
        "income",
        same("transfer_id")
        | {"source": "listing", "account": "l.owner", "role": "'seller'"}
        | {"amount_nanos": "creator_nanos"},
        source="old_purchase JOIN old_listing l ON l.name = old_purchase.listing",
    )


def _pour_back(connection: Connection) -> None:
    pour(
        connection,
        "account",
        same("name overdraft balance_nanos opened_at"),
        source="old_account WHERE name <> 'escrow'",
    )
    pour(connection, "request", same("key operation body at"))
    pour(connection, "transfer", same("id at kind memo key"))
    pour(connection, "posting", same("id transfer_id account amount_nanos"))
    pour(connection, "epoch", same("number opened_at"))
    pour(
        connection,
        "listing",
        same("name owner base_model niche digest description ask_nanos")
        | {"published_at": "l.published_at", "key": "l.key"},
        source="old_listing l JOIN old_version ON old_version.listing = l.name",
    )
    pour(connection, "receipt", same("listing skill split n_questions n_correct n_base_correct"))
    pour(connection, "price", same("listing epoch price_nanos log_premium usual_buyers"))
    columns = "transfer_id buyer listing epoch price_nanos fee_nanos creator_nanos"
    pour(connection, "purchase", same(columns))
    for table in ("transfer", "posting"):
        rebuild.count_on(connection, table)


def _refuse_loss(connection: Connection) -> None:
    questions = {
        "a transfer of a later kind": "transfer WHERE kind NOT IN ('fund', 'sale')",
        "an entry without a request": "transfer WHERE body_hash <> ''",
        "a mandate": "account WHERE owner IS NOT NULL OR cap_nanos IS NOT NULL",
        "a second version": "version WHERE number > 1 OR licence <> '' OR tags <> ''",
        "a receipt of another exam": "receipt WHERE exam <> 'standard' OR number > 1",
    }
    known = {*OLD, *DERIVED}
    for table in rebuild.tables(connection):
        if table not in known:
            questions[f"a row of table {table}"] = table
    for what, rows in questions.items():
        if connection.exec_driver_sql(f"SELECT EXISTS (SELECT 1 FROM {rows})").scalar_one():
            raise MarketFileError(
                f"this market holds {what}, which schema version 1 has no place for: keep"
                " version 2, or restore the backup made before the migration"
            )
