"""What can go wrong with genomes.

GenomeError
├── BaseModelError
├── BaseModelMismatchError
├── GgufError
├── NoRoomError
│   ├── TooLongError
│   └── TooLargeError
├── MemoryTextError
├── UnknownBaseError
├── UnboundLayerError
├── LayerRejected
├── WeightCountError
├── CompositionError
├── PagerError
│   └── PagerFull
├── IndexInputError
├── IndexDamagedError
├── LicenceTextError
├── HomeVersionError
├── LibraryError
│   ├── LibraryBusyError
│   └── LayerInUseError
├── SigningKeyError
└── LayerNotFoundError
"""

from __future__ import annotations

import math
from collections.abc import Sequence


class GenomeError(Exception):
    """Base of every error the genome package raises on purpose; its text is one line."""


class BaseModelError(GenomeError):
    """A base model could not be loaded."""

    def __init__(
        self,
        path: str,
        cause: Exception | str,
        remedy: str = "give the folder of a Hugging Face causal LM; `python -m seeds.pretrain "
        "--seed 0` makes the embedded one again",
    ) -> None:
        said = " ".join(str(cause).split())[:200] or type(cause).__name__
        super().__init__(f"base model {path!r} cannot be loaded ({said}): {remedy}")


class GgufError(GenomeError):
    """A base or layer that llama.cpp cannot have."""


class NoRoomError(GenomeError):
    """A question cannot be computed, even alone."""

    limit: str
    """What it is beyond, in words that follow "the question is"."""


class TooLongError(NoRoomError):
    """A question does not fit into the positions of the base model."""

    def __init__(self, question: str, n_tokens: int, n_positions: int) -> None:
        self.limit = f"longer than the {n_positions} positions of the base"
        super().__init__(
            f"the question {question[:40]!r} has {n_tokens} tokens with its answer, {self.limit}: "
            "shorten it, or choose another base"
        )


class TooLargeError(NoRoomError):
    """A question alone takes more memory than is allowed."""

    def __init__(self, question: str, needed: int, allowed: int) -> None:
        self.limit = f"larger than the {allowed / 1e9:.2f} GB of memory allowed (--memory)"
        super().__init__(
            f"the question {question[:40]!r} takes {needed / 1e9:.2f} GB beside the base, "
            f"{allowed / 1e9:.2f} GB are allowed: give --memory {math.ceil(needed / 1e8) / 10}GB, "
            "or shorten it"
        )


class MemoryTextError(GenomeError):
    """A text that should say how much memory may be used."""

    def __init__(self, text: str) -> None:
        super().__init__(f"{text!r} is no amount of memory: write --memory 4GB or --memory 500MB")


class BaseModelMismatchError(GenomeError):
    """A layer was trained for another base model than the genome's."""

    def __init__(self, layer: str, trained_for: str, wanted: str) -> None:
        if trained_for:
            super().__init__(
                f"layer {layer!r} was trained for base model {trained_for!r}, this genome is based "
                f"on {wanted!r}: retrain the layer or change the base"
            )
        else:
            super().__init__(
                f"layer {layer!r} is bound to no base model: `continuum layer bind {layer}` looks "
                "for one that it fits"
            )


class UnknownBaseError(GenomeError):
    """A base model is needed that this home does not know."""

    def __init__(self, reference: str, known: Sequence[str], source: str = "SOURCE") -> None:
        what = " with its folder, hub id or GGUF file" if source == "SOURCE" else ""
        super().__init__(
            f"base model {reference!r:.80} is not known here (known: "
            f"{', '.join(known) or 'none'}): `continuum base add {source}`{what}"
        )


class UnboundLayerError(GenomeError):
    """A layer is to be used that is bound to no base model that this home knows."""

    def __init__(self, layer: str, stated: str, misfits: Sequence[str]) -> None:
        command = f"`continuum layer bind {layer} --base FOLDER`"
        if stated:
            super().__init__(
                f"layer {layer!r} is for base model {stated!r}, which is not known here: "
                f"{command} with that base's folder"
            )
        else:
            super().__init__(
                f"layer {layer!r} is unbound, it fits no base model that is known here: "
                f"{'; '.join(misfits)}: {command} with the folder of its own"
            )


class LayerRejected(GenomeError):  # noqa: N818 - the contract's name
    """A file offered as a layer was refused; `code` is stable, `detail` is for people."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"layer rejected ({code}): {detail}")
        self.code = code
        self.detail = detail


class LicenceTextError(GenomeError):
    """No licence expression that can be understood."""


class HomeVersionError(GenomeError):
    """A home is of a format that this version does not know."""


class WeightCountError(GenomeError):
    """A genome does not have exactly one weight per layer."""

    def __init__(self, n_layers: int, n_weights: int) -> None:
        super().__init__(
            f"a genome needs one weight per layer: {n_layers} layers came with {n_weights} weights"
        )


class IndexInputError(GenomeError, ValueError):
    """The search index was given something it cannot hold or look for."""


class IndexDamagedError(GenomeError):
    """A saved search index cannot be used; it holds nothing that the library cannot rebuild."""

    def __init__(self, path: object, cause: str) -> None:
        super().__init__(
            f"the search index {str(path)!r} is damaged ({cause}): delete that folder and build "
            "the index again from the library's layers"
        )


class CompositionError(GenomeError):
    """Layers cannot be composed in the way asked for."""


class PagerError(GenomeError):
    """A pager cannot work within its budgets."""


class PagerFull(PagerError):  # noqa: N818 - the field's word
    """Every slot is leased or pinned by somebody else."""

    def __init__(self, wanted: int, slots: int, leased: int, pinned: int) -> None:
        super().__init__(
            f"{wanted} genomes were asked for, the pager has {slots} slots, of which {leased} are "
            f"leased and {pinned} pinned: release some, wait longer, or raise hot_bytes"
        )


class LibraryError(GenomeError):
    """The library's folder cannot be read or written."""


class LibraryBusyError(LibraryError):
    """Other processes kept the library busy for longer than this one would wait."""


class LayerInUseError(LibraryError):
    """Something else needs the layer as it is."""


class SigningKeyError(GenomeError):
    """A private key file cannot be used."""


class LayerNotFoundError(GenomeError):
    """The library has no layer of that name or digest."""
