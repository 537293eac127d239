"""Promises of tests.support.private_server."""

from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from tests.support import private_server
from tests.support.private_server import NoServerError, PrivateServer, find_binaries


def test_it_is_real_and_leaves_nothing_behind(postgres_server: PrivateServer) -> None:
    """A second server beside the first one, durable, on its own port; its folder goes with it."""
    with PrivateServer(durable=True) as server:
        engine = create_engine(server.new_database())
        with engine.connect() as connection:
            assert connection.execute(text("SHOW fsync")).scalar_one() == "on"
            assert connection.execute(text("SHOW listen_addresses")).scalar_one() == "127.0.0.1"
        engine.dispose()
        assert server.port != postgres_server.port
        folder = server._folder
        assert folder.is_dir()
    assert not folder.exists()
    assert not folder.with_name(f"{folder.name}.log").exists()


def test_each_database_is_new(postgres_server: PrivateServer) -> None:
    """Tests do not see each other's rows."""
    assert postgres_server.new_database() != postgres_server.new_database()


def test_without_binaries_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A skipped test names the reason."""
    monkeypatch.setattr(private_server, "_BINARIES", f"{tmp_path}/*/bin/postgres")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NoServerError, match="not installed: apt-get install postgresql"):
        PrivateServer()


def test_the_newest_version_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By number, not by text: 15 is newer than 9.6."""
    for version in ("9.6", "15", "14"):
        (tmp_path / version / "bin").mkdir(parents=True)
        (tmp_path / version / "bin" / "postgres").touch()
    monkeypatch.setattr(private_server, "_BINARIES", f"{tmp_path}/*/bin/postgres")
    assert find_binaries() == tmp_path / "15" / "bin"
