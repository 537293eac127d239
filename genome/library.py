"""A folder of layers, each stored once under its digest and found by what it can do.

HOME/library/layers/<digest>/    a PEFT folder plus manifest.json: the truth
HOME/library/catalogue.db        what is known of them, for fast answers; rebuilt from the folders
HOME/library/pins/<label>        layers that must stay
HOME/library/encoder.safetensors the whitening all vectors were made with
HOME/library/encoder.json        instead of it: the sentence model in use
HOME/library/advice.json         thresholds of `advise`
HOME/bases.json                  the base models that layers can be bound to
HOME/library/index/<encoder>/    the search index of a large library; made again when missing

Nothing here loads torch before a layer's weights are asked for.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genome.adapter.layer_files import MANIFEST_FILE
from genome.bases import chosen_base
from genome.errors import LibraryError
from genome.files import write_atomically, write_folder_once
from genome.home import stamp_new
from genome.refusals import refused
from genome.shelf import upkeep
from genome.shelf.intake import Intake, is_sound
from genome.shelf.layer_rows import LayerRow, put_binding
from genome.shelf.manifest import Manifest, Parent
from genome.shelf.receipt import Receipt
from genome.shelf.search_shelf import Found, SearchShelf
from genome.shelf.signing import SigningKey, TrustPolicy
from genome.shelf.store import copy_files
from genome.shelf.upkeep import Cleanup, Finding, Pins

if TYPE_CHECKING:
    from genome.layer import Layer

__all__ = [
    "MANIFEST_FILE",
    "Cleanup",
    "Finding",
    "Found",
    "LayerRow",
    "Library",
    "Manifest",
    "Parent",
    "Receipt",
    "TrustPolicy",
]


class Library(SearchShelf):
    """The layers of one home; open it once and use it often, from any thread."""

    def __init__(self, folder: Path, policy: TrustPolicy | None = None) -> None:
        super().__init__(folder)
        self.policy = policy or TrustPolicy()
        self.pins = Pins(folder / "pins")
        self.unreadable: dict[str, str] = {}
        """Why a layer's folder could not be catalogued, by digest."""
        self._intake = Intake(self._store, self._catalogue, self.bases)
        self.refresh()

    @classmethod
    def open(cls, home: str | Path, *, policy: TrustPolicy | None = None) -> Library:
        """The library of a home; a new one if it has none yet.

        Args:
            policy: Whose layers are let in; default all whose signature, if any, holds.

        Raises:
            LibraryError: The catalogue cannot be used.
        """
        stamp_new(Path(home))
        return cls(Path(home) / "library", policy)

    def refresh(self) -> None:
        """Catalogue folders that others added and forget those that are gone."""
        self.unreadable = upkeep.reconcile(self._store, self._catalogue)

    # -- in, out and change ----------------------------------------------------------------

    def add(
        self,
        layer: Layer,
        manifest: Manifest,
        *,
        base_model_path: str = "",
        key: SigningKey | None = None,
        policy: TrustPolicy | None = None,
    ) -> str:
        """Store a layer under its digest; adding it again changes nothing.

        Args:
            base_model_path: Folder or hub id of the base model, for people and tools.
            key: Signs the manifest.
            policy: Instead of the library's.

        Raises:
            LayerRejected: Its numbers or its manifest are not acceptable, or the library has the
                same weights under another manifest.
            OSError: The disk is full or refuses.
        """
        return self._intake.take_layer(
            layer, manifest, policy or self.policy, base_model_path=base_model_path, key=key
        )

    def import_folder(
        self,
        path: str | Path,
        manifest: Manifest | None = None,
        *,
        policy: TrustPolicy | None = None,
        key: SigningKey | None = None,
        base: str = "",
        say: Callable[[str], object] = lambda _: None,
        **changes: Any,
    ) -> str:
        """Store a copy of a PEFT folder, zip, tar or tar.gz; importing it again changes nothing.

        The layer's own files are kept byte for byte, unless its tensors have names that PEFT would
        pass over; what else lies beside them is left where it is. Without a manifest in the folder
        or as an argument, a bare one is made, named after the folder.

        Args:
            manifest: Instead of the one in the folder.
            policy: Instead of the library's.
            key: Signs the manifest.
            base: Fingerprint of the base to bind it to; default the one it names, else the first
                of the home's known bases that has its modules; it stays unbound if none has.
            say: Is told what was left out or read otherwise than written, a line each.
            changes: Fields of the manifest to set, such as name, licence, description.

        Returns:
            The layer's digest.

        Raises:
            LayerRejected: It is not acceptable; the code says why.
            OSError: The disk is full or refuses.
        """
        return self._intake.take_folder(
            Path(path), manifest, changes, policy or self.policy, key=key, base=base, say=say
        )

    def bind(self, digest: str, base: str = "") -> str:
        """Say which base a layer runs on here; its manifest and digest stay as they are.

        Args:
            base: Fingerprint; empty = the first of the home's known bases that it fits.

        Returns:
            The fingerprint, of a base that is not known if the layer names such a one; empty if
            none fits, and then nothing was changed.

        Raises:
            LayerNotFoundError: There is no such layer.
            LayerRejected: base_mismatch, if the layer names another base; module_unknown or
                module_shape, if it does not fit; or what is wrong with its files.
        """
        from genome.validate import check_folder

        self._check_there(digest)
        manifest = self.manifest(digest)
        # who chooses a base may correct an unsigned manifest, but neither weights nor signature
        said = manifest.base_model if manifest.signature or not base else ""
        with check_folder(self.path(digest)) as checked:
            chosen = chosen_base(
                self.bases.all(),
                checked.shapes,
                wanted=base,
                stated=checked.base_model or said,
                trained_on=checked.config.base_model_path,
            )
        if chosen and chosen != self.base_of(digest):
            with self._catalogue.write() as connection:
                put_binding(connection, digest, chosen)
        return chosen

    def export(self, digest: str, path: str | Path) -> Path:
        """Write a layer's folder, or a zip if the path ends in .zip; never over another file.

        Raises:
            LayerNotFoundError: There is no such layer.
            LibraryError: The path is taken.
        """
        self._check_there(digest)
        target, source = Path(path), self.path(digest)
        if target.exists():
            raise LibraryError(f"{target} is there already: choose another path")
        if target.suffix == ".zip":
            write_atomically(target, lambda temporary: _zip(source, temporary))
        elif not write_folder_once(target, lambda folder: _copy(source, folder)):
            raise LibraryError(f"{target} is there already: choose another path")
        return target

    def sign(self, digest: str, key: SigningKey) -> Manifest:
        """Sign a stored layer's manifest, or sign it again after a change.

        Raises:
            LayerRejected: manifest_signed, if another key signed it; digest, if its files are
                no longer what its manifest says.
        """
        self._check_there(digest)
        if not is_sound(self.path(digest), digest):
            raise refused(
                "digest",
                f"{self.path(digest)} no longer holds what its manifest says: run "
                "`continuum layer verify`",
            )
        return self._intake.amend(digest, key.signed)

    def add_receipt(
        self, digest: str, receipt: Receipt, *, key: SigningKey | None = None
    ) -> Manifest:
        """Append an exam result to a layer's manifest, unless it is there already.

        Args:
            key: Needed if the manifest is signed.

        Raises:
            LayerRejected: manifest_signed.
        """
        present = self.manifest(digest)
        if receipt in present.receipts:
            return present
        return self.amend(digest, key=key, receipts=(*present.receipts, receipt))

    def amend(self, digest: str, *, key: SigningKey | None = None, **changes: Any) -> Manifest:
        """Set fields of a layer's manifest, such as name and tags; its numbers stay as they are.

        Args:
            key: Needed if the manifest is signed.

        Raises:
            LayerNotFoundError: There is no such layer.
            LayerRejected: manifest_signed, or a value is not allowed.
            LibraryError: Another layer has the name in the same version.
        """
        self._check_there(digest)
        new = replace(self.manifest(digest), **changes)
        for row in self.versions(new.name):
            if row.version == new.version and row.digest != digest:
                raise LibraryError(
                    f"{new.name} {new.version} is layer {row.digest[:12]} already: choose another "
                    "name"
                )

        def change(manifest: Manifest) -> Manifest:
            changed = replace(manifest, **changes)
            return key.signed(changed) if key else changed

        amended = self._intake.amend(digest, change)
        self._manifests.pop(digest, None)
        return amended

    def remove(self, digest: str) -> None:
        """Delete a layer, its rows and its vectors, whoever refers to it.

        Raises:
            LayerNotFoundError: There is no such layer.
            LibraryBusyError: Others kept importing.
        """
        self._check_there(digest)
        with self._store.alone(), self._catalogue.write() as connection:
            upkeep.remove(self._store, connection, digest)
        self._manifests.pop(digest, None)

    # -- upkeep ----------------------------------------------------------------------------

    def verify(self) -> list[Finding]:
        """Everything that is wrong, after reading every byte again; empty when all is well."""
        return upkeep.verify(self._store, self._catalogue, self.policy)

    def gc(
        self,
        keep: Iterable[str] = (),
        *,
        keep_newest: bool = True,
        keep_ancestors: bool = True,
        dry_run: bool = True,
        wait_s: float = 10.0,
    ) -> Cleanup:
        """Remove layers that nothing refers to, and what killed imports left behind.

        A layer is referred to by a pin, by `keep`, by its name if it is the newest version, and
        by descendants that stay.

        Args:
            keep: Digests in use elsewhere: the layers of every persona and listing.
            dry_run: Only say what would go.
            wait_s: How long to wait for imports of other processes to end.

        Raises:
            LibraryBusyError: They did not end.
        """
        cleanup = upkeep.collect(
            self._store,
            self._catalogue,
            keep={*keep, *self.pins.all().values()},
            keep_newest=keep_newest,
            keep_ancestors=keep_ancestors,
            dry_run=dry_run,
            wait_s=wait_s,
        )
        if not dry_run:
            for row in cleanup.layers:
                self._manifests.pop(row.digest, None)
        return cleanup


def _copy(source: Path, folder: Path) -> None:
    copy_files(source, folder)


def _zip(source: Path, target: Path) -> None:
    """Stored, not deflated: trained weights do not shrink, and fresh ones look like a bomb."""
    with zipfile.ZipFile(target, "x", zipfile.ZIP_STORED) as archive:
        for path in sorted(source.iterdir()):
            archive.write(path, path.name)
