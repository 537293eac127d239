"""Where a command reads and writes: --home, else CONTINUUM_HOME, else the user data folder, and
--market; on which base model: --base; and in how much memory: --memory."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from tui.cli.errors import HomeNotFoundError
from tui.printing import say

unstamped_homes: set[Path] = set()
"""Homes from before there were stamps that the running command has to do with."""

HomeOption = Annotated[
    Path | None,
    typer.Option(
        "--home",
        envvar="CONTINUUM_HOME",
        help="Folder with the library, personas and market.",
        show_default="your user data folder",
    ),
]
MarketOption = Annotated[
    str | None,
    typer.Option(
        "--market",
        "-m",
        envvar="CONTINUUM_MARKET",
        help="http(s)://... = a service, sqlite:///... or postgresql://... = a database.",
        show_default="the home's market.db",
    ),
]
_BASE_HELP = "Base model: its folder, hub id, or name or fingerprint in this home."
BaseOption = Annotated[str | None, typer.Option("--base", help=_BASE_HELP, show_default=False)]
RequiredBaseOption = Annotated[str, typer.Option("--base", help=_BASE_HELP)]


def _allow_memory(text: str | None) -> str | None:
    if text is not None:
        from genome.memory import allow, parse_bytes

        allow(parse_bytes(text))
    return text


MemoryOption = Annotated[
    str | None,
    typer.Option(
        "--memory",
        envvar="CONTINUUM_MEMORY",
        callback=_allow_memory,
        help="What computing may take beside the base model, such as 4GB.",
        show_default="60 % of what is free",
    ),
]
"""Has its effect by being given: the parameter itself is not read."""


def default_home() -> Path:
    """The platform's user data folder for Continuum."""
    from platformdirs import user_data_path

    return user_data_path("continuum", appauthor=False)


def resolve_home(home: Path | None) -> Path:
    """An absolute path, whether anything is there or not.

    Raises:
        HomeVersionError: There is a home of a format that this version does not know.
    """
    from genome.home import check_home

    chosen = home if home is not None else default_home()
    path = Path(os.path.abspath(chosen.expanduser()))
    if not check_home(path):
        unstamped_homes.add(path)
    return path


def greet_old_homes() -> None:
    """Say once, after a command that worked, that a home is older than stamps; stamp it."""
    for path in sorted(unstamped_homes):
        from genome.home import write_stamp

        say(
            f"note: {path} is from a version before homes were stamped; this one reads it, see "
            "CHANGELOG.md for what changed",
            err=True,
        )
        with suppress(OSError):  # one that may only be read is told of again
            write_stamp(path)


def existing_home(home: Path | None, part: str) -> Path:
    """The home, if it has the part a command needs.

    Args:
        part: A file or folder below the home, such as `library` or `market.db`.

    Raises:
        HomeNotFoundError: It is not there.
    """
    path = resolve_home(home)
    if not (path / part).exists():
        raise HomeNotFoundError(path, part)
    return path


def market_url(home: Path) -> str:
    """The address of a home's market."""
    return f"sqlite:///{home / 'market.db'}"
