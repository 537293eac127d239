"""A LoRA layer: low-rank updates to some linear modules of one base model.

An update of module m is `delta = B @ A`, with A (rank, in) and B (out, rank). PEFT's scaling
(alpha / rank) is folded into B on reading and written back as alpha = rank, so that no other
code has to know about it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import torch

from genome.adapter.adapter_config import CONFIG_FILE, MAX_RANK
from genome.adapter.card import CardFacts
from genome.adapter.layer_files import WEIGHTS_FILE
from genome.adapter.lora_pairs import PEFT_PREFIX
from genome.adapter.peft_folder import read_stored, write_folder
from genome.adapter.tensor_values import CanonicalDigest
from genome.errors import BaseModelMismatchError
from genome.refusals import refused, shown
from genome.validate import BASE_KEY, CheckedFolder, check_folder

__all__ = [
    "BASE_KEY",
    "CONFIG_FILE",
    "MAX_RANK",
    "PEFT_PREFIX",
    "WEIGHTS_FILE",
    "Factors",
    "Layer",
]


class Factors(NamedTuple):
    """One module's low-rank update, delta = b @ a."""

    a: torch.Tensor
    """(rank, in) float32."""
    b: torch.Tensor
    """(out, rank) float32, scaling included."""


@dataclass(frozen=True, eq=False)
class Layer:
    """Low-rank updates by module path, bound to the base model they were trained for.

    Raises:
        LayerRejected: There is no module at all, or a module's factors do not fit together.
    """

    base_model: str
    """Fingerprint of the base model (`BaseModel.fingerprint`); empty = unknown."""
    factors: Mapping[str, Factors]

    def __post_init__(self) -> None:
        if not self.factors:
            raise refused("no_tensors", "a layer changes at least one module, this one none")
        for module, (a, b) in self.factors.items():
            if a.ndim != 2 or b.ndim != 2 or a.shape[0] != b.shape[1]:
                raise refused(
                    "rank_mismatch",
                    f"module {shown(module)} pairs A {tuple(a.shape)} with B "
                    f"{tuple(b.shape)}: A must be (rank, in) and B (out, rank)",
                )

    @property
    def rank(self) -> int:
        """The largest rank of any module."""
        return max(a.shape[0] for a, _ in self.factors.values())

    @property
    def n_bytes(self) -> int:
        """Memory of all factors."""
        return sum(a.nbytes + b.nbytes for a, b in self.factors.values())

    @functools.cached_property
    def digest(self) -> str:
        """sha256 over sorted (module, factor, dtype, shape, bytes); metadata excluded.

        Always of the float32 numbers, so that a layer read from half precision has one name.
        """
        digest = CanonicalDigest()
        for module in sorted(self.factors):
            a, b = (factor.detach().cpu().float().numpy() for factor in self.factors[module])
            digest.update(module, a, b)
        return digest.hexdigest()

    def bound_to(self, base_model: str) -> Layer:
        """This layer for a base model, if it names that one or none.

        Adapters from elsewhere carry no fingerprint; whether their modules and shapes fit is
        checked when they are loaded.

        Raises:
            BaseModelMismatchError: It was trained for another base model.
        """
        if self.base_model not in ("", base_model):
            raise BaseModelMismatchError(self.digest[:12], self.base_model, base_model)
        return replace(self, base_model=base_model)

    @classmethod
    def from_peft(cls, path: str | Path, *, say: Callable[[str], object] = lambda _: None) -> Layer:
        """Read a PEFT LoRA folder, as PEFT saved it or a trainer left it.

        Args:
            say: Is told what was left out or read otherwise than written, a line each.

        Raises:
            LayerRejected: A file is missing, damaged or hostile, or the adapter is of a kind that
                is not supported (DoRA, bias, modules_to_save, other PEFT types); the codes are
                in `genome.refusals.REFUSALS`.
        """
        with check_folder(path) as checked:
            for note in checked.notes:
                say(note)
            return cls.from_checked(checked)

    @classmethod
    def from_checked(cls, checked: CheckedFolder) -> Layer:
        """Read a folder that `check_folder` accepted, from the file it has open.

        Factors become float32 whatever they were saved in: half precision loses nothing by it,
        and layers of mixed origin can be composed.

        Raises:
            LayerRejected: file_changed, if the weights are no longer the bytes that were checked.
        """
        factors = {
            module: Factors(torch.from_numpy(a), torch.from_numpy(b))
            for module, a, b in checked.factors()
        }
        return cls(checked.base_model, factors)

    @classmethod
    def from_store(cls, path: str | Path, digest: str) -> Layer:
        """Read a folder of the library, and check that it still has its digest.

        Raises:
            LayerRejected: digest, if it has another; or what is wrong with its files.
        """
        base_model, stored = read_stored(Path(path), digest)
        factors = {m: Factors(torch.from_numpy(a), torch.from_numpy(b)) for m, a, b in stored}
        layer = cls(base_model, factors)
        layer.__dict__["digest"] = digest  # just computed
        return layer

    def to_peft(
        self,
        path: str | Path,
        *,
        base_model_path: str = "",
        card: CardFacts | None = None,
        fan_in_fan_out: bool = False,
    ) -> None:
        """Write a folder that `peft.PeftModel.from_pretrained` loads with the same logits.

        Args:
            base_model_path: Folder or hub id of the base model, for people and tools.
            card: What to say in README.md; None writes none.
            fan_in_fan_out: True for bases of Conv1D modules (GPT-2). PEFT puts a wrong value
                right by itself, with a warning; the logits are the same.

        Raises:
            OSError: The disk is full or refuses.
        """
        write_folder(
            Path(path),
            self.factors,
            {BASE_KEY: self.base_model},
            base_model_path=base_model_path,
            card=card,
            fan_in_fan_out=fan_in_fan_out,
        )
