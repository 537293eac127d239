"""Databases to test on: a fresh SQLite file, and a private PostgreSQL server where there is one."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.private_server import NoServerError, PrivateServer


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PrivateServer]:
    """One server for all tests; skips, saying why, when it cannot be started here."""
    try:
        server = PrivateServer()
    except NoServerError as error:
        pytest.skip(f"no PostgreSQL to test on: {error}")
    with server:
        yield server


@pytest.fixture
def postgres_url(postgres_server: PrivateServer) -> str:
    """The address of a new, empty PostgreSQL database."""
    return postgres_server.new_database()


@pytest.fixture(params=["sqlite", "postgresql"])
def market_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a new, empty market, on each database in turn."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'market.db'}"
    url: str = request.getfixturevalue("postgres_url")
    return url
