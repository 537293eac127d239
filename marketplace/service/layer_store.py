"""The files of layers on the service's disk.

    FOLDER/layers/<digest>/                complete, checked, never changed; appears by rename
    FOLDER/facts/<digest>.json             name, size and sha256 of its files
    FOLDER/unlisted/<digest>               waits to be listed (`marketplace.service.unlisted`)
    FOLDER/uploads/of-<principal>/<digest>/  on its way in
    FOLDER/uploads/.<random>[.part]        the same: one file, or a whole layer being checked

A layer comes in file by file, the weights last. Then the genome's validator reads every byte, and
the digest it computes must be the one the layer was announced under. What is handed out later is
hashed again before the first byte leaves: a disk may rot, a file may be swapped. What is on its way
in, or complete and not listed, is swept when nobody has touched it for a day.

The digest is that of the tensors; README, licence and manifest may differ. So a second upload of a
layer changes nothing, but for its uploader's before the layer is listed. Nobody else's is taken
before that: it would take the layer over.

What the service knows of a layer's files.
"""

import hashlib
import json
import os
import re
import secrets
import shutil
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from io import FileIO
from pathlib import Path

from genome.adapter.adapter_config import CONFIG_FILE
from genome.adapter.layer_files import (
    CARD_FILE,
    LICENCE_FILES,
    MANIFEST_FILE,
    WEIGHTS_FILE,
    open_file,
)
from genome.errors import LayerRejected
from genome.files import sync, sync_folder
from genome.validate import check_folder
from marketplace.ledger.account import principal_of
from marketplace.service.problems import ProblemError
from marketplace.service.settings import ServiceSettings
from marketplace.service.unlisted import Unlisted, changed_at, on_disk


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One file of a layer."""

    name: str
    n_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class StoredLayer:
    """A layer whose files are here."""

    digest: str
    files: tuple[StoredFile, ...]
    base_model: str = ""
    """Fingerprint in the weights' metadata; empty = they name none."""

    def file(self, name: str) -> StoredFile:
        """The file of this name.

        Raises:
            ProblemError: not-found.
        """
        for file in self.files:
            if file.name == name:
                return file
        raise ProblemError("not-found", f"layer {self.digest} has no such file: list its files")


SMALL_FILES = (CONFIG_FILE, MANIFEST_FILE, CARD_FILE, *LICENCE_FILES)
FILES = (*SMALL_FILES, WEIGHTS_FILE)
MAX_SMALL_BYTES = 1 << 20
MAX_ARRIVING = 16
"""Files of one account, mandates included, that arrive at the same time."""
_DIGEST = re.compile(r"[0-9a-f]{64}")
_BLOCK_BYTES = 1 << 20


class LayerStore:
    """Takes layers in, once each, and hands out what it took in.

    Args:
        is_listed: Whether a layer was ever put up for sale.
    """

    def __init__(
        self, folder: Path, settings: ServiceSettings, is_listed: Callable[[str], bool]
    ) -> None:
        self._layers = folder / "layers"
        self._facts = folder / "facts"
        self._uploads = folder / "uploads"
        self._unlisted = Unlisted(folder / "unlisted")
        self._settings = settings
        self._is_listed = is_listed
        self._arriving: dict[Path, tuple[str, int]] = {}
        self._being_listed: Counter[str] = Counter()
        self._checked: dict[str, tuple[int, ...]] = {}
        self._lock = threading.Lock()
        for path in (self._layers, self._facts, self._uploads):
            path.mkdir(parents=True, exist_ok=True, mode=0o700)

    def has(self, digest: str) -> bool:
        """Whether the layer is here, complete."""
        return bool(_DIGEST.fullmatch(digest)) and (self._layers / digest).is_dir()

    def layer(self, digest: str) -> StoredLayer:
        """What is known of a layer's files.

        Raises:
            ProblemError: not-found.
        """
        if not self.has(digest):
            raise ProblemError("not-found", "no layer of this digest is kept here: check it")
        facts = json.loads((self._facts / f"{digest}.json").read_text("utf-8"))
        files = tuple(StoredFile(**file) for file in facts["files"])
        return StoredLayer(digest, files, facts["base_model"])

    def folder(self, digest: str) -> Path:
        """Where a layer's files are, for who validates them again while reading."""
        return self._layers / digest

    def text(self, digest: str, name: str) -> bytes:
        """A small file of a layer, as it was checked."""
        opened, _ = self.open(digest, name)
        with opened:
            opened.seek(0)
            return opened.read(MAX_SMALL_BYTES)

    def limit_of(self, name: str) -> int:
        """Most bytes a file of this name may have.

        Raises:
            ProblemError: not-found, for a name that no layer has.
        """
        if name not in FILES:
            raise ProblemError("not-found", f"a layer's files are {', '.join(FILES)}: use these")
        return self._settings.max_layer_bytes if name == WEIGHTS_FILE else MAX_SMALL_BYTES

    def incoming(self, account: str, digest: str, name: str, n_bytes: int) -> Path:
        """A new file to write an upload into; `keep` it, and `forget` it in any case.

        Args:
            n_bytes: Its length, as announced.

        Raises:
            ProblemError: too-many-uploads, too-much-unlisted; layer-missing, when weights come
                before the rest.
        """
        own = self._own(account)
        folder = own / digest
        part = self._uploads / f".{secrets.token_hex(8)}.part"
        with self._lock:
            self._refuse_many(own, folder)
            if name == WEIGHTS_FILE and not (folder / CONFIG_FILE).is_file():
                raise ProblemError(
                    "layer-missing", f"{WEIGHTS_FILE} comes last: upload {CONFIG_FILE} first"
                )
            self._refuse_much(account, on_disk(n_bytes))
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            os.utime(folder)  # the sweep counts from the last file that was begun
            self._arriving[part] = (principal_of(account), on_disk(n_bytes))
        return part

    def forget(self, part: Path) -> None:
        """What arrived in this file was kept, or is not wanted."""
        part.unlink(missing_ok=True)
        with self._lock:
            self._arriving.pop(part, None)

    def keep(self, part: Path, account: str, digest: str, name: str) -> StoredLayer | None:
        """Take a whole file in; with the weights the layer is checked and complete.

        Returns:
            The layer that is kept: the one that was here before, if it must not be changed.

        Raises:
            ProblemError: layer-rejected, with the validator's code; the upload is then gone.
                upload-ended, when another request has finished or abandoned it.
        """
        folder, staged = self._own(account) / digest, self._staged()
        with self._lock:
            if not folder.is_dir():
                raise ProblemError(
                    "upload-ended",
                    f"the upload of layer {digest} was finished or abandoned meanwhile: list it, or"
                    " begin again",
                )
            os.replace(part, folder / name)
            if name != WEIGHTS_FILE:
                self._arriving.pop(part, None)  # it counts where it lies now
                return None
            os.rename(folder, staged)
        try:
            return self._take(staged, account, digest)
        except LayerRejected as error:
            words = str(error).replace(str(staged), "the upload")
            raise ProblemError("layer-rejected", words, extra={"code": error.code}) from None

    def abandon(self, account: str, digest: str) -> None:
        """Forget an unfinished upload."""
        shutil.rmtree(self._own(account) / digest, ignore_errors=True)

    def sweep(self, *, now: float) -> int:
        """Remove every upload that rests for too long, and what a kill left; how many.

        Args:
            now: Seconds since 1970 by the clock of the file system.
        """
        limit, n_removed = now - self._settings.upload_rests_s, 0
        for path in self._unfinished():
            trash = self._staged()
            with self._lock:  # a folder that an upload has just asked for is no longer old
                if changed_at(path) >= limit:
                    continue
                with suppress(FileNotFoundError):  # finished or abandoned meanwhile
                    os.rename(path, trash)
            if trash.is_dir():
                shutil.rmtree(trash)
            else:
                trash.unlink(missing_ok=True)
            n_removed += 1
        with self._lock:
            for own in self._uploads.glob("of-*"):
                with suppress(OSError):  # not empty
                    own.rmdir()
        return n_removed + sum(self._swept(digest, limit) for digest in self._unlisted)

    @contextmanager
    def being_listed(self, digest: str, account: str) -> Iterator[None]:
        """Keep a layer as it is while its uploader puts it up for sale.

        Raises:
            ProblemError: layer-missing, also when it is another account's to list.
        """
        with self._lock:
            if not self.has(digest) or self._unlisted.account(digest) not in (None, account):
                raise ProblemError(
                    "layer-missing", f"layer {digest} was not uploaded: PUT its files first"
                )
            self._unlisted.touch(digest)
            self._being_listed[digest] += 1
        try:
            yield
        finally:
            with self._lock:
                self._being_listed[digest] -= 1
                self._being_listed += Counter()  # drops what nobody lists any more

    def listed(self, digest: str) -> None:
        """Note that a layer was put up for sale: from now on it stays as it is."""
        with self._lock:
            self._unlisted.remove(digest)

    def check(self, digest: str) -> None:
        """Make sure that every file of a layer can be handed out now.

        Raises:
            ProblemError: layer-missing; internal, when a file on disk was changed.
        """
        if not self.has(digest):
            raise ProblemError(
                "layer-missing", f"layer {digest} is not kept here: ask its seller to upload it"
            )
        for file in self.layer(digest).files:
            opened, _ = self.open(digest, file.name)
            opened.close()

    def open(self, digest: str, name: str) -> tuple[FileIO, StoredFile]:
        """A layer's file, open, with its bytes still those that were checked.

        Raises:
            ProblemError: not-found; internal, when the file on disk was changed.
        """
        file = self.layer(digest).file(name)
        try:
            descriptor, _ = open_file(self._layers / digest, name, max(1, file.n_bytes))
        except LayerRejected:
            raise _damaged(digest, name) from None
        opened = FileIO(descriptor, "rb")
        try:
            self._check_bytes(opened, digest, file)
        except BaseException:
            opened.close()
            raise
        return opened, file

    def _check_bytes(self, opened: FileIO, digest: str, file: StoredFile) -> None:
        """Hash a file once for as long as its inode, size and time stay the same."""
        facts = os.fstat(opened.fileno())
        mark = (facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns)
        where = f"{digest}/{file.name}"
        with self._lock:
            if self._checked.get(where) == mark:
                return
        if hashlib.file_digest(opened, "sha256").hexdigest() != file.sha256:
            raise _damaged(digest, file.name)
        with self._lock:
            self._checked[where] = mark

    def _own(self, account: str) -> Path:
        """Uploads of an account and its mandates; the prefix keeps '..' from leading elsewhere."""
        return self._uploads / f"of-{principal_of(account)}"

    def _unfinished(self) -> Iterator[Path]:
        yield from self._facts.glob(".*")
        for path in list(self._uploads.iterdir()):
            yield from [path] if path.name.startswith(".") else list(path.iterdir())

    def _refuse_many(self, own: Path, folder: Path) -> None:
        if folder.is_dir() or not own.is_dir():
            return
        n_open = len(os.listdir(own))
        if n_open >= self._settings.max_uploads:
            raise ProblemError(
                "too-many-uploads",
                f"{n_open} uploads are unfinished, {self._settings.max_uploads} are allowed:"
                " finish or abandon one",
            )

    def _staged(self) -> Path:
        return self._uploads / f".{secrets.token_hex(8)}"

    def _refuse_much(self, account: str, n_bytes: int) -> None:
        """What is on its way counts before it arrives: many at once are together in the limit."""
        principal, limit = principal_of(account), self._settings.max_unlisted_bytes
        arriving = [n for who, n in self._arriving.values() if who == principal]
        if len(arriving) >= MAX_ARRIVING:
            problem = f"{MAX_ARRIVING} files are on their way, the most: send fewer at once"
            raise ProblemError("too-many-uploads", problem)
        unfinished = sum(on_disk(path.stat().st_size) for path in self._own(account).glob("*/*"))
        here = self._unlisted.n_bytes(principal) + sum(arriving) + unfinished
        if here + n_bytes > limit:
            raise ProblemError(
                "too-much-unlisted",
                f"{here} bytes are uploaded and not listed, {limit} are allowed and {n_bytes} more"
                " are too many: list a layer, or wait until the oldest is removed",
            )

    def _swept(self, digest: str, limit: float) -> bool:
        """Remove a layer that waits since before the limit; whether it was."""
        if self._unlisted.since(digest) >= limit:
            return False
        if self._is_listed(digest):  # and the service was killed before it noted that
            self.listed(digest)
            return False
        trash = self._staged()
        with self._lock:
            if self._being_listed[digest] or self._unlisted.since(digest) >= limit:
                return False  # somebody has begun to list it, and may have ended meanwhile
            with suppress(FileNotFoundError):
                os.rename(self._layers / digest, trash)
            (self._facts / f"{digest}.json").unlink(missing_ok=True)
            self._unlisted.remove(digest)
        shutil.rmtree(trash, ignore_errors=True)
        return True

    def _take(self, staged: Path, account: str, digest: str) -> StoredLayer:
        """Check a folder of ours and put it in place; it is gone from where it was."""
        try:
            with check_folder(staged, max_weights_bytes=self._settings.max_layer_bytes) as checked:
                if checked.digest != digest:
                    raise ProblemError(
                        "layer-rejected",
                        f"these files are layer {checked.digest}: announce that",
                        extra={"code": "digest"},
                    )
                base_model = checked.base_model
                files = tuple(
                    StoredFile(name, facts.n_bytes, facts.sha256)
                    for name, facts in sorted(checked.files.items())
                )
            sync_folder(staged)
            with self._lock:
                layer = self._install(staged, account, StoredLayer(digest, files, base_model))
            sync(self._layers)
            sync(self._facts)
            return layer
        finally:
            for path in (staged, _replaced(staged)):
                shutil.rmtree(path, ignore_errors=True)

    def _install(self, staged: Path, account: str, layer: StoredLayer) -> StoredLayer:
        """Put a checked layer in place, unless one is there that must not be changed."""
        digest = layer.digest
        if self.has(digest):
            kept = self.layer(digest)
            uploader = self._unlisted.account(digest)
            if uploader is None or self._is_listed(digest):
                return kept
            if principal_of(uploader) != principal_of(account):
                raise ProblemError(
                    "uploaded-before",
                    "another account uploaded these weights and has not listed them yet: try again"
                    " tomorrow, or upload other weights",
                )
            if self._being_listed[digest]:
                return kept
            if kept == layer:
                self._unlisted.add(digest, account, _n_bytes(kept))
                return kept
        part = self._facts / f".{secrets.token_hex(8)}"  # what may find the disk full comes first
        part.write_text(json.dumps(asdict(layer), sort_keys=True), "utf-8")
        self._unlisted.add(digest, account, _n_bytes(layer))
        if self.has(digest):
            os.rename(self._layers / digest, _replaced(staged))
        os.replace(part, self._facts / f"{digest}.json")
        os.rename(staged, self._layers / digest)
        return layer


def _replaced(staged: Path) -> Path:
    """Where the layer goes whose place another takes."""
    return staged.with_name(f"{staged.name}.old")


def _n_bytes(layer: StoredLayer) -> int:
    return sum(on_disk(file.n_bytes) for file in layer.files)


def _damaged(digest: str, name: str) -> ProblemError:
    return ProblemError(
        "internal", f"file {name} of layer {digest} is damaged here: tell the operator"
    )
