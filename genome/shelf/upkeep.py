"""Keeping a library sound: the catalogue in step with the folders, every byte checked, old
layers cleared away.

Labels that keep a layer from being collected, one small file each: LIBRARY/pins/<label>.

They are files, not rows, because the catalogue may be thrown away and rebuilt; what a person
marked as needed may not.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection

from genome.adapter.layer_files import named
from genome.errors import LayerNotFoundError, LayerRejected, LibraryBusyError, LibraryError
from genome.files import write_text
from genome.shelf.ancestry import circular, closure
from genome.shelf.catalogue import Catalogue
from genome.shelf.intake import bind, entry_of, read_manifest
from genome.shelf.layer_rows import (
    Entry,
    LayerRow,
    digests,
    drop_layer,
    manifest_hashes,
    newest_digests,
    put_layers,
    rows_of,
)
from genome.shelf.manifest import check_name
from genome.shelf.signing import TrustPolicy
from genome.shelf.store import LayerStore


class Pins:
    """Digests by label."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def all(self) -> dict[str, str]:
        """Every pin, sorted by label."""
        files = sorted(self.folder.glob("[!.]*")) if self.folder.is_dir() else []
        return {file.name: file.read_text().strip() for file in files}

    def put(self, label: str, digest: str) -> None:
        """Set or move a pin.

        Raises:
            LayerRejected: The label is no name.
        """
        write_text(self.folder / check_name(label), digest + "\n")

    def take(self, label: str) -> None:
        """Remove a pin.

        Raises:
            LayerNotFoundError: There is none.
        """
        try:
            (self.folder / check_name(label)).unlink()
        except FileNotFoundError:
            raise LayerNotFoundError(
                f"there is no pin {label!r} in {self.folder}: nothing was changed"
            ) from None


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong with a library."""

    digest: str
    problem: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Cleanup:
    """What `gc` removed, or would remove."""

    layers: tuple[LayerRow, ...]
    n_leftovers: int
    """Folders that killed imports left behind."""

    @property
    def n_bytes(self) -> int:
        """Size of the layers."""
        return sum(row.n_bytes for row in self.layers)


def reconcile(store: LayerStore, catalogue: Catalogue) -> dict[str, str]:
    """Bring the catalogue in step with the folders; no weights are read.

    Returns:
        Why each folder that could not be catalogued was left out, by digest.
    """
    if store.leftovers():
        with suppress(LibraryBusyError), store.alone(wait_s=0):
            _clear_leftovers(store, catalogue)
    with catalogue.read() as connection:
        known = digests(connection)
    on_disk = store.digests()
    if known == on_disk:
        return {}
    entries, unreadable = _read_entries(store, on_disk - known)
    if entries or known - on_disk:
        with catalogue.write() as connection:  # others may have been faster
            known = digests(connection)
            new = [
                entry
                for entry in entries
                if entry.manifest.digest not in known and store.has(entry.manifest.digest)
            ]
            put_layers(connection, new, replace=False)
            for digest in known - store.digests():
                drop_layer(connection, digest)
    return unreadable


def verify(store: LayerStore, catalogue: Catalogue, policy: TrustPolicy) -> list[Finding]:
    """Hash every file and every layer again, check signatures and rows; changes nothing."""
    from genome.validate import check_folder

    found = []
    with store.sharing():
        with catalogue.read() as connection:
            rows = manifest_hashes(connection)
            circle = circular(connection)
        for digest in sorted(store.digests() | rows.keys()):
            folder = store.path(digest)
            again = f"delete {folder} and add the layer again"
            if not store.has(digest):
                found.append(Finding(digest, "its folder is missing", "add the layer again"))
                continue
            try:
                manifest = read_manifest(folder)
                with check_folder(folder) as checked:
                    bind(manifest, checked)
                if checked.left_out:
                    problem = (
                        f"files lie in {folder} that are none of it: {named(checked.left_out)}"
                    )
                    found.append(Finding(digest, problem, "delete them"))
            except (LayerRejected, LibraryError) as error:
                found.append(Finding(digest, str(error), again))
                continue
            try:
                policy.check(manifest)
            except LayerRejected as error:
                found.append(Finding(digest, str(error), f"`continuum layer remove {digest[:12]}`"))
            if rows.get(digest) != entry_of(store, digest).sha256:
                problem = "the catalogue does not say what its manifest says"
                found.append(Finding(digest, problem, f"move {catalogue.path} away: it is rebuilt"))
    found += [
        Finding(digest, "it is, or descends from, its own ancestor", f"delete {store.path(digest)}")
        for digest in circle
    ]
    return found


def collect(
    store: LayerStore,
    catalogue: Catalogue,
    *,
    keep: Iterable[str],
    keep_newest: bool,
    keep_ancestors: bool,
    dry_run: bool,
    wait_s: float,
) -> Cleanup:
    """Remove layers that nothing refers to, and leftovers.

    Args:
        keep: Digests that are in use.
        keep_newest: The newest version of every name stays as well.
        keep_ancestors: What stays keeps its ancestors.
        dry_run: Only say what would go.
        wait_s: How long to wait for imports to end.

    Raises:
        LibraryBusyError: Imports went on for longer.
    """
    if dry_run:
        with catalogue.read() as connection:
            rows = _unused(connection, set(keep), keep_newest, keep_ancestors)
        return Cleanup(tuple(rows), len(store.leftovers()))
    with store.alone(wait_s):
        n_leftovers = _clear_leftovers(store, catalogue)
        with catalogue.write() as connection:
            rows = _unused(connection, set(keep), keep_newest, keep_ancestors)
            for row in rows:
                remove(store, connection, row.digest)
    return Cleanup(tuple(rows), n_leftovers)


def remove(store: LayerStore, connection: Connection, digest: str) -> None:
    """Take a layer and all its rows away; call it while holding the store and a transaction.

    Killed after the folder went, the row goes on the next open.
    """
    if store.has(digest):
        store.withdraw(digest)
    drop_layer(connection, digest, vectors=True)


def _unused(
    connection: Connection, kept: set[str], keep_newest: bool, keep_ancestors: bool
) -> list[LayerRow]:
    if keep_newest:
        kept = kept | newest_digests(connection)
    if keep_ancestors:
        kept = closure(connection, kept)
    return rows_of(connection, digests(connection) - kept)


def _clear_leftovers(store: LayerStore, catalogue: Catalogue) -> int:
    """Delete what is in staging, after reading again the manifests that were being changed."""
    names = store.leftovers()
    entries, _ = _read_entries(store, store.marks())
    if entries:
        with catalogue.write() as connection:
            put_layers(connection, entries)
    store.clear()
    return len(names)


def _read_entries(store: LayerStore, wanted: Iterable[str]) -> tuple[list[Entry], dict[str, str]]:
    entries, unreadable = [], {}
    for digest in sorted(wanted):
        try:
            entries.append(entry_of(store, digest))
        except LibraryError as error:
            unreadable[digest] = str(error)
    return entries, unreadable
