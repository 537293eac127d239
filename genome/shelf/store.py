"""The library's folders on disk: one per layer, named by the digest of its weights.

    LIBRARY/layers/<digest>/   a complete layer; appears and disappears by rename only
    LIBRARY/staging/<token>/   a layer on its way in or out
    LIBRARY/lock               held shared while something is in staging, exclusively to clear it

The kernel drops a killed process's hold on the lock, so whoever gets it exclusively knows that
everything in staging was left behind.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from genome.adapter.layer_files import (
    MAX_TEXT_BYTES,
    MAX_WEIGHTS_BYTES,
    WEIGHTS_FILE,
    list_files,
    open_file,
)
from genome.errors import LibraryBusyError
from genome.files import hold, sync, sync_folder

COPY_BYTES = 1 << 20
_POLL_S = 0.05
_DIGEST = re.compile(r"[0-9a-f]{64}")


class LayerStore:
    """Puts folders in place and takes them away; knows nothing of what is in them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.layers = folder / "layers"
        self.staging = folder / "staging"
        self.layers.mkdir(parents=True, exist_ok=True)
        self.staging.mkdir(mode=0o700, exist_ok=True)

    def path(self, digest: str) -> Path:
        """Where a layer is, or would be."""
        return self.layers / digest

    def has(self, digest: str) -> bool:
        """Whether there is a folder for this digest."""
        return bool(_DIGEST.fullmatch(digest)) and self.path(digest).is_dir()

    def digests(self) -> set[str]:
        """Digests that have a folder."""
        return {name for name in os.listdir(self.layers) if _DIGEST.fullmatch(name)}

    # -- staging ---------------------------------------------------------------------------

    @contextmanager
    def stage(self, mark: str = "") -> Iterator[Path]:
        """A new empty folder that is removed at the end unless `install` took it.

        Args:
            mark: Digest of a layer that is being changed; a leftover tells `marks` of it.
        """
        with self.sharing():
            folder = self.staging / f"{mark}.{secrets.token_hex(8)}"
            folder.mkdir()
            try:
                yield folder
            finally:
                shutil.rmtree(folder, ignore_errors=True)

    @contextmanager
    def sharing(self) -> Iterator[None]:
        """Hold the store as one of several; nothing is cleared or collected meanwhile."""
        with self._locked(shared=True):
            yield

    @contextmanager
    def alone(self, wait_s: float = 10.0) -> Iterator[None]:
        """Hold the store while nobody stages anything.

        Raises:
            LibraryBusyError: Others were still at it after `wait_s` seconds.
        """
        with self._locked(wait_s=wait_s):
            yield

    def install(self, staged: Path, digest: str) -> None:
        """Give a staged folder its name; whole and durable, or not at all.

        Raises:
            OSError: There is one already, or the disk refuses.
        """
        sync_folder(staged)
        os.rename(staged, self.path(digest))
        sync(self.layers)

    def withdraw(self, digest: str) -> None:
        """Take a layer away; call it while staging."""
        trash = self.staging / f".{secrets.token_hex(8)}"
        os.rename(self.path(digest), trash)
        sync(self.layers)
        shutil.rmtree(trash, ignore_errors=True)

    def leftovers(self) -> list[str]:
        """Names of what is in staging, live or left behind."""
        return sorted(os.listdir(self.staging))

    def marks(self) -> set[str]:
        """Digests of layers whose change is in staging."""
        marks = (name.partition(".")[0] for name in self.leftovers())
        return {mark for mark in marks if self.has(mark)}

    def clear(self) -> None:
        """Delete everything in staging; call it while `alone`."""
        for name in self.leftovers():
            shutil.rmtree(self.staging / name, ignore_errors=True)

    @contextmanager
    def _locked(self, *, shared: bool = False, wait_s: float | None = None) -> Iterator[None]:
        with (self.folder / "lock").open("ab") as lock:
            deadline = None if wait_s is None else time.monotonic() + wait_s
            while not hold(lock, shared=shared, wait=deadline is None):
                if deadline is not None and time.monotonic() >= deadline:
                    raise LibraryBusyError(
                        f"another process is importing into {self.folder}: wait for it, then try "
                        "again"
                    )
                time.sleep(_POLL_S)
            yield


def copy_files(source: Path, into: Path) -> dict[str, str]:
    """Copy a layer's files, each opened once, without following links.

    Returns:
        sha256 of the bytes that were read, by name.

    Raises:
        LayerRejected: A name, kind or size that no layer has.
    """
    hashes = {}
    for name in list_files(source).files:
        limit = MAX_WEIGHTS_BYTES if name == WEIGHTS_FILE else MAX_TEXT_BYTES
        descriptor, _ = open_file(source, name, limit)
        digest = hashlib.sha256()
        with os.fdopen(descriptor, "rb", buffering=0) as original, (into / name).open("xb") as copy:
            while block := original.read(COPY_BYTES):
                digest.update(block)
                copy.write(block)
                if copy.tell() > limit:  # it grew since it was opened
                    raise OSError(f"{source / name} grows while it is copied: offer it again")
        hashes[name] = digest.hexdigest()
    return hashes
