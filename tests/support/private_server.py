"""A PostgreSQL server of one's own, from the system's binaries, for tests and trials.

Nothing is installed and nobody else's server is touched: the data lie in a temporary folder, the
server listens on a socket in that folder and on one free loopback port, and both go away
afterwards. PostgreSQL refuses to run as root, so root becomes the user `postgres` for it.
"""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg
from sqlalchemy import URL

_BINARIES = "/usr/lib/postgresql/*/bin/postgres"
_USER = "postgres"
_TIMEOUT_S = 60


class NoServerError(Exception):
    """PostgreSQL cannot be started here; the message says why."""


class PrivateServer:
    """A running server; use it as a context manager.

    Args:
        durable: False lets the server skip fsync, which tests that kill no server do not miss.

    Raises:
        NoServerError: There are no binaries, or the server does not start.
    """

    def __init__(self, *, durable: bool = False) -> None:
        self._bin = find_binaries()
        self._as_user = _step_down()
        self._folder = Path(tempfile.mkdtemp(prefix="pg-"))
        self._n_databases = 0
        self.port = _free_port()
        try:
            if self._as_user:
                shutil.chown(self._folder, _USER)
            self._initialise()
            self._start(durable=durable)
        except BaseException:
            self.close()
            raise

    def new_database(self) -> str:
        """The address of a new, empty database."""
        self._n_databases += 1
        name = f"market_{self._n_databases}"
        with psycopg.connect(self.url("postgres").replace("+psycopg", ""), autocommit=True) as held:
            held.execute(f"CREATE DATABASE {name}")
        return self.url(name)

    def url(self, database: str) -> str:
        """The address of a database on this server."""
        url = URL.create(
            "postgresql+psycopg", _USER, host="127.0.0.1", port=self.port, database=database
        )
        return url.render_as_string(hide_password=False)

    def run(self, program: str, *arguments: str) -> None:
        """Run one of PostgreSQL's programs as its user.

        Raises:
            NoServerError: It failed; the message ends with its last line.
        """
        command = [*self._as_user, str(self._bin / program), *arguments]
        environment = {"PATH": os.defpath, "LC_ALL": "C"}
        with (self._folder.parent / f"{self._folder.name}.log").open("a+") as log:
            done = subprocess.run(
                command,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                cwd="/",
                env=environment,
                timeout=_TIMEOUT_S,
                check=False,
            )
            if done.returncode:
                log.seek(0)
                raise NoServerError(f"{program} failed: {_last_line(log.read())}")

    def close(self) -> None:
        """Stop the server and remove its folder."""
        if (self._folder / "data" / "postmaster.pid").exists():
            self.run("pg_ctl", "stop", "-D", str(self._folder / "data"), "-m", "immediate", "-w")
        shutil.rmtree(self._folder, ignore_errors=True)
        (self._folder.parent / f"{self._folder.name}.log").unlink(missing_ok=True)

    def __enter__(self) -> Self:
        """Let `with PrivateServer() as server` stop it."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop the server."""
        self.close()

    def _initialise(self) -> None:
        data = str(self._folder / "data")
        self.run("initdb", "-D", data, "-U", _USER, "-A", "trust", "-E", "UTF8", "--no-sync")

    def _start(self, *, durable: bool) -> None:
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": self._folder,
            "fsync": "on" if durable else "off",
            "max_connections": 100,
        }
        options = " ".join(f"-c {name}={value}" for name, value in settings.items())
        log = str(self._folder / "server.log")
        data = str(self._folder / "data")
        self.run("pg_ctl", "start", "-D", data, "-l", log, "-w", "-o", options)


def find_binaries() -> Path:
    """Folder of the newest PostgreSQL on this machine.

    Raises:
        NoServerError: There is none.
    """
    root = Path("/")
    found = sorted(root.glob(_BINARIES.lstrip("/")), key=lambda path: _version(path.parts[-3]))
    on_path = shutil.which("postgres")
    if found:
        return found[-1].parent
    if on_path is not None:
        return Path(on_path).resolve().parent
    raise NoServerError("PostgreSQL's server is not installed: apt-get install postgresql")


def _step_down() -> list[str]:
    """The command prefix that makes root the user `postgres`; empty for anybody else."""
    if os.geteuid() != 0:
        return []
    try:
        user = pwd.getpwnam(_USER)
    except KeyError:
        raise NoServerError("PostgreSQL refuses to run as root: add a user 'postgres'") from None
    return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".") if part.isdigit())


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1].strip() if lines else "it said nothing"
