"""What the library knows of its layers, in SQLite, so that ten thousand are found in no time.

The truth is in the layers' folders. Tables can be rebuilt from them, but for `vector` (exams to be
sat again), `binding` (what this home found or was told), and `seen`, which remembers the highest
signed version of each name even when its layer is gone. One connection per transaction: nothing
stays open, so a library needs no closing and survives a fork. Writes begin with BEGIN IMMEDIATE, as
the market's.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
)
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from genome.errors import LibraryBusyError, LibraryError
from genome.sqlite import failure, open_engine, use_wal

APPLICATION_ID = 0x434E544C  # "CNTL"
SCHEMA_VERSION = 1
BUSY_TIMEOUT_S = 30.0

METADATA = MetaData()


def _text(name: str, **options: Any) -> Column[str]:
    return Column(name, Text, nullable=False, **options)


def _whole(name: str, **options: Any) -> Column[int]:
    return Column(name, Integer, nullable=False, **options)


LAYER = Table(
    "layer",
    METADATA,
    _text("digest", primary_key=True),
    _text("name"),
    _text("version"),
    _whole("version_order"),
    _text("kind"),
    _text("base_model"),
    _text("licence"),
    _text("creator"),
    _text("description"),
    _text("skill"),
    _whole("n_questions"),
    _whole("n_correct"),
    _whole("n_base_correct"),
    Column("accuracy", Float, nullable=False),
    _whole("n_bytes"),
    _text("created"),
    _whole("added_ns"),
    _text("manifest_sha256"),
)
"""One row per layer; the exam columns are the headline receipt's."""

PARENT = Table(
    "parent",
    METADATA,
    _text("child", primary_key=True),
    _text("parent", primary_key=True),
    Column("weight", Float, nullable=False),
    sqlite_with_rowid=False,
)
"""Edges of the lineage; a parent need not be in the library."""

SKILL = Table(
    "skill",
    METADATA,
    _text("skill", primary_key=True),
    _text("digest", primary_key=True),
    sqlite_with_rowid=False,
)
"""Every skill a layer was examined in."""

TAG = Table(
    "tag",
    METADATA,
    _text("tag", primary_key=True),
    _text("digest", primary_key=True),
    sqlite_with_rowid=False,
)

VECTOR = Table(
    "vector",
    METADATA,
    _text("encoder", primary_key=True),
    _text("digest", primary_key=True),
    Column("vector", LargeBinary, nullable=False),
    _whole("n_results"),
    _whole("changed"),
    sqlite_with_rowid=False,
)
"""Search vectors, float32 little-endian, by the encoder they were made with; `changed` counts
writes, so that an index can catch up."""

CHANGES = Table(
    "changes",
    METADATA,
    _text("encoder", primary_key=True),
    _whole("last"),
    sqlite_with_rowid=False,
)
"""Number of the last write to an encoder's vectors; never falls, whatever is removed."""

BINDING = Table(
    "binding",
    METADATA,
    _text("digest", primary_key=True),
    _text("base_model"),
    sqlite_with_rowid=False,
)
"""The base a layer runs on here, where its author named none; beside the manifest, which may be
signed. Libraries made before this table get it when they are opened."""

SEEN = Table(
    "seen",
    METADATA,
    _text("name", primary_key=True),
    _text("creator", primary_key=True),
    _whole("version_order"),
    sqlite_with_rowid=False,
)
"""Highest signed version ever stored of a name."""

_NEWEST_FIRST = (LAYER.c.name, LAYER.c.version_order.desc())
Index("layer_by_name", *_NEWEST_FIRST)
for _column in ("base_model", "licence", "skill", "creator", "kind"):
    Index(f"layer_by_{_column}", LAYER.c[_column], *_NEWEST_FIRST)
Index("layer_by_accuracy", LAYER.c.accuracy.desc(), LAYER.c.digest)
Index("layer_by_time", LAYER.c.added_ns.desc(), LAYER.c.digest)
Index("parent_by_parent", PARENT.c.parent, PARENT.c.child)
Index("skill_by_digest", SKILL.c.digest)
Index("tag_by_digest", TAG.c.digest)
Index("vector_by_digest", VECTOR.c.digest)
Index("vector_by_change", VECTOR.c.encoder, VECTOR.c.changed)


class Catalogue:
    """A library's catalogue.db; made when it is missing.

    Raises:
        LibraryError: The file is damaged, another program's, or of another version.
    """

    def __init__(self, path: Path, *, busy_timeout_s: float = BUSY_TIMEOUT_S) -> None:
        self.path = path
        self._busy_timeout_s = busy_timeout_s
        self._engine = open_engine(
            f"sqlite:///{path}", _set_pragmas, busy_timeout_s=busy_timeout_s, poolclass=NullPool
        )
        self._reader = self._engine.execution_options(begin="BEGIN")
        with self.read() as connection:
            ready = self._is_ours(connection) and _has_all_tables(connection)
        if not ready:
            self._create()

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction that holds the write lock from its start; all or nothing."""
        with self._failures_named(), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One unchanging view; blocks nobody."""
        with self._failures_named(), self._reader.connect() as connection:
            yield connection

    def _is_ours(self, connection: Connection) -> bool:
        """True for a catalogue, False for an empty file."""
        application = connection.exec_driver_sql("PRAGMA application_id").scalar_one()
        version = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
        if (application, version) == (APPLICATION_ID, SCHEMA_VERSION):
            return True
        n_objects = connection.exec_driver_sql("SELECT count(*) FROM sqlite_schema").scalar_one()
        if application == 0 and n_objects == 0:
            return False
        raise LibraryError(
            f"{self.path} has application id {application} and version {version}, this program "
            f"reads {APPLICATION_ID} and {SCHEMA_VERSION}: move the file away, it is rebuilt from "
            "the layers beside it (search vectors have to be measured again)"
        )

    def _create(self) -> None:
        with self._failures_named():
            if not use_wal(self._engine, self._busy_timeout_s):
                raise self._busy()
        with self.write() as connection:
            if self._is_ours(connection) and _has_all_tables(connection):  # somebody was faster
                return
            METADATA.create_all(connection)
            connection.exec_driver_sql(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.exec_driver_sql(f"PRAGMA user_version = {SCHEMA_VERSION}")

    @contextmanager
    def _failures_named(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            raise self._named(error.orig) from error
        except sqlite3.Error as error:
            raise self._named(error) from error

    def _busy(self) -> LibraryBusyError:
        return LibraryBusyError(
            f"{self.path} was kept busy by others for {self._busy_timeout_s:g} s and nothing was "
            "changed: try again"
        )

    def _named(self, error: BaseException | None) -> LibraryError:
        code, detail = failure(error)
        if code in ("BUSY", "LOCKED"):
            return self._busy()
        if code in ("CORRUPT", "NOTADB"):
            return LibraryError(
                f"{self.path} is damaged ({detail}): move it away, it is rebuilt from the layers "
                "beside it (search vectors have to be measured again)"
            )
        remedy = {
            "READONLY": "make the file and its folder writable",
            "CANTOPEN": "check that its folder exists and is writable, and that it is a file",
            "PERM": "make the file and its folder writable",
            "FULL": "nothing was changed; free disk space and try again",
        }.get(code, "check the disk, then run `continuum layer verify`")
        return LibraryError(f"{self.path} cannot be used ({detail}): {remedy}")


def _has_all_tables(connection: Connection) -> bool:
    query = "SELECT name FROM sqlite_schema WHERE type = 'table'"
    return METADATA.tables.keys() <= set(connection.exec_driver_sql(query).scalars())


def _set_pragmas(connection: sqlite3.Connection, _record: object) -> None:
    connection.execute("PRAGMA synchronous = FULL")  # vectors and seen versions are kept here only
