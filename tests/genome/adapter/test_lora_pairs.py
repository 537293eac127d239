"""Names of tensors as trainers save them through a wrapper mean what they wrap."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from genome.adapter.layer_files import WEIGHTS_FILE
from genome.adapter.lora_pairs import unwrapped
from genome.errors import LayerRejected
from genome.layer import Layer
from genome.library import Library
from genome.shelf.signing import SigningKey
from tests.support.hostile import MODULE, A, B, factors, write_valid

BARE = "model.layers.0.self_attn.q_proj"
PLAIN = f"base_model.model.{BARE}.lora_A.weight"
WRAPPED = {
    "torch.compile": f"_orig_mod.{PLAIN}",
    "torch.compile inside": f"base_model.model._orig_mod.{BARE}.lora_A.weight",
    "torch.compile by block": PLAIN.replace("layers.0.", "layers.0._orig_mod."),
    "FSDP": f"_fsdp_wrapped_module.{PLAIN}",
    "FSDP by block": PLAIN.replace("layers.0.", "layers.0._fsdp_wrapped_module."),
    "FSDP of each factor": PLAIN.replace("lora_A.", "lora_A.default._fsdp_wrapped_module."),
    "activation checkpoints": PLAIN.replace("layers.0.", "layers.0._checkpoint_wrapped_module."),
    "DDP": f"module.{PLAIN}",
    "DDP inside": f"base_model.model.module.{BARE}.lora_A.weight",
    "DDP of torch.compile of FSDP": f"module._orig_mod._fsdp_wrapped_module.{PLAIN}",
    "PEFT of PEFT": f"base_model.model.{PLAIN}",
    "PEFT of DDP of PEFT": f"base_model.model.module.{PLAIN}",
    "Lightning": f"model.{PLAIN}",
    "no prefix": f"{BARE}.lora_A.weight",
    "name of the adapter": PLAIN.replace("lora_A.", "lora_A.default."),
}


def wrapped(name: str) -> dict[str, np.ndarray]:
    """The valid folder's tensors under these names."""
    a, b = factors().values()
    return {name: a, name.replace("lora_A", "lora_B"): b}


@pytest.mark.parametrize("kind", WRAPPED)
def test_a_wrapped_adapter_is_the_plain_one(tmp_path: Path, kind: str) -> None:
    """The same layer here, and in the library under the names that PEFT reads."""
    plain = Layer.from_peft(write_valid(tmp_path / "plain"))
    folder = write_valid(tmp_path / "wrapped", wrapped(WRAPPED[kind]))
    layer = Layer.from_peft(folder)
    assert list(layer.factors) == [MODULE] and layer.digest == plain.digest
    library = Library.open(tmp_path)
    said: list[str] = []
    assert library.import_folder(folder, say=said.append) == plain.digest
    assert set(load_file(library.path(plain.digest) / WEIGHTS_FILE)) == {A, B}
    assert library.verify() == []
    assert said and "read as what they wrap" in said[0]
    assert torch.equal(library.get(plain.digest).factors[MODULE].b, plain.factors[MODULE].b)


def test_plain_adapters_are_kept_byte_for_byte(tmp_path: Path) -> None:
    folder = write_valid(tmp_path / "plain")
    library = Library.open(tmp_path)
    stored = library.path(library.import_folder(folder)) / WEIGHTS_FILE
    assert stored.read_bytes() == (folder / WEIGHTS_FILE).read_bytes()


@pytest.mark.parametrize("kind", WRAPPED)
def test_two_tensors_that_unwrap_to_one_name_are_refused(tmp_path: Path, kind: str) -> None:
    folder = write_valid(tmp_path, {**factors(), **wrapped(WRAPPED[kind])})
    with pytest.raises(LayerRejected, match="lora_A") as refusal:
        Layer.from_peft(folder)
    assert refusal.value.code == "tensor_clash"


@pytest.mark.parametrize(
    "name",
    [
        "_fsdp_wrapped_module._flat_param",
        f"{BARE}.lora_A",
        f"{BARE}.lora_a",
        f"module.{BARE}.weight",
    ],
)
def test_what_is_no_factor_once_unwrapped_is_refused_by_its_name(tmp_path: Path, name: str) -> None:
    folder = write_valid(tmp_path, {**factors(), name: np.ones((2, 2), np.float32)})
    with pytest.raises(LayerRejected) as refusal:
        Layer.from_peft(folder)
    assert refusal.value.code == "unknown_tensor" and name in refusal.value.detail


def test_a_models_own_module_of_that_name_is_left_alone() -> None:
    """Only the outermost `module` is a wrapper's; whole words only."""
    assert unwrapped("model.module.layers.0.q_proj") == "model.module.layers.0.q_proj"
    assert unwrapped("my_orig_mod.q_proj") == "my_orig_mod.q_proj"
    assert unwrapped("modules.q_proj") == "modules.q_proj"


def test_a_signed_wrapped_layer_stays_as_it_was_signed(tmp_path: Path) -> None:
    """Else its signature would no longer be of its files."""
    key = SigningKey.generate()
    folder = write_valid(tmp_path / "wrapped", wrapped(WRAPPED["DDP"]))
    mine = Library.open(tmp_path / "mine")
    digest = mine.import_folder(folder, key=key)
    out = mine.export(digest, tmp_path / "out")
    theirs = Library.open(tmp_path / "theirs")
    assert theirs.import_folder(out) == digest and theirs.verify() == []
