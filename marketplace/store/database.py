"""The one door to the database: transactions, and failures in the market's words.

A transaction that changes something holds the market's only write lock from its start, in
whatever database the market lives (`marketplace.database`). The writer groups many changes into
one such transaction; see `marketplace.store.writer`.

`Backend` names what each kind of database answers in its own way.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlmodel import Session

from marketplace.database.place import Place, check_usable, find_place
from marketplace.database.postgresql import PostgreSQL
from marketplace.database.sqlite import SQLite
from marketplace.errors import MarketBusyError, MarketError, MarketFileError, MarketNotFoundError
from marketplace.ledger import event_log
from marketplace.store import schema


class Backend(Protocol):
    """One kind of database.

    Its writer's transactions hold the market's only write lock from their first statement, so
    that whatever is read in them is still true when it is written back.
    """

    writer: Engine
    """Transactions that change something; at most one runs at a time, in all processes."""
    reader: Engine
    """Transactions that see one unchanging state and block nobody."""
    mover: Engine
    """Transactions that rebuild tables; they hold the write lock and do not check references."""

    def begin_write(self, connection: Connection) -> None:
        """Take the write lock, unless the transaction's own first statement does."""

    def is_alive(self, connection: Connection) -> bool:
        """Whether the transaction can still be committed."""

    def settle(self) -> bool:
        """Last touches to a market that was just opened; False if others kept it busy."""

    def check_same(self) -> None:
        """Refuse when what was opened is no longer what is at the address.

        Raises:
            MarketFileError: It was moved, deleted or replaced.
        """

    def dispose(self) -> None:
        """Give back every connection."""

    def busy(self) -> MarketError:
        """The error of having waited too long for other writers."""

    def named(self, error: BaseException | None) -> MarketError:
        """A failure in the market's words; the database's own follow in brackets."""


BUSY_TIMEOUT_S = 30.0


class Database:
    """An open market: a file, a PostgreSQL database, or memory when the address names neither.

    Raises:
        MarketNotFoundError: There is no market and `create` is False.
        MarketFileError: The file, its folder or the server cannot be used.
    """

    def __init__(
        self, url: str, *, create: bool, at: float, busy_timeout_s: float = BUSY_TIMEOUT_S
    ) -> None:
        self.place = find_place(url)
        self._closed = False
        check_usable(self.place, create=create)
        self._backend = backend_of(self.place, busy_timeout_s)
        event_log.follow_savepoints(self._backend.writer)
        try:
            self._prepare(create=create, at=at)
        except BaseException:
            self._backend.dispose()
            raise

    @contextmanager
    def write(self) -> Iterator[Session]:
        """One transaction that holds the write lock from its start; all or nothing."""
        with self.transaction() as connection, Session(connection) as session:
            yield session
            session.flush()

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """The transaction under `write`, for whoever puts several changes into one."""
        self._check_open()
        with _failures_named(self._backend), self._backend.writer.begin() as connection:
            self._backend.begin_write(connection)
            self._backend.check_same()
            with event_log.recording(connection):
                yield connection

    @classmethod
    @contextmanager
    def empty(cls, url: str, *, busy_timeout_s: float = BUSY_TIMEOUT_S) -> Iterator[Connection]:
        """One transaction on a place that holds nothing yet, for whoever fills it.

        Raises:
            MarketFileError: The place holds something.
        """
        place = find_place(url)
        check_usable(place, create=True)
        backend = backend_of(place, busy_timeout_s)
        try:
            with _failures_named(backend), backend.mover.begin() as connection:
                backend.begin_write(connection)
                if schema.revision(connection, str(place)) is not None:
                    raise MarketFileError(f"{place} holds a market already: name an empty place")
                yield connection
        finally:
            backend.dispose()

    @contextmanager
    def read(self) -> Iterator[Session]:
        """One unchanging view of the market; blocks nobody and keeps nothing."""
        self._check_open()
        self._backend.check_same()
        with _failures_named(self._backend), Session(self._backend.reader) as session:
            yield session

    def is_alive(self, connection: Connection) -> bool:
        """Whether a transaction can still be committed after an error inside it."""
        return self._backend.is_alive(connection)

    def named(self, error: BaseException) -> BaseException:
        """A database failure in the market's words; any other error as it is."""
        return _named(self._backend, error)

    def close(self) -> None:
        """Give back every connection; using the database afterwards is refused."""
        self._closed = True
        self._backend.dispose()

    def _check_open(self) -> None:
        if self._closed:
            raise MarketError(f"{self.place} is closed: open it again with Market.open")

    def _prepare(self, *, create: bool, at: float) -> None:
        with _failures_named(self._backend):
            with self._backend.reader.connect() as connection:  # most markets need no lock
                revision = schema.revision(connection, str(self.place))
            if revision is None and not create:
                raise MarketNotFoundError(
                    f"{self.place} is empty: restore a backup or create the market first"
                )
            if revision is None:
                self._create(at)
            elif revision != schema.HEAD:
                self._upgrade()
            if not self._backend.settle():
                raise MarketBusyError(f"{self.place} is in use by others: try again later")

    def _create(self, at: float) -> None:
        with self._backend.writer.begin() as connection:
            self._backend.begin_write(connection)
            if schema.revision(connection, str(self.place)) is None:  # nobody was faster
                schema.create_market(connection, at)

    def _upgrade(self) -> None:
        from marketplace.store.migrations import run

        with self._backend.mover.begin() as connection:
            self._backend.begin_write(connection)
            if schema.revision(connection, str(self.place)) != schema.HEAD:  # nobody was faster
                run.back_up(self.place)
                run.upgrade(connection)


@contextmanager
def _failures_named(backend: Backend) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        named = _named(backend, error)
        if named is error:
            raise
        raise named from error


def _named(backend: Backend, error: BaseException) -> BaseException:
    if isinstance(error, PoolTimeoutError):
        return backend.busy()
    if isinstance(error, DBAPIError):
        return backend.named(error.orig)
    if type(error).__module__ in ("sqlite3", "psycopg", "psycopg.errors"):
        return backend.named(error)
    return error


def backend_of(place: Place, busy_timeout_s: float) -> Backend:
    """The backend of an address.

    Raises:
        MarketFileError: The address is PostgreSQL's and its driver is not installed.
    """
    if place.on_server:
        return PostgreSQL(place, busy_timeout_s)
    return SQLite(place, busy_timeout_s)
