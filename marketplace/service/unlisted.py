"""Complete layers that nobody has listed yet: whose they are, how large, and since when.

    FOLDER/<digest>     account and bytes, as JSON; the inode's time says since when

Only its first uploader may list such a layer, or replace it. Uploads cost nothing, so an account
may leave so many bytes here and no more, and what rests too long is removed. A layer without a file
here has been listed, and stays as it is.
"""

import json
import math
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from marketplace.ledger.account import principal_of

_DISK_BLOCK = 4096


class _Pending(NamedTuple):
    account: str
    n_bytes: int


class Unlisted:
    """The layers that wait for being listed; the caller keeps two threads from meeting here."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._folder = folder
        self._layers = dict[str, _Pending]()
        self._n_bytes = Counter[str]()
        for digest, one in _read(folder):
            self._note(digest, one)

    def __contains__(self, digest: object) -> bool:
        """Whether the layer waits here."""
        return digest in self._layers

    def __iter__(self) -> Iterator[str]:
        """The digests, as they are now."""
        return iter(tuple(self._layers))

    def account(self, digest: str) -> str | None:
        """Who uploaded the layer; None when it does not wait here."""
        found = self._layers.get(digest)
        return None if found is None else found.account

    def n_bytes(self, principal: str) -> int:
        """What an account and its mandates have left here."""
        return self._n_bytes[principal]

    def add(self, digest: str, account: str, n_bytes: int) -> None:
        """Let a layer wait from now on; again, if it does already."""
        part = self._folder / f".{digest}"
        part.write_text(json.dumps({"account": account, "n_bytes": n_bytes}), "utf-8")
        os.replace(part, self._folder / digest)
        self._note(digest, _Pending(account, n_bytes))

    def touch(self, digest: str) -> None:
        """Let its time begin again."""
        if digest in self._layers:
            os.utime(self._folder / digest)

    def since(self, digest: str) -> float:
        """When its time began, by the clock of the file system; infinity when it does not wait."""
        return changed_at(self._folder / digest)

    def remove(self, digest: str) -> None:
        """The layer was listed, or is gone."""
        with suppress(FileNotFoundError):
            os.unlink(self._folder / digest)
        self._drop(digest)

    def _note(self, digest: str, one: _Pending) -> None:
        self._drop(digest)
        self._layers[digest] = one
        self._n_bytes[principal_of(one.account)] += one.n_bytes

    def _drop(self, digest: str) -> None:
        one = self._layers.pop(digest, None)
        if one is not None:
            self._n_bytes[principal_of(one.account)] -= one.n_bytes
            self._n_bytes += Counter()  # drops who has nothing here any more


def on_disk(n_bytes: int) -> int:
    """What a file of so many bytes takes: small ones do not come for nothing."""
    return -(-n_bytes // _DISK_BLOCK) * _DISK_BLOCK


def changed_at(path: Path) -> float:
    """When a file, or a folder's list of files, last changed; infinity when it is gone.

    The inode's own time: unlike the other one it cannot be set to the past.
    """
    try:
        return os.stat(path, follow_symlinks=False).st_ctime
    except FileNotFoundError:
        return math.inf


def _read(folder: Path) -> Iterator[tuple[str, _Pending]]:
    for path in folder.iterdir():
        if not path.name.startswith("."):
            yield path.name, _Pending(**json.loads(path.read_text("utf-8")))
