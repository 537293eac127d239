"""What can go wrong with genomes.

GenomeError
├── BaseModelError
├── BaseModelMismatchError
├── LayerRejected
├── WeightCountError
├── LibraryError
└── LayerNotFoundError
"""

from __future__ import annotations


class GenomeError(Exception):
    """Base of every error the genome package raises on purpose; its text is one line."""


class BaseModelError(GenomeError):
    """A base model could not be loaded."""

    def __init__(self, path: str, cause: Exception) -> None:
        first_line = (str(cause).strip() or type(cause).__name__).splitlines()[0]
        super().__init__(
            f"base model {path!r} cannot be loaded ({first_line}): give the folder of a Hugging "
            "Face causal LM; `python -m seeds.pretrain --seed 0` makes the embedded one again"
        )


class BaseModelMismatchError(GenomeError):
    """A layer was trained for another base model than the genome's."""

    def __init__(self, layer: str, trained_for: str, wanted: str) -> None:
        super().__init__(
            f"layer {layer!r} was trained for base model {trained_for!r}, this genome is based on "
            f"{wanted!r}: retrain the layer or change the base"
        )


class LayerRejected(GenomeError):  # noqa: N818 - the contract's name
    """A file offered as a layer was refused; `code` is stable, `detail` is for people."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"layer rejected ({code}): {detail}")
        self.code = code
        self.detail = detail


class WeightCountError(GenomeError):
    """A genome does not have exactly one weight per layer."""

    def __init__(self, n_layers: int, n_weights: int) -> None:
        super().__init__(
            f"a genome needs one weight per layer: {n_layers} layers came with {n_weights} weights"
        )


class LibraryError(GenomeError):
    """The library's folder cannot be read or written."""


class LayerNotFoundError(GenomeError):
    """The library has no layer of that name or digest."""
