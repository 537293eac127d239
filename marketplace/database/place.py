"""Where a market lives: its address, what is behind it, and whether that is still the same one.

A market is one SQLite file, one PostgreSQL database, or nothing but memory.
"""

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import URL
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from marketplace.errors import MarketFileError, MarketNotFoundError

POSTGRESQL_DRIVER = "postgresql+psycopg"


@dataclass(frozen=True, slots=True)
class Place:
    """A market's address and the absolute path behind it; no path means memory or a server."""

    url: URL
    path: Path | None

    @property
    def on_server(self) -> bool:
        """Whether the market is a PostgreSQL database."""
        return self.url.get_backend_name() == "postgresql"

    def __str__(self) -> str:
        """The place as messages name it: on one line whatever it contains, never a password."""
        if self.on_server:
            host = self.url.host or self.url.query.get("host") or "the local socket"
            return f"market database {self.url.database!r} on {host}"
        if self.path is None:
            return "market in memory"
        text = str(self.path)
        return f"market file {text if text.isprintable() else ascii(text)}"


def find_place(url: str) -> Place:
    """The place an address names.

    A file's path is made absolute at once: connections are opened later, perhaps after the
    program has changed its folder, and must not end up in another file.

    Raises:
        MarketFileError: The address is not one of a market.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        parsed = None
    if parsed is not None and parsed.drivername in ("postgresql", POSTGRESQL_DRIVER):
        return _on_server(parsed)
    if parsed is None or parsed.get_backend_name() != "sqlite" or parsed.query or "\0" in url:
        shown = repr(url) if parsed is None else parsed.render_as_string()
        raise MarketFileError(
            "a market address is sqlite:///relative/path, sqlite:////absolute/path or"
            f" {POSTGRESQL_DRIVER}://user@host/database, got {shown!a}: write it so"
        )
    if parsed.database in (None, "", ":memory:"):
        return Place(parsed, None)
    path = Path(str(parsed.database)).absolute()
    return Place(parsed.set(database=str(path)), path)


def check_usable(place: Place, *, create: bool) -> None:
    """Refuse what SQLite would report badly, or would quietly create.

    Raises:
        MarketNotFoundError: There is no file and none is to be created.
        MarketFileError: It is a folder or a device, or its own folder is missing.
    """
    if place.path is None:
        return
    try:
        _check_path(place, place.path, create=create)
    except OSError as error:
        raise MarketFileError(
            f"{place} cannot be reached ({error.strerror}): check path and permissions"
        ) from error


def fingerprint(place: Place) -> tuple[int, int] | None:
    """What tells the file from any other that may take its name; None if it is gone."""
    if place.path is None:
        return None
    try:
        status = os.stat(place.path)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _on_server(url: URL) -> Place:
    if not url.database:
        raise MarketFileError(
            f"{url.render_as_string()} names no database: write"
            f" {POSTGRESQL_DRIVER}://user@host/database"
        )
    return Place(url.set(drivername=POSTGRESQL_DRIVER), None)


def _check_path(place: Place, path: Path, *, create: bool) -> None:
    if path.is_dir():
        raise MarketFileError(f"{place} is a folder: name a file inside it")
    if not path.parent.is_dir():
        kind = MarketFileError if create else MarketNotFoundError
        raise kind(f"{place} needs its folder, which is missing: create the folder first")
    if not path.exists() and not create:
        raise MarketNotFoundError(f"{place} does not exist: check the path or create it first")
    if path.exists() and not path.is_file():
        raise MarketFileError(f"{place} is a device, not a file: choose another path")
    if create and mark_of(path).exists() and not (path.exists() and path.stat().st_size):
        raise MarketNotFoundError(
            f"{place} was here and is gone: restore a backup, or remove {mark_of(path)} to begin an"
            " empty market"
        )


def mark_of(path: Path) -> Path:
    """The file that says that there is a market beside it, in case the market is deleted."""
    return path.with_name(f".{path.name}.made")


def make_private(path: Path) -> None:
    """Let nobody but its owner read a market's file, made now if it is absent.

    SQLite gives the files beside it the same rights. A file that is there is not opened: closing it
    would take this process's locks on it away.
    """
    with suppress(OSError):  # SQLite says what is wrong
        if not path.exists():
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
        for one in (path, *(path.with_name(f"{path.name}{end}") for end in ("-wal", "-shm"))):
            if one.exists() and one.stat().st_mode & 0o077:
                one.chmod(one.stat().st_mode & 0o700)
