"""What a library has, for reading: layers by digest or name, lists, lineage.

Everything here is answered from the catalogue, but for manifests and weights.
"""

from __future__ import annotations

import difflib
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from genome.adapter.layer_files import MANIFEST_FILE
from genome.bases import Bases
from genome.errors import LayerNotFoundError, LibraryError
from genome.shelf import ancestry, layer_rows
from genome.shelf.ancestry import CommonAncestor, Relative
from genome.shelf.catalogue import Catalogue
from genome.shelf.intake import read_manifest
from genome.shelf.layer_rows import LayerRow
from genome.shelf.manifest import Manifest
from genome.shelf.store import LayerStore

if TYPE_CHECKING:
    from genome.layer import Layer

_DIGEST_START = re.compile(r"[0-9a-f]{8,64}")


class Shelf:
    """The readable side of a library; `Library` adds what changes it.

    Raises:
        LibraryError: The catalogue cannot be used.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._store = LayerStore(folder)
        self._catalogue = Catalogue(folder / "catalogue.db")
        self.bases = Bases(folder.parent)
        """The base models that the library's home knows."""
        self._manifests: dict[str, tuple[int, Manifest]] = {}

    # -- one layer -------------------------------------------------------------------------

    def __contains__(self, digest: str) -> bool:
        return self._store.has(digest)

    def path(self, digest: str) -> Path:
        """The PEFT folder of a layer."""
        return self._store.path(digest)

    def get(self, digest: str) -> Layer:
        """Load a layer and check that it still has its digest.

        Raises:
            LayerNotFoundError: There is no such layer.
            LayerRejected: Its files are damaged.
        """
        from genome.layer import Layer

        self._check_there(digest)
        layer = Layer.from_store(self.path(digest), digest)
        return layer if layer.base_model else layer.bound_to(self.base_of(digest))

    def base_of(self, digest: str) -> str:
        """Fingerprint of the base a layer runs on, as bound here or as stated; empty = unbound.

        Raises:
            LayerNotFoundError: There is no such layer.
            LibraryError: Its manifest is damaged.
        """
        with self._catalogue.read() as connection:
            row = layer_rows.row_of(connection, digest)
        return row.base_model if row else self.manifest(digest).base_model

    def manifest(self, digest: str) -> Manifest:
        """Everything known about a layer.

        Raises:
            LayerNotFoundError: There is no such layer.
            LibraryError: Its manifest is damaged.
        """
        self._check_there(digest)
        try:
            changed_ns = os.stat(self.path(digest) / MANIFEST_FILE).st_mtime_ns
        except OSError:
            changed_ns = -1
        known = self._manifests.get(digest)
        if known is None or known[0] != changed_ns:
            known = self._manifests[digest] = (changed_ns, read_manifest(self.path(digest)))
        return known[1]

    def row(self, digest: str) -> LayerRow:
        """A layer as lists show it.

        Raises:
            LayerNotFoundError: There is no such layer.
        """
        with self._catalogue.read() as connection:
            row = layer_rows.row_of(connection, digest)
        if row is None:
            raise LayerNotFoundError(f"the library {self.folder} has no layer {digest[:12]!r}")
        return row

    @property
    def manifests(self) -> dict[str, Manifest]:
        """Every manifest by digest; reads every file, `find` is for lists."""
        return {row.digest: self.manifest(row.digest) for row in self.find()}

    def named(self, name: str) -> tuple[str, Manifest]:
        """Digest and manifest of the newest layer of that name.

        Raises:
            LayerNotFoundError: There is none; the message suggests the nearest names.
        """
        digest = self.latest(name).digest
        return digest, self.manifest(digest)

    def resolve(self, reference: str) -> str:
        """Digest of what a person typed: a name, NAME@VERSION, or a digest's first 8 digits.

        Raises:
            LayerNotFoundError: It is none of these, or not clearly one.
        """
        name, at, version = reference.partition("@")
        for row in self.versions(name):
            if not at or row.version == version:
                return row.digest
        if _DIGEST_START.fullmatch(reference):
            with self._catalogue.read() as connection:
                rows = layer_rows.rows_starting(connection, reference)
            if len(rows) == 1:
                return rows[0].digest
        if at and (known := [row.version for row in self.versions(name)]):
            raise LayerNotFoundError(
                f"layer {name!r} has no version {version!r}: it has {', '.join(known[:5])}"
            )
        raise self._no_layer_named(name)

    # -- lists -----------------------------------------------------------------------------

    def find(
        self,
        *,
        base_model: str | None = None,
        licence: str | None = None,
        skill: str | None = None,
        creator: str | None = None,
        name: str | None = None,
        kind: str | None = None,
        tag: str | None = None,
        max_bytes: int | None = None,
        order: str = "name",
        limit: int | None = None,
        offset: int = 0,
    ) -> list[LayerRow]:
        """Layers that meet every condition given.

        Args:
            skill: Any skill it was examined in.
            max_bytes: Of all its files.
            order: name, newest, accuracy or size.

        Raises:
            LibraryError: There is no such order.
        """
        if order not in layer_rows.ORDERS:
            raise LibraryError(
                f"layers are ordered by {', '.join(layer_rows.ORDERS)}, not {order!r}: choose one"
            )
        wanted = equal_conditions(
            base_model=base_model, licence=licence, creator=creator, name=name, kind=kind
        )
        with self._catalogue.read() as connection:
            return layer_rows.find(
                connection,
                equal=wanted,
                skill=skill,
                tag=tag,
                max_bytes=max_bytes,
                order=order,
                limit=limit,
                offset=offset,
            )

    def versions(self, name: str) -> list[LayerRow]:
        """Every version of a name, newest first; empty if there is none."""
        with self._catalogue.read() as connection:
            return layer_rows.versions(connection, name)

    def latest(self, name: str) -> LayerRow:
        """The newest version of a name.

        Raises:
            LayerNotFoundError: There is none; the message suggests the nearest names.
        """
        rows = self.versions(name)
        if not rows:
            raise self._no_layer_named(name)
        return rows[0]

    def ancestors(self, digest: str) -> list[Relative]:
        """Parents, their parents and so on, nearest first."""
        with self._catalogue.read() as connection:
            return ancestry.ancestors(connection, digest)

    def descendants(self, digest: str) -> list[Relative]:
        """Children, their children and so on, nearest first."""
        with self._catalogue.read() as connection:
            return ancestry.descendants(connection, digest)

    def nearest_common_ancestor(self, a: str, b: str) -> CommonAncestor | None:
        """The nearest layer that two layers both come from; None if there is none."""
        with self._catalogue.read() as connection:
            return ancestry.nearest_common_ancestor(connection, a, b)

    def _check_there(self, digest: str) -> None:
        if not self._store.has(digest):
            raise LayerNotFoundError(f"the library {self.folder} has no layer {digest[:12]!r}")

    def _no_layer_named(self, name: str) -> LayerNotFoundError:
        with self._catalogue.read() as connection:
            names = layer_rows.names(connection)
        close = difflib.get_close_matches(name, names, n=3, cutoff=0.4)
        hint = f"did you mean {', '.join(close)}?" if close else "`continuum layer list` shows all"
        return LayerNotFoundError(f"there is no layer {name!r} in {self.folder}: {hint}")


def equal_conditions(**wanted: str | None) -> dict[str, str]:
    """Column -> value of the conditions that were given."""
    return {key: value for key, value in wanted.items() if value is not None}
