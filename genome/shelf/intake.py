"""How a layer gets into the library: staged, checked, described, admitted, renamed into place.

Everything is copied to staging first and only the copy is looked at, so whoever still holds the
original can change nothing any more. The rename and the catalogue's row happen in one write
transaction; killed between them, the folder is there and the row is added on the next open.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection

from genome.adapter.card import CardFacts, CardMetric
from genome.adapter.layer_files import MANIFEST_FILE, MAX_TEXT_BYTES, list_files, read_small
from genome.bases import Bases, chosen_base
from genome.errors import LayerRejected, LibraryError, LicenceTextError
from genome.files import sync
from genome.licence import canonical
from genome.refusals import refused, shown
from genome.shelf.admission import admit
from genome.shelf.catalogue import Catalogue
from genome.shelf.layer_rows import Entry, put_binding, put_layers, row_of
from genome.shelf.manifest import Manifest, suggested_name
from genome.shelf.receipt import Receipt
from genome.shelf.signing import SigningKey, TrustPolicy
from genome.shelf.sources import WEIGHTS, folder_of_weights
from genome.shelf.store import LayerStore, copy_files

if TYPE_CHECKING:
    from genome.layer import Layer
    from genome.validate import CheckedFolder


@dataclass(frozen=True)
class Intake:
    """The one door into a library."""

    store: LayerStore
    catalogue: Catalogue
    bases: Bases

    def take_layer(
        self,
        layer: Layer,
        manifest: Manifest,
        policy: TrustPolicy,
        *,
        base_model_path: str = "",
        key: SigningKey | None = None,
    ) -> str:
        """Store a layer that is in memory.

        Raises:
            LayerRejected: It would not be accepted from a stranger either.
            OSError: The disk is full or refuses.
        """
        with self.store.stage() as stage:
            layer.to_peft(stage, base_model_path=base_model_path, card=card_facts(manifest))
            return self._take(stage, {}, lambda _: manifest, policy, key)

    def take_folder(
        self,
        source: Path,
        manifest: Manifest | None,
        changes: Mapping[str, Any],
        policy: TrustPolicy,
        *,
        key: SigningKey | None = None,
        base: str = "",
        say: Callable[[str], object] = lambda _: None,
    ) -> str:
        """Store a copy of a PEFT folder, or of what an archive holds.

        Args:
            base: Fingerprint of the base it is to run on; empty = one that it fits.
            manifest: Used instead of the folder's own, if it has one.
            changes: Fields of the manifest to set.
            say: Is told in the end what was left out or read otherwise than written, a line each.

        Raises:
            LayerRejected: Whatever is wrong with it.
            OSError: The disk is full or refuses.
        """

        notes: list[str] = []

        def choose(checked: CheckedFolder) -> Manifest:
            notes.extend(checked.notes)
            return _chosen_manifest(checked, source, manifest, changes)

        if source.is_file() and source.name.lower().endswith(WEIGHTS):
            with folder_of_weights(source) as folder:
                if folder != source.parent and manifest is None:  # a copy has no name of its own
                    changes = {"name": suggested_name(source), **changes}
                return self.take_folder(
                    folder, manifest, changes, policy, key=key, base=base, say=say
                )
        with self.store.stage() as stage:
            if source.is_file():
                from genome.adapter.archive import unpack

                unpack(source, stage, say=notes.append)
                digest = self._take(stage, {}, choose, policy, key, base)
            else:
                notes.extend(list_files(source).notes())
                digest = self._take(stage, copy_files(source, stage), choose, policy, key, base)
        for note in notes:
            say(note)
        return digest

    def amend(self, digest: str, change: Callable[[Manifest], Manifest]) -> Manifest:
        """Replace a stored layer's manifest, which must stay unsigned or be signed anew.

        Raises:
            LayerRejected: manifest_signed, or as `Manifest`.
            LibraryError: The present one cannot be read.
        """
        with self.store.stage(mark=digest) as stage, self.catalogue.write() as connection:
            old = read_manifest(self.store.path(digest))
            new = change(old)
            if old.signature and (new.creator != old.creator or new.signature == old.signature):
                raise refused(
                    "manifest_signed",
                    f"layer {old.name!r} is signed by {old.creator[:16]}: only "
                    "its key can sign another manifest",
                )
            (stage / MANIFEST_FILE).write_bytes(new.to_json())
            sync(stage / MANIFEST_FILE)
            os.replace(stage / MANIFEST_FILE, self.store.path(digest) / MANIFEST_FILE)
            sync(self.store.path(digest))
            put_layers(connection, [entry_of(self.store, digest)])
            return new

    def _take(
        self,
        stage: Path,
        copied: Mapping[str, str],
        choose: Callable[[CheckedFolder], Manifest],
        policy: TrustPolicy,
        key: SigningKey | None,
        base: str = "",
    ) -> str:
        from genome.validate import check_folder

        with check_folder(stage) as checked:
            for name, sha256 in copied.items():
                if checked.files[name].sha256 != sha256:
                    raise refused(
                        "copy_changed",
                        f"{shown(name)} is not what was read from its source: check the disk",
                    )
            manifest = bind(choose(checked), checked)
            base_model = chosen_base(
                self.bases.all(),
                checked.shapes,
                wanted=base,
                stated=manifest.base_model or checked.base_model,
                trained_on=checked.config.base_model_path,
            )
            if checked.renamed and not manifest.signature:  # what is signed stays as it is
                manifest = _written_anew(manifest, checked)
        if key is not None:
            manifest = key.signed(manifest)
        policy.check(manifest)
        (stage / MANIFEST_FILE).write_bytes(manifest.to_json())
        return self._install(stage, manifest, policy, base_model, rebind=bool(base))

    def _install(
        self, stage: Path, manifest: Manifest, policy: TrustPolicy, base_model: str, rebind: bool
    ) -> str:
        """The transaction: rules, rename, row, base.

        Args:
            rebind: Also a layer that is there and bound to another base.
        """
        digest = manifest.digest
        sound = self.store.has(digest) and is_sound(self.store.path(digest), digest)
        installed = False
        try:
            with self.catalogue.write() as connection:
                if self._is_there(connection, manifest) and sound:
                    row = row_of(connection, digest)
                    if base_model and row and (rebind or not row.base_model):
                        put_binding(connection, digest, base_model)
                    return digest
                admit(connection, manifest, policy)
                if self.store.has(digest):  # its files are damaged: these are the same, whole
                    self.store.withdraw(digest)
                self.store.install(stage, digest)
                installed = True
                put_layers(connection, [entry_of(self.store, digest)])
                row = row_of(connection, digest)
                if base_model and row and row.base_model != base_model:
                    put_binding(connection, digest, base_model)
        except BaseException:
            if installed:
                with suppress(OSError):
                    self.store.withdraw(digest)
            raise
        return digest

    def _is_there(self, connection: Connection, manifest: Manifest) -> bool:
        """Whether the layer is stored already, under the same manifest.

        Another manifest is refused, not ignored: it would give the same weights another name,
        licence or author, and whoever offered it would believe theirs was kept.
        """
        digest = manifest.digest
        if not self.store.has(digest):
            return False
        try:
            old = read_manifest(self.store.path(digest))
        except LibraryError:
            return False
        if not same_facts(old, manifest):
            raise refused(
                "duplicate_layer",
                f"these weights are in the library already, as {old.name!r} "
                f"{old.version} ({digest[:12]}): use that one, or first `continuum layer remove "
                f"{digest[:12]}`",
            )
        if row_of(connection, digest) is None:
            put_layers(connection, [entry_of(self.store, digest)])
        return True


def _chosen_manifest(
    checked: CheckedFolder, source: Path, given: Manifest | None, changes: Mapping[str, Any]
) -> Manifest:
    """The caller's manifest, or the folder's, or a bare one named after the source."""
    found = None
    if MANIFEST_FILE in checked.files:
        data, facts = read_small(checked.path, MANIFEST_FILE, MAX_TEXT_BYTES)
        if facts != checked.files[MANIFEST_FILE]:
            raise refused(
                "copy_changed", f"{MANIFEST_FILE} changed after its check: check the disk"
            )
        found = Manifest.from_json(data)
    if found is not None and found.signature and (changes or given not in (None, found)):
        raise refused(
            "manifest_signed",
            f"layer {found.name!r} is signed by {found.creator[:16]}: import it "
            "as it is, its name and terms cannot be changed",
        )
    if "licence" in changes:
        changes = {**changes, "licence": _licence(changes["licence"])}
    chosen = given or found
    if chosen is None:
        name = changes["name"] if "name" in changes else suggested_name(source)
        chosen = Manifest(name=name, base_model=checked.base_model)
    return replace(chosen, **changes)


def _licence(stated: object) -> str:
    """What an importer says, in SPDX's spelling and as strictly as a market reads it."""
    try:
        return canonical(stated)
    except LicenceTextError as error:
        raise refused("manifest_licence", str(error)) from None


def bind(manifest: Manifest, checked: CheckedFolder) -> Manifest:
    """The manifest of exactly these files; what it says of them already must be true.

    Raises:
        LayerRejected: manifest_digest, manifest_base, file_unlisted, file_absent, file_hash.
    """
    label = f"the manifest of {manifest.name!r}"
    if manifest.digest not in ("", checked.digest):
        raise refused(
            "manifest_digest",
            f"{label} was written for weights {manifest.digest[:12]}, these are "
            f"{checked.digest[:12]}: get the folder again, or delete {MANIFEST_FILE}",
        )
    if checked.base_model and manifest.base_model not in ("", checked.base_model):
        raise refused(
            "manifest_base",
            f"{label} says base model {shown(manifest.base_model)}, the weights "
            f"say {shown(checked.base_model)}: correct the manifest",
        )
    files = {name: f.sha256 for name, f in checked.files.items() if name != MANIFEST_FILE}
    if manifest.files:
        _check_files(label, manifest.files, files)
    if manifest.signature:  # every field is final
        return manifest
    base_model = manifest.base_model or checked.base_model
    return replace(manifest, digest=checked.digest, files=files, base_model=base_model)


def _written_anew(manifest: Manifest, checked: CheckedFolder) -> Manifest:
    """The folder with PEFT's own names of the tensors, which PEFT passes over otherwise."""
    from genome.layer import Layer
    from genome.validate import check_folder

    layer = Layer.from_checked(checked)
    layer.to_peft(checked.path, base_model_path=checked.config.base_model_path)
    with check_folder(checked.path) as anew:
        return bind(replace(manifest, files={}), anew)


def _check_files(label: str, listed: Mapping[str, str], found: Mapping[str, str]) -> None:
    for name in sorted(found.keys() - listed.keys()):
        raise refused("file_unlisted", f"{label} does not list {shown(name)}: delete that file")
    for name in sorted(listed.keys() - found.keys()):
        raise refused("file_absent", f"{label} lists {shown(name)}, which is missing: get it again")
    for name in sorted(listed):
        if listed[name] != found[name]:
            raise refused(
                "file_hash",
                f"{label} lists {shown(name)} with sha256 {listed[name][:12]}, the "
                f"file has {found[name][:12]}: get the folder again",
            )


def same_facts(old: Manifest, new: Manifest) -> bool:
    """Whether a new manifest says nothing that the stored one does not.

    The files beside the weights may differ (a newer version of this program writes another model
    card), and who adds a layer unsigned need not know that it was signed since.
    """
    a, b = old.facts(), new.facts()
    for free in ("files", "signature", *(() if new.creator else ("creator",))):
        a.pop(free), b.pop(free)
    return a == b


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a stored layer.

    Raises:
        LibraryError: It cannot be read, or is not this folder's.
    """
    path = folder / MANIFEST_FILE
    try:
        manifest = Manifest.from_json(read_small(folder, MANIFEST_FILE, MAX_TEXT_BYTES)[0])
        if manifest.digest != folder.name:
            raise refused("manifest_digest", f"it is of layer {manifest.digest[:12]}")
    except LayerRejected as error:
        raise LibraryError(
            f"the manifest {path} cannot be read ({error}): delete its folder and add the layer "
            "again"
        ) from None
    return manifest


def is_sound(folder: Path, digest: str) -> bool:
    """Whether a stored folder still has its manifest's files and weights."""
    from genome.validate import check_folder

    try:
        with check_folder(folder) as checked:
            bind(read_manifest(folder), checked)
            return checked.digest == digest
    except (LayerRejected, LibraryError):
        return False


def entry_of(store: LayerStore, digest: str) -> Entry:
    """What the catalogue keeps of a stored folder.

    Raises:
        LibraryError: Its manifest cannot be read.
    """
    folder = store.path(digest)
    manifest = read_manifest(folder)
    n_bytes = 0
    for name in (*manifest.files, MANIFEST_FILE):
        with suppress(OSError):  # a missing file is for `verify` to report
            n_bytes += os.stat(folder / name).st_size
    try:
        added_ns = os.stat(folder / MANIFEST_FILE).st_mtime_ns
    except FileNotFoundError as error:
        raise LibraryError(f"{folder} was removed while it was read: try again") from error
    return Entry(manifest, n_bytes, added_ns, hashlib.sha256(manifest.to_json()).hexdigest())


def card_facts(manifest: Manifest) -> CardFacts:
    """What the model card of a new layer says."""
    return CardFacts(
        name=manifest.name,
        description=manifest.description,
        licence=manifest.licence,
        licence_link=manifest.licence_link,
        tags=(manifest.kind, *manifest.tags),
        parents=tuple(p.digest for p in manifest.parents),
        metrics=tuple(
            CardMetric(
                r.skill,
                r.exam or f"{r.skill}-{r.split}",
                "exact_match",
                r.accuracy,
                r.base_accuracy,
                r.ancestor_accuracy,
                _stack_of(r),
            )
            for r in manifest.receipts
        ),
    )


def _stack_of(receipt: Receipt) -> tuple[str, ...]:
    """What was examined, if it was more than the layer alone: digest and weight of each."""
    if receipt.is_alone:
        return ()
    weights = receipt.weights or (1.0,) * len(receipt.layers)
    return tuple(f"{d[:12]} x {w:g}" for d, w in zip(receipt.layers, weights, strict=True))
