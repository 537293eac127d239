"""Which version of Continuum a home belongs to: a stamp at its root, written when it is made.

    HOME/home.json    {"format": 1}

The number changes when an older version could no longer read a home, or this one no longer an old
home. Homes from before there were stamps have none; they are of format 1 as well.
"""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from genome.errors import HomeVersionError
from genome.files import write_json

FORMAT = 1
STAMP_FILE = "home.json"
PARTS = ("library", "run", "personas", "market.db", "bases.json")
"""What makes a folder a home."""


def stamp_new(home: Path) -> None:
    """Stamp a home that is being made; one that has anything in it already is left as it is."""
    if not _is_stamped(home) and not _is_home(home):
        write_stamp(home)


def write_stamp(home: Path) -> None:
    """Say that a home is of the present format."""
    write_json(home / STAMP_FILE, {"format": FORMAT})


def check_home(home: Path) -> bool:
    """Whether a home, if it is one, has its stamp; False for one from before stamps.

    Raises:
        HomeVersionError: It is of a format that this version does not know.
    """
    if not _is_stamped(home):
        return not _is_home(home)
    found: Any = None
    with suppress(OSError, ValueError, AttributeError):
        found = json.loads((home / STAMP_FILE).read_text()).get("format")
    if found != FORMAT:
        raise HomeVersionError(
            f"{home} is a home of format {found!r:.20}, this version reads format {FORMAT}: use "
            "the version of Continuum that made it, or another --home"
        )
    return True


def _is_stamped(home: Path) -> bool:
    return (home / STAMP_FILE).exists()


def _is_home(home: Path) -> bool:
    return any((home / part).exists() for part in PARTS)
