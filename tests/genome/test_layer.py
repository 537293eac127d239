"""Layers go to PEFT and back without losing a bit, and bad folders are refused by name."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file

from genome.errors import BaseModelMismatchError, LayerRejected
from genome.genome import Genome
from genome.layer import CONFIG_FILE, WEIGHTS_FILE, Layer
from genome.population import PopulationModel
from genome.testing import random_layer, tiny_llama

IDS = torch.randint(0, 256, (3, 9), generator=torch.Generator().manual_seed(1))


def logits_with(model: object, layer: Layer) -> torch.Tensor:
    population = PopulationModel(model)
    population.load([Genome.of(layer)])
    with torch.no_grad(), population.rows([0, 0, 0]):
        return model(input_ids=IDS).logits  # type: ignore[operator,no-any-return]


def test_peft_loads_an_exported_layer_with_the_same_logits(tmp_path: Path) -> None:
    """To 1e-5 in float32, through the files on disk."""
    model = tiny_llama()
    layer = random_layer(model)
    layer.to_peft(tmp_path)
    ours = logits_with(model, layer)
    peft = PeftModel.from_pretrained(copy.deepcopy(model), str(tmp_path)).eval()
    with torch.no_grad():
        theirs = peft(input_ids=IDS).logits
    assert not torch.allclose(ours, model(input_ids=IDS).logits, atol=1e-2)
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=0)


@pytest.mark.parametrize("rslora", [False, True])
def test_an_adapter_saved_by_peft_is_read_with_its_scaling(tmp_path: Path, rslora: bool) -> None:
    """alpha / r, and alpha / sqrt(r) with rslora."""
    model = tiny_llama()
    config = LoraConfig(
        r=4, lora_alpha=12, target_modules=["q_proj", "down_proj"], use_rslora=rslora,
        init_lora_weights=False, task_type="CAUSAL_LM",
    )  # fmt: skip
    peft = get_peft_model(copy.deepcopy(model), config).eval()
    peft.save_pretrained(str(tmp_path))
    with torch.no_grad():
        theirs = peft(input_ids=IDS).logits
    torch.testing.assert_close(
        logits_with(model, Layer.from_peft(tmp_path)), theirs, atol=1e-5, rtol=0
    )


def test_a_round_trip_keeps_the_digest_and_other_weights_change_it(tmp_path: Path) -> None:
    layer = random_layer(tiny_llama())
    layer.to_peft(tmp_path)
    again = Layer.from_peft(tmp_path)
    assert again.digest == layer.digest
    assert again.base_model == "tiny"
    assert random_layer(tiny_llama(), seed=1).digest != layer.digest


def test_metadata_is_no_part_of_the_digest(tmp_path: Path) -> None:
    layer = random_layer(tiny_llama())
    layer.to_peft(tmp_path)
    tensors = load_file(tmp_path / WEIGHTS_FILE)
    save_file(tensors, tmp_path / WEIGHTS_FILE, metadata={"format": "pt", "note": "mine"})
    assert Layer.from_peft(tmp_path).digest == layer.digest


def edit_config(folder: Path, **changes: object) -> None:
    path = folder / CONFIG_FILE
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"peft_type": "IA3"}, "peft_type"),
        ({"use_dora": True}, "unsupported"),
        ({"modules_to_save": ["lm_head"]}, "unsupported"),
        ({"bias": "all"}, "unsupported"),
        ({"fan_in_fan_out": True}, "unsupported"),
        ({"r": 0}, "rank"),
        ({"r": 10_000}, "rank"),
        ({"r": "8"}, "rank"),
        ({"lora_alpha": None}, "alpha"),
        ({"rank_pattern": {"q_proj": 2}}, "unsupported"),
    ],
)
def test_what_is_not_supported_is_refused_by_name(
    tmp_path: Path, changes: dict[str, object], code: str
) -> None:
    random_layer(tiny_llama()).to_peft(tmp_path)
    edit_config(tmp_path, **changes)
    with pytest.raises(LayerRejected) as refusal:
        Layer.from_peft(tmp_path)
    assert refusal.value.code == code
    assert "\n" not in str(refusal.value)


def test_damaged_folders_are_refused(tmp_path: Path) -> None:
    """Missing, cut short, not safetensors, half a pair, NaN: each its own code."""

    def code_of(folder: Path) -> str:
        with pytest.raises(LayerRejected) as refusal:
            Layer.from_peft(folder)
        return refusal.value.code

    assert code_of(tmp_path) == "config_missing"
    layer = random_layer(tiny_llama())
    layer.to_peft(tmp_path)
    weights = tmp_path / WEIGHTS_FILE
    whole = weights.read_bytes()
    weights.write_bytes(whole[: len(whole) // 2])
    assert code_of(tmp_path) == "weights_unreadable"
    weights.write_bytes(b"\x80\x04not a tensor file")
    assert code_of(tmp_path) == "weights_unreadable"
    weights.write_bytes(whole)
    tensors = load_file(weights)
    key = next(iter(tensors))
    save_file({k: v for k, v in tensors.items() if k != key}, weights)
    assert code_of(tmp_path) == "pair_missing"
    save_file({**tensors, key: torch.full_like(tensors[key], torch.nan)}, weights)
    assert code_of(tmp_path) == "not_finite"
    save_file({**tensors, "base_model.model.lm_head.weight": torch.ones(2)}, weights)
    assert code_of(tmp_path) == "unknown_tensor"
    weights.unlink()
    assert code_of(tmp_path) == "weights_missing"
    (tmp_path / CONFIG_FILE).write_text("{")
    assert code_of(tmp_path) == "config_unreadable"


def test_a_layer_for_another_base_is_refused() -> None:
    """Unnamed adapters may be bound; named ones only to the base they name."""
    layer = random_layer(tiny_llama(), base_model="")
    assert layer.bound_to("this").base_model == "this"
    with pytest.raises(BaseModelMismatchError, match="retrain the layer or change the base"):
        layer.bound_to("this").bound_to("other")
