"""Files that are either the old ones or the new ones, never half of each."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any


def write_atomically(path: Path, write: Callable[[Path], None]) -> None:
    """Let `write` fill a temporary file beside `path`, flush it to disk, rename it into place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        write(temporary)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Replace a text file atomically."""
    write_atomically(path, lambda temporary: _discard(temporary.write_text(text)))


def write_json(path: Path, data: Any) -> None:
    """Replace a JSON file atomically; keys keep their order."""
    write_text(path, json.dumps(data, indent=1) + "\n")


def write_folder_once(path: Path, fill: Callable[[Path], None]) -> bool:
    """Let `fill` write a folder that appears under its name only when complete.

    Returns:
        False if the folder was there already (it is left as it is).
    """
    if path.exists():
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    try:
        fill(temporary)
        for file in temporary.iterdir():
            with file.open("rb") as opened:
                os.fsync(opened.fileno())
        temporary.replace(path)
    except OSError:
        if path.exists():  # another process finished the same folder first
            return False
        raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return True


def remove_leftovers(folder: Path) -> None:
    """Delete the temporary files and folders that a killed process left below `folder`.

    Call it only while holding whatever lock keeps other writers away.
    """
    for path in folder.rglob(".*.tmp"):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _discard(_: object) -> None:
    pass
