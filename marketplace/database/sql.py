"""The base of every table of a market, and statements that are worded once and asked many times.

The tables keep a registry of their own, so that another package's SQLModel tables can
neither collide with these names nor be created in a market file by accident.

A statement may have lists of values in it:

    _OWNERS = Statement(select(Account.owner).where(one_of(Account.name, "names")))
    ask(session, _OWNERS, names=["ada", "bob"])

Building a statement takes SQLAlchemy longer than running it, and even one that is built costs it
several times what SQLite takes to answer: types, a list sent once per place it stands in, row
objects. Its `in_` writes one parameter per text, another wording for every number of texts. Here a
list travels as one JSON text to SQLite and as one array to PostgreSQL, as in
`marketplace.database.bulk`: one wording, prepared once, without a limit on how many.
"""

import json
from collections.abc import Collection
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    ColumnElement,
    Connection,
    Dialect,
    Integer,
    Table,
    Text,
    bindparam,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import registry
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator, TypeEngine
from sqlmodel import Session, SQLModel

T = TypeVar("T")
Row = tuple[Any, ...]
RowNumber = BigInteger().with_variant(Integer(), "sqlite")
"""64-bit on every database: SQLite numbers rows by itself only under the name INTEGER."""


class _Texts(TypeDecorator[Collection[str]]):
    """A list of texts as one value."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        is_array = dialect.name == "postgresql"
        return dialect.type_descriptor(ARRAY(Text()) if is_array else Text())

    def process_bind_param(self, value: Collection[str] | None, dialect: Dialect) -> Any:
        assert value is not None, "a list without texts is empty, not absent"
        return _listed(value, dialect)


class _OneOf(FunctionElement[bool]):
    name = "one_of"
    type = Boolean()
    inherit_cache = True

    def self_group(self, against: Any = None) -> Any:
        """The condition as it is: SQLAlchemy would ask SQLite for `... = 1`, past every index."""
        return self


class _Worded(NamedTuple):
    text: str
    fixed: dict[str, Any]
    """Values that stand in the statement itself."""
    order: list[str] | None
    """Names of the values in order; None where the driver takes them by name."""


class Statement:
    """A statement in the words of each database; its values are texts, numbers and lists of texts.

    Rows come as the driver gives them: SQLite has 0 and 1 for false and true.
    """

    def __init__(self, statement: Any) -> None:
        self._statement = statement
        self._worded: dict[str, _Worded] = {}

    def rows(self, connection: Connection, values: dict[str, Any]) -> list[Row]:
        """The answer to these values."""
        dialect = connection.dialect
        worded = self._worded.get(dialect.name)
        if worded is None:
            compiled = self._statement.compile(dialect=dialect)
            worded = _Worded(str(compiled), dict(compiled.params), compiled.positiontup)
            self._worded[dialect.name] = worded
        given = dict(worded.fixed)
        for name, value in values.items():
            given[name] = value if isinstance(value, str | int | float) else _listed(value, dialect)
        order = worded.order
        parameters = given if order is None else tuple([given[name] for name in order])
        return [tuple(row) for row in connection.exec_driver_sql(worded.text, parameters)]


class MarketTable(SQLModel, registry=registry()):
    """Base class; holds the metadata of all marketplace tables."""


def put(session: Session, row: MarketTable) -> None:
    """Add a row, now: what the database has against it shows here, and what follows sees it."""
    session.add(row)
    session.flush()


def alike(kind: type[T], source: object, **more: Any) -> T:
    """One of a kind with what the source has under the same names, and what is said besides.

    A row becomes a view so, and an operation a row: whatever both declare is not written again.

    Args:
        kind: A table or a dataclass.
    """
    names = kind.model_fields if issubclass(kind, SQLModel) else kind.__dataclass_fields__  # type: ignore[attr-defined]
    shared = {n: getattr(source, n) for n in names if n not in more and hasattr(source, n)}
    return kind(**shared, **more)


def one_of(column: Any, values: str) -> ColumnElement[bool]:
    """Whether the column is one of the texts that the parameter of this name will hold."""
    return _OneOf(column, bindparam(values, type_=_Texts()))


def ask(session: Session, question: Statement, **values: Any) -> list[Row]:
    """The rows of a question; what waits in the session is written first, and seen."""
    session.flush()
    return question.rows(session.connection(), values)


def _listed(texts: Collection[str], dialect: Dialect) -> Any:
    return list(texts) if dialect.name == "postgresql" else json.dumps(list(texts))


@compiles(_OneOf)
def _sqlite(element: _OneOf, compiler: SQLCompiler, **options: Any) -> str:
    column, values = element.clauses
    listed = f"(SELECT value FROM json_each({compiler.process(values, **options)}))"
    return f"{compiler.process(column, **options)} IN {listed}"


@compiles(_OneOf, "postgresql")
def _postgresql(element: _OneOf, compiler: SQLCompiler, **options: Any) -> str:
    column, values = element.clauses
    listed = f"ANY({compiler.process(values, **options)})"
    return f"{compiler.process(column, **options)} = {listed}"


def table_of(model: type[MarketTable]) -> Table:
    """The table behind a model, for statements that need no objects."""
    return MarketTable.metadata.tables[str(model.__tablename__)]
