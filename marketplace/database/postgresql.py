"""A market in a PostgreSQL database, for teams.

The ledger's numbers and its hash chain make writing serial anyway, so a writer takes one
advisory lock first and everything it reads stays true: the same promise as SQLite's BEGIN
IMMEDIATE, and no deadlocks between account rows. Readers see one snapshot and take no lock.
"""

from typing import Any

from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.exc import NoSuchModuleError

from marketplace.database.place import Place
from marketplace.errors import (
    MarketBusyError,
    MarketDamagedError,
    MarketError,
    MarketFileError,
    MarketNotFoundError,
)

WRITE_LOCK = 0x434E544D  # "CNTM"; advisory locks are per database
_IN_TRANSACTION = 2  # PQTRANS_INTRANS: begun and not failed
_BUSY = ("55P03", "57014", "40001", "40P01")  # lock timeout, cancelled, serialization, deadlock
_REMEDIES = {
    "08": "nothing was confirmed; check that the server runs, then try again with the same key",
    "28": "check user and password",
    "42": "give the user rights on the schema, and run `continuum market verify`",
    "53": "nothing was changed; free disk space, memory or connections and try again",
    "57": "nothing was confirmed; wait for the server and try again with the same key",
    "58": "nothing was confirmed; check the server's disk, then run `continuum market verify`",
}


class PostgreSQL:
    """Connections to one database. See `Backend` for what each method promises."""

    def __init__(self, place: Place, busy_timeout_s: float) -> None:
        self._place = place
        self._busy_timeout_s = busy_timeout_s
        wait_ms = max(1, round(busy_timeout_s * 1000))
        try:
            self.writer = create_engine(
                place.url,
                pool_pre_ping=True,
                pool_timeout=busy_timeout_s,
                connect_args={
                    "connect_timeout": max(2, round(busy_timeout_s)),
                    "options": _with_settings(
                        place, f"-c lock_timeout={wait_ms} -c synchronous_commit=on"
                    ),
                },
            )
        except (NoSuchModuleError, ModuleNotFoundError) as error:
            raise MarketFileError(
                f"{place} needs the driver psycopg, which is not installed: run"
                " `pip install 'continuum-personas[postgres]'`"
            ) from error
        self.reader: Engine = self.writer.execution_options(
            isolation_level="REPEATABLE READ", postgresql_readonly=True
        )
        self.mover = self.writer

    def begin_write(self, connection: Connection) -> None:
        """Wait for every other writer; the lock goes with the transaction."""
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({WRITE_LOCK})")

    def is_alive(self, connection: Connection) -> bool:
        """PostgreSQL refuses everything after an error until it is rolled back."""
        if connection.invalidated:  # the server is gone
            return False
        driver: Any = connection.connection.dbapi_connection
        return bool(driver is not None and driver.info.transaction_status == _IN_TRANSACTION)

    def settle(self) -> bool:
        """Nothing to do."""
        return True

    def check_same(self) -> None:
        """The server answers for its database."""

    def dispose(self) -> None:
        """Close every connection."""
        self.writer.dispose()

    def busy(self) -> MarketError:
        """The same key makes trying again safe."""
        return MarketBusyError(
            f"{self._place} was kept busy by others for {self._busy_timeout_s:g} s and nothing was"
            " changed: try again, with the same key"
        )

    def named(self, error: BaseException | None) -> MarketError:
        """By SQLSTATE; a failure without one happened on the way to the server."""
        detail = " ".join(str(error).split())
        state = getattr(error, "sqlstate", None) or _guessed_state(detail)
        if state in _BUSY:
            return self.busy()
        if state == "3D000":
            return MarketNotFoundError(
                f"{self._place} does not exist ({detail}): create it with `createdb` first"
            )
        if state.startswith("XX"):
            return MarketDamagedError(f"{self._place} is damaged ({detail}): restore a backup")
        remedy = _REMEDIES.get(state[:2], "nothing was changed; run `continuum market verify`")
        return MarketFileError(f"{self._place} cannot be used ({detail}): {remedy}")


def _guessed_state(detail: str) -> str:
    """What a refused connection means: the driver reports it as text only."""
    if "does not exist" in detail and "database" in detail:
        return "3D000"
    if "authentication" in detail or "role" in detail or "no password" in detail:
        return "28000"
    return "08006"


def _with_settings(place: Place, settings: str) -> str:
    """Our settings after the address's own, so that nobody turns durability off by accident."""
    own = place.url.query.get("options", "")
    return f"{own if isinstance(own, str) else ' '.join(own)} {settings}".strip()
