"""What a market file consists of, and the triggers that make history unchangeable.

The file carries an application id and a schema version: another program's database is
refused instead of being filled with our tables, and a newer market instead of being misread.
"""

from sqlalchemy import Connection

from marketplace.account import house_accounts
from marketplace.epoch import Epoch, PriceRow
from marketplace.errors import MarketFileError
from marketplace.idempotency import Request
from marketplace.ledger import Posting, Transfer
from marketplace.listing import Listing, Purchase, Receipt
from marketplace.tables import MarketTable

APPLICATION_ID = 0x434E544D  # "CNTM"
SCHEMA_VERSION = 1

APPEND_ONLY = (Request, Transfer, Posting, Listing, Receipt, Purchase, Epoch, PriceRow)
"""Tables whose rows are never changed; of an account only the balance may change."""


def holds_market(connection: Connection, where: str) -> bool:
    """True for a market, False for an empty file.

    Raises:
        MarketFileError: The file belongs to another program or another version of this one.
    """
    application = _pragma(connection, "application_id")
    if application == APPLICATION_ID:
        version = _pragma(connection, "user_version")
        if version != SCHEMA_VERSION:
            raise MarketFileError(
                f"{where} has schema version {version}, this program reads {SCHEMA_VERSION}:"
                " use the version of continuum that wrote it"
            )
        return True
    n_objects = connection.exec_driver_sql("SELECT count(*) FROM sqlite_schema").scalar_one()
    if application != 0 or n_objects:
        raise MarketFileError(f"{where} belongs to another program: choose another path")
    return False


def create_market(connection: Connection, at: float) -> None:
    """Fill an empty file: tables, triggers, the house accounts and epoch 0."""
    MarketTable.metadata.create_all(connection)
    for statement in _triggers().values():
        connection.exec_driver_sql(statement)
    tables = MarketTable.metadata.tables
    for account in house_accounts(at):
        connection.execute(tables["account"].insert(), account.model_dump())
    connection.execute(tables["epoch"].insert(), Epoch(number=0, opened_at=at).model_dump())
    connection.exec_driver_sql(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.exec_driver_sql(f"PRAGMA user_version = {SCHEMA_VERSION}")


def missing_triggers(connection: Connection) -> list[str]:
    """Names of protecting triggers that are absent or differ from the ones we create."""
    rows = connection.exec_driver_sql("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'")
    found = {row.name: row.sql for row in rows}
    return [name for name, sql in _triggers().items() if found.get(name) != sql]


def _triggers() -> dict[str, str]:
    """Every protecting trigger by name.

    INSERT OR REPLACE deletes silently, past any delete trigger, unless the writer turned
    recursive triggers on; hence the guard on INSERT.
    """
    triggers = {}
    for table in (model.__tablename__ for model in APPEND_ONLY):
        refusal = f"SELECT RAISE(ABORT, 'append-only: rows of {table} are never changed')"
        for deed in ("UPDATE", "DELETE"):
            name = f"{table}_no_{deed.lower()}"
            triggers[name] = f"CREATE TRIGGER {name} BEFORE {deed} ON {table} BEGIN {refusal}; END"
        name = f"{table}_no_replace"
        triggers[name] = (
            f"CREATE TRIGGER {name} BEFORE INSERT ON {table}"
            f" WHEN EXISTS (SELECT 1 FROM {table} WHERE {_same_key(table)})"
            f" BEGIN {refusal}; END"
        )
    refusal = "SELECT RAISE(ABORT, 'append-only: of an account only the balance changes')"
    for name, deed in {
        "account_no_delete": "DELETE",
        "account_no_update": "UPDATE OF name, overdraft, opened_at",
    }.items():
        triggers[name] = f"CREATE TRIGGER {name} BEFORE {deed} ON account BEGIN {refusal}; END"
    return triggers


def _same_key(table: str) -> str:
    columns = MarketTable.metadata.tables[table].primary_key.columns
    return " AND ".join(f"{column.name} = NEW.{column.name}" for column in columns)


def _pragma(connection: Connection, name: str) -> int:
    value = connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
    assert isinstance(value, int)
    return value
