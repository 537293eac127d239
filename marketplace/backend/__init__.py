"""What differs between the databases a market can live in; `marketplace.database` is the same."""

from marketplace.backend.backend import Backend
from marketplace.backend.postgresql import PostgreSQL
from marketplace.backend.sqlite import SQLite
from marketplace.place import Place

__all__ = ["Backend", "backend_of"]


def backend_of(place: Place, busy_timeout_s: float) -> Backend:
    """The backend of an address.

    Raises:
        MarketFileError: The address is PostgreSQL's and its driver is not installed.
    """
    if place.on_server:
        return PostgreSQL(place, busy_timeout_s)
    return SQLite(place, busy_timeout_s)
