"""A layer's files, to the service and back; nothing is believed that was not checked here.

A service may be wrong, or lie. So a download is hashed while it arrives, read completely by the
genome's validator, and named by the digest of its weights, before it gets its place.
"""

import base64
import hashlib
import os
import shutil
import tempfile
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import httpx

from genome.adapter.layer_files import ALLOWED_FILES, MAX_WEIGHTS_BYTES, WEIGHTS_FILE, list_files
from genome.errors import LayerRejected
from genome.validate import check_folder
from marketplace.client.transport import Transport
from marketplace.errors import DownloadError
from marketplace.routes import spelt


@dataclass(frozen=True, slots=True)
class FileFacts:
    """One file of a layer as the service announces it."""

    name: str
    n_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class LayerFacts:
    """A layer's files as the service announces them."""

    digest: str
    files: tuple[FileFacts, ...]


class LayersClient:
    """The files of layers, to and from a service."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def upload_layer(self, digest: str, folder: Path, *, leave_out: Collection[str] = ()) -> None:
        """Hand a layer's files to the service, the weights last, which complete it.

        Args:
            leave_out: Files that stay here.

        Raises:
            LayerRejected: The folder holds something that is no part of a layer.
            ServiceError: The service's own check refused it.
        """
        names = sorted(list_files(folder).files, key=lambda name: (name == WEIGHTS_FILE, name))
        for name in names:
            if name in leave_out:
                continue
            sha256 = _sha256(folder / name)
            headers = {
                "Content-Type": "application/octet-stream",
                "Content-Digest": f"sha-256=:{base64.b64encode(sha256).decode()}:",
            }
            key = f"upload-{digest[:24]}-{sha256.hex()[:24]}-{name}"
            where = f"/v1/layers/{spelt(digest)}/{spelt(name)}"
            self._transport.ask("PUT", where, content=folder / name, key=key, headers=headers)

    def download_layer(self, digest: str, folder: Path) -> Path:
        """A new folder with the layer's files, which are exactly those of the digest.

        Raises:
            DownloadError: The files are not what was asked for, or the folder exists.
            LayerRejected: They are no acceptable layer.
            MarketError: The service refused: the layer was not paid for, say.
        """
        if folder.exists():
            raise DownloadError(f"{folder} is there already: choose another folder")
        facts = self._transport.get(LayerFacts, f"/v1/layers/{spelt(digest)}")
        if len({file.name for file in facts.files}) < len(facts.files):
            raise DownloadError(
                f"the service names a file of layer {digest[:12]} twice: do not trust this copy"
            )
        folder.parent.mkdir(parents=True, exist_ok=True)
        staged = Path(tempfile.mkdtemp(prefix=".download-", dir=folder.parent))
        try:
            for file in facts.files:
                self._fetch(digest, file, staged)
            _check_layer(staged, digest)
            os.rename(staged, folder)
        finally:
            shutil.rmtree(staged, ignore_errors=True)
        return folder

    def _fetch(self, digest: str, file: FileFacts, folder: Path) -> None:
        """Write one file, going on where a lost connection stopped."""
        if file.name not in ALLOWED_FILES or not 0 < file.n_bytes <= MAX_WEIGHTS_BYTES:
            raise DownloadError(
                f"the service offers {file.name[:80]!r} ({file.n_bytes} bytes) as part of layer"
                f" {digest[:12]}, which no layer has: do not trust this copy"
            )
        with (folder / file.name).open("xb") as out:
            attempt = 0
            while True:
                try:
                    self._receive(digest, file, out.fileno())
                    break
                except httpx.TransportError as error:
                    self._transport.again(attempt, error)
                    attempt += 1
        if _sha256(folder / file.name).hex() != file.sha256:
            raise DownloadError(
                f"{file.name} of layer {digest[:12]} arrived with another hash than announced:"
                " download it again"
            )

    def _receive(self, digest: str, file: FileFacts, descriptor: int) -> None:
        headers = {"Accept-Encoding": "identity"}
        n_before = os.fstat(descriptor).st_size
        if n_before:
            headers |= {"Range": f"bytes={n_before}-", "If-Range": f'"{file.sha256}"'}
        with self._transport.opened(
            f"/v1/layers/{spelt(digest)}/{spelt(file.name)}", headers
        ) as response:
            n_bytes = n_before if response.status_code == 206 else 0
            os.ftruncate(descriptor, n_bytes)
            for block in response.iter_bytes():
                os.pwrite(descriptor, block, n_bytes)
                n_bytes += len(block)
                if n_bytes > file.n_bytes:
                    raise DownloadError(
                        f"{file.name} of layer {digest[:12]} is longer than the {file.n_bytes}"
                        " bytes announced: do not trust this copy"
                    )
        if n_bytes < file.n_bytes:
            raise httpx.ReadError(f"{file.name} ended after {n_bytes} of {file.n_bytes} bytes")


def _check_layer(folder: Path, digest: str) -> None:
    try:
        with check_folder(folder) as checked:
            found = checked.digest
    except LayerRejected as error:
        raise DownloadError(
            f"what the service sent as layer {digest[:12]} is no acceptable layer"
            f" ({' '.join(str(error).replace(str(folder), 'it').split())}): ask for a refund"
        ) from error
    if found != digest:
        raise DownloadError(
            f"the service sent layer {found[:12]} instead of {digest[:12]}: do not trust it"
        )


def _sha256(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()
