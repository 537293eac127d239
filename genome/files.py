"""Files that are either the old ones or the new ones, never half of each."""

from __future__ import annotations

import errno
import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any


def write_atomically(path: Path, write: Callable[[Path], None]) -> None:
    """Let `write` fill a temporary file beside `path`, flush it to disk, rename it into place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _temporary(path)
    try:
        write(temporary)
        sync(temporary)
        temporary.replace(path)
        sync(path.parent)
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
    temporary = _temporary(path)
    temporary.mkdir()
    try:
        fill(temporary)
        sync_folder(temporary)
        temporary.replace(path)
        sync(path.parent)
    except OSError:
        if path.exists():  # another process finished the same folder first
            return False
        raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return True


def sync(path: Path) -> None:
    """Flush one file, or the list of names of one folder, to the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(folder: Path) -> None:
    """Flush every file of a folder, then the folder itself."""
    for path in folder.iterdir():
        if path.is_file():
            sync(path)
    sync(folder)


def remove_leftovers(folder: Path) -> None:
    """Delete the temporary files and folders that a killed process left below `folder`.

    Call it only while holding whatever lock keeps other writers away.
    """
    for path in folder.rglob(".*.tmp"):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _temporary(path: Path) -> Path:
    """A name no other process or thread uses, which `remove_leftovers` recognises."""
    return path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.tmp")


def _discard(_: object) -> None:
    pass


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock file alone; the kernel lets go of it if the process is killed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        hold(lock)
        yield


def hold(file: IO[Any], *, shared: bool = False, wait: bool = True) -> bool:
    """Lock an open file until it is closed; the one place that asks the platform for it.

    Args:
        shared: Several may hold it so, but none alone meanwhile.

    Returns:
        False if others hold it and `wait` is False.

    Raises:
        OSError: The platform has no such locks.
    """
    try:
        import fcntl  # here, because what locks nothing runs without it
    except ImportError:
        raise OSError(
            errno.ENOTSUP,
            "this platform cannot lock files: use Linux, macOS or Windows' WSL",
            file.name,
        ) from None
    how = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    try:
        fcntl.flock(file, how if wait else how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
