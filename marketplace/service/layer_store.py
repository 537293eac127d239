"""The files of layers on the service's disk.

    FOLDER/layers/<digest>/                complete, checked, never changed; appears by rename
    FOLDER/facts/<digest>.json             name, size and sha256 of its files
    FOLDER/uploads/<account>/<digest>/     on its way in

A layer comes in file by file, the weights last. Then the genome's validator reads every byte, and
the digest it computes must be the one the layer was announced under. What is handed out later is
hashed again before the first byte leaves: a disk may rot, a file may be swapped.
"""

import hashlib
import json
import os
import re
import secrets
import shutil
import threading
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
from marketplace.service.problems import ProblemError
from marketplace.service.settings import ServiceSettings

SMALL_FILES = (CONFIG_FILE, MANIFEST_FILE, CARD_FILE, *LICENCE_FILES)
FILES = (*SMALL_FILES, WEIGHTS_FILE)
MAX_SMALL_BYTES = 1 << 20
_DIGEST = re.compile(r"[0-9a-f]{64}")
_BLOCK_BYTES = 1 << 20


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


class LayerStore:
    """Takes layers in, once each, and hands out what it took in."""

    def __init__(self, folder: Path, settings: ServiceSettings) -> None:
        self._layers = folder / "layers"
        self._facts = folder / "facts"
        self._uploads = folder / "uploads"
        self._settings = settings
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

    def incoming(self, account: str, digest: str, name: str) -> Path:
        """A new file to write an upload into; `keep` or remove it afterwards.

        Raises:
            ProblemError: too-many-uploads; layer-missing, when weights come before the rest.
        """
        own = self._uploads / account.replace("/", "~")
        folder = own / digest
        if not folder.is_dir() and own.is_dir():
            n_open = len(os.listdir(own))
            if n_open >= self._settings.max_uploads:
                raise ProblemError(
                    "too-many-uploads",
                    f"{n_open} uploads are unfinished, {self._settings.max_uploads} are allowed:"
                    " finish or abandon one",
                )
        if name == WEIGHTS_FILE and not (folder / CONFIG_FILE).is_file():
            raise ProblemError(
                "layer-missing", f"{WEIGHTS_FILE} comes last: upload {CONFIG_FILE} first"
            )
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return self._uploads / f".{secrets.token_hex(8)}.part"

    def keep(self, part: Path, account: str, digest: str, name: str) -> StoredLayer | None:
        """Take a whole file in; with the weights the layer is checked and complete.

        Raises:
            ProblemError: layer-rejected, with the validator's code; the upload is then gone.
        """
        folder = self._uploads / account.replace("/", "~") / digest
        os.replace(part, folder / name)
        if name != WEIGHTS_FILE:
            return None
        staged = self._staged()
        os.rename(folder, staged)
        try:
            return self._take(staged, digest)
        except LayerRejected as error:
            words = str(error).replace(str(staged), "the upload")
            raise ProblemError("layer-rejected", words, extra={"code": error.code}) from None

    def abandon(self, account: str, digest: str) -> None:
        """Forget an unfinished upload."""
        shutil.rmtree(self._uploads / account.replace("/", "~") / digest, ignore_errors=True)

    def add(self, folder: Path, digest: str) -> StoredLayer:
        """Check a folder and keep a copy of what was checked, under its digest.

        Raises:
            LayerRejected: The folder is no acceptable layer.
            ProblemError: layer-rejected, when it has another digest.
        """
        if self.has(digest):
            return self.layer(digest)
        staged = self._staged()
        shutil.copytree(folder, staged, symlinks=True)
        return self._take(staged, digest)

    def open(self, digest: str, name: str) -> tuple[FileIO, StoredFile]:
        """A layer's file, open, with its bytes still those that were checked.

        Raises:
            ProblemError: not-found; internal, when the file on disk was changed.
        """
        file = self.layer(digest).file(name)
        descriptor, _ = open_file(self._layers / digest, name, max(1, file.n_bytes))
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
            raise ProblemError(
                "internal", f"file {file.name} of layer {digest} is damaged here: tell the operator"
            )
        with self._lock:
            self._checked[where] = mark

    def _staged(self) -> Path:
        return self._uploads / f".{secrets.token_hex(8)}"

    def _take(self, staged: Path, digest: str) -> StoredLayer:
        """Check a folder of ours and put it in place; it is gone from where it was."""
        try:
            with check_folder(staged, max_weights_bytes=self._settings.max_layer_bytes) as checked:
                if checked.digest != digest:
                    raise ProblemError(
                        "layer-rejected", f"these files are layer {checked.digest}: announce that",
                        extra={"code": "digest"},
                    )  # fmt: skip
                base_model = checked.base_model
                files = tuple(
                    StoredFile(name, facts.n_bytes, facts.sha256)
                    for name, facts in sorted(checked.files.items())
                )
            return self._install(staged, StoredLayer(digest, files, base_model))
        finally:
            shutil.rmtree(staged, ignore_errors=True)

    def _install(self, staged: Path, layer: StoredLayer) -> StoredLayer:
        part = self._facts / f".{secrets.token_hex(8)}"
        part.write_text(json.dumps(asdict(layer), sort_keys=True), "utf-8")
        os.replace(part, self._facts / f"{layer.digest}.json")
        sync_folder(staged)
        try:
            os.rename(staged, self._layers / layer.digest)
        except OSError:
            if not self.has(layer.digest):  # else somebody else uploaded the same meanwhile
                raise
        sync(self._layers)
        sync(self._facts)
        return layer
