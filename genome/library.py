"""A folder of layers, each stored once under its digest and found by what it can do.

HOME/library/layers/<digest>/    a PEFT folder plus manifest.json
HOME/library/encoder.safetensors the whitening all vectors were made with
"""

from __future__ import annotations

import difflib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from genome.embedding import QuestionEncoder
from genome.errors import LayerNotFoundError, LayerRejected, LibraryError
from genome.files import write_atomically, write_folder_once
from genome.index import Index
from genome.layer import Layer

MANIFEST_FILE = "manifest.json"


@dataclass(frozen=True)
class Manifest:
    """What is known about a layer besides its weights."""

    name: str
    base_model: str
    niche: str
    """Skill it was found to be best at."""
    description: str
    accuracy: float
    """Exact-match accuracy on unseen questions of its niche."""
    base_accuracy: float
    """The base model's accuracy on the same questions."""
    n_questions: int
    parents: tuple[str, ...] = ()
    """Digests of the layers it was bred from, where known."""
    vector: tuple[float, ...] = field(default=(), repr=False)
    """Unit vector in the library's encoder; empty = not searchable."""


@dataclass(frozen=True)
class Found:
    """One search result."""

    digest: str
    manifest: Manifest
    similarity: float
    """Cosine of question and layer vector."""


class Library:
    """The layers of one home; open it once and search it often."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._manifests: dict[str, Manifest] = {}
        self.refresh()

    @classmethod
    def open(cls, home: str | Path) -> Library:
        """The library of a home; empty if it has none yet.

        Raises:
            LibraryError: A manifest cannot be read.
        """
        return cls(Path(home) / "library")

    def refresh(self) -> None:
        """Read the manifests again."""
        found = sorted((self.folder / "layers").glob(f"[!.]*/{MANIFEST_FILE}"))
        self._manifests = {path.parent.name: _read_manifest(path) for path in found}

    @property
    def manifests(self) -> dict[str, Manifest]:
        """Everything in the library by digest."""
        return dict(self._manifests)

    def add(self, layer: Layer, manifest: Manifest, *, base_model_path: str = "") -> str:
        """Store a layer under its digest; adding it again changes nothing."""
        digest = layer.digest

        def fill(folder: Path) -> None:
            layer.to_peft(folder, base_model_path=base_model_path)
            text = json.dumps(asdict(manifest), indent=1)
            (folder / MANIFEST_FILE).write_text(text + "\n")

        write_folder_once(self.folder / "layers" / digest, fill)
        self._manifests[digest] = _read_manifest(self.path(digest) / MANIFEST_FILE)
        return digest

    def path(self, digest: str) -> Path:
        """The PEFT folder of a layer."""
        return self.folder / "layers" / digest

    def get(self, digest: str) -> Layer:
        """Load a layer and check that it still has its digest.

        Raises:
            LayerNotFoundError: There is no such layer.
            LayerRejected: Its files are damaged.
        """
        if digest not in self._manifests:
            raise LayerNotFoundError(f"the library {self.folder} has no layer {digest[:12]!r}")
        layer = Layer.from_peft(self.path(digest))
        if layer.digest != digest:
            raise LayerRejected(
                "digest", f"{self.path(digest)} no longer matches its digest: its weights were "
                "changed; delete the folder and add the layer again"
            )  # fmt: skip
        return layer

    def named(self, name: str) -> tuple[str, Manifest]:
        """Digest and manifest of the layer of that name.

        Raises:
            LayerNotFoundError: There is none; the message suggests the nearest names.
        """
        for digest, manifest in self._manifests.items():
            if manifest.name == name:
                return digest, manifest
        names = [manifest.name for manifest in self._manifests.values()]
        close = difflib.get_close_matches(name, names, n=3, cutoff=0.4)
        hint = f"did you mean {', '.join(close)}?" if close else "`continuum layer list` shows all"
        raise LayerNotFoundError(f"there is no layer {name!r} in {self.folder}: {hint}")

    # -- search ----------------------------------------------------------------------------

    def save_encoder(self, encoder: QuestionEncoder) -> None:
        """Keep the encoder that this library's vectors are made with."""
        write_atomically(self.folder / "encoder.safetensors", encoder.save)

    def encoder(self, base: Any) -> QuestionEncoder:
        """The library's encoder on a loaded base model."""
        return QuestionEncoder.load(base, self.folder / "encoder.safetensors")

    def search_vectors(
        self, vectors: np.ndarray, *, base_model: str | None = None, k: int = 10
    ) -> list[list[Found]]:
        """The k layers nearest to each question vector, best first."""
        usable = {
            digest: manifest
            for digest, manifest in self._manifests.items()
            if manifest.vector and base_model in (None, manifest.base_model)
        }
        if not usable:
            return [[] for _ in vectors]
        index = Index(list(usable), np.array([m.vector for m in usable.values()], np.float32))
        return [
            [Found(digest, usable[digest], similarity) for digest, similarity in hits]
            for hits in index.nearest(vectors, k)
        ]

    def search(
        self, query: str, *, encoder: QuestionEncoder, base_model: str | None = None, k: int = 10
    ) -> list[Found]:
        """The k layers most able to answer a question like this, best first."""
        return self.search_vectors(encoder.encode([query]), base_model=base_model, k=k)[0]


def _read_manifest(path: Path) -> Manifest:
    try:
        data = json.loads(path.read_text())
        data["vector"] = tuple(data.get("vector", ()))
        data["parents"] = tuple(data.get("parents", ()))
        return Manifest(**data)
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise LibraryError(
            f"the manifest {path} cannot be read ({error}): delete its folder and add the layer "
            "again"
        ) from None
