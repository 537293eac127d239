"""Where a command reads and writes: --home, else CONTINUUM_HOME, else the user data folder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from tui.cli.errors import HomeNotFoundError

HomeOption = Annotated[
    Path | None,
    typer.Option(
        "--home",
        envvar="CONTINUUM_HOME",
        help="Folder with the library, personas and market.",
        show_default="your user data folder",
    ),
]


def default_home() -> Path:
    """The platform's user data folder for Continuum."""
    from platformdirs import user_data_path

    return user_data_path("continuum", appauthor=False)


def resolve_home(home: Path | None) -> Path:
    """An absolute path, whether anything is there or not."""
    chosen = home if home is not None else default_home()
    return Path(os.path.abspath(chosen.expanduser()))


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
