"""The layers of a run by digest: in memory while in use, on disk once a checkpoint needs them.

Candidates hold digests only. A file is written once, under its digest, before the checkpoint
that names it, so a kill at any moment leaves every named layer readable.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from academy.errors import RunCorruptError
from genome.files import write_atomically
from genome.layer import Factors, Layer
from genome.tensors import save_tensors


class LayerPool:
    """Content-addressed layers of one base model."""

    def __init__(self, base_model: str, folder: Path | None = None) -> None:
        self.base_model = base_model
        self.folder = folder
        """Where `save` writes; None = memory only."""
        self._layers: dict[str, Layer] = {}

    def __len__(self) -> int:
        return len(self._layers)

    def add(self, layer: Layer) -> str:
        """Keep a layer; returns its digest."""
        self._layers.setdefault(layer.digest, layer)
        return layer.digest

    def get(self, digest: str) -> Layer:
        """A layer by digest, read from disk if need be.

        Raises:
            RunCorruptError: Its file is missing, damaged, or holds another layer.
        """
        if digest not in self._layers:
            self._layers[digest] = self._read(digest)
        return self._layers[digest]

    def save(self, digests: Iterable[str]) -> None:
        """Write the layers that are not on disk yet; raises OSError if the disk will not."""
        if self.folder is None:
            return
        for digest in digests:
            path = self._path(digest)
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                write_atomically(path, partial(save_tensors, _tensors(self._layers[digest])))

    def keep_only(self, digests: Iterable[str]) -> None:
        """Forget all others, on disk too."""
        kept = set(digests)
        self._layers = {d: layer for d, layer in self._layers.items() if d in kept}
        if self.folder is not None and self.folder.exists():
            for path in self.folder.glob("*.safetensors"):
                if path.stem not in kept:
                    path.unlink(missing_ok=True)

    def _path(self, digest: str) -> Path:
        assert self.folder is not None
        return self.folder / f"{digest}.safetensors"

    def _read(self, digest: str) -> Layer:
        if self.folder is None:
            raise RunCorruptError(f"layer {digest[:12]} is not in this run: start it again")
        path = self._path(digest)
        try:
            tensors = load_file(path)
            modules = sorted(key.removesuffix(".A") for key in tensors if key.endswith(".A"))
            layer = Layer(
                self.base_model,
                {m: Factors(tensors[f"{m}.A"], tensors[f"{m}.B"]) for m in modules},
            )
        except (OSError, SafetensorError, KeyError, ValueError) as error:
            raise RunCorruptError(f"the layer {path} cannot be read ({error})") from None
        if layer.digest != digest:
            raise RunCorruptError(f"the layer {path} holds other numbers than its name says")
        return layer


def _tensors(layer: Layer) -> dict[str, torch.Tensor]:
    tensors = {}
    for module, factors in layer.factors.items():
        tensors[f"{module}.A"], tensors[f"{module}.B"] = factors.a, factors.b
    return tensors
