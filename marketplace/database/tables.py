"""The base of every marketplace table.

The tables keep a registry of their own, so that another package's SQLModel tables can
neither collide with these names nor be created in a market file by accident.
"""

from sqlalchemy import BigInteger, Integer, Table
from sqlalchemy.orm import registry
from sqlmodel import SQLModel

RowNumber = BigInteger().with_variant(Integer(), "sqlite")
"""64-bit on every database: SQLite numbers rows by itself only under the name INTEGER."""


class MarketTable(SQLModel, registry=registry()):
    """Base class; holds the metadata of all marketplace tables."""


def table_of(model: type[MarketTable]) -> Table:
    """The table behind a model, for statements that need no objects."""
    return MarketTable.metadata.tables[str(model.__tablename__)]
