"""adapter_config.json of other PEFT versions and other writers, against PEFT itself."""

from __future__ import annotations

import copy
import json
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel

from genome.adapter.adapter_config import CONFIG_FILE
from genome.errors import LayerRejected
from genome.genome import Genome
from genome.layer import Layer
from genome.library import Library
from genome.population import PopulationModel
from genome.validate import check_folder
from tests.support.genome import random_layer, tiny_llama

MODEL = tiny_llama()
IDS = torch.randint(0, 256, (2, 9), generator=torch.Generator().manual_seed(1))
SEED_LAYER = random_layer(MODEL, rank=2, base_model="")
PLAIN: dict[str, Any] = {
    "base_model_name_or_path": "x/llama-7b-hf",
    "bias": "none",
    "fan_in_fan_out": False,
    "inference_mode": True,
    "lora_alpha": 4,
    "lora_dropout": 0.05,
    "modules_to_save": None,
    "peft_type": "LORA",
    "r": 2,
    "target_modules": ["q_proj", "v_proj"],
    "task_type": "CAUSAL_LM",
}
"""What PEFT 0.3 to 0.5 wrote."""
NEWEST: dict[str, Any] = {
    "alora_invocation_tokens": None,
    "alpha_pattern": {},
    "arrow_config": None,
    "auto_mapping": None,
    "corda_config": None,
    "ensure_weight_tying": False,
    "eva_config": None,
    "exclude_modules": None,
    "init_lora_weights": True,
    "kasa_config": None,
    "layer_replication": None,
    "layers_pattern": None,
    "layers_to_transform": None,
    "loftq_config": {},
    "lora_bias": False,
    "lora_ga_config": None,
    "megatron_config": None,
    "megatron_core": "megatron.core",
    "monteclora_config": None,
    "peft_version": "0.21.2",
    "qalora_group_size": 16,
    "rank_pattern": {},
    "revision": None,
    "target_parameters": None,
    "trainable_token_indices": None,
    "use_bdlora": None,
    "use_dora": False,
    "use_qalora": False,
    "use_rslora": False,
    "velora_config": None,
}
UNSLOTH = {
    "auto_mapping": {
        "base_model_class": "LlamaForCausalLM",
        "unsloth_fixed": True,
        "parent_library": "transformers.models.llama.modeling_llama",
    }
}
LOOK_AROUND = r"^(?!.*(?:visual|merger)).*(?<=self_attn\.)(?:q_proj|v_proj)$"
MANY = {rf".*\.layers\.{i}\.self_attn\.(q|v)_proj": 2 for i in range(40)}

ACCEPTED: dict[str, dict[str, Any]] = {
    "PEFT 0.5": {},
    "PEFT 0.21": NEWEST,
    "a PEFT to come": {
        **NEWEST,
        "peft_version": "0.31.0",
        "next_option": None,
        "next_flag": False,
        "next_config": {},
        "next_list": [],
        "next_text": "",
    },
    "alpaca-lora": {"enable_lora": None, "merge_weights": False},
    "alpaca-lora that merges": {"enable_lora": None, "merge_weights": True},
    "runtime_config": {"runtime_config": {"ephemeral_gpu_offload": True}},
    "transformers' own keys": {"_from_model_config": True, "transformers_version": "4.35.0"},
    "Unsloth": UNSLOTH,
    "LLaMA-Factory": {"target_modules": LOOK_AROUND},
    "TRL with EVA": {"init_lora_weights": "eva", "eva_config": {"rho": 2.0}},
    "configuration of another initialisation": {
        "corda_config": {"cache_file": None},
        "loftq_config": {"loftq_bits": 4},
    },
    "MiCA": {"init_lora_weights": "mica"},
    "flags as numbers": {"use_rslora": 1, "fan_in_fan_out": 0, "use_dora": 0},
    "40 expressions": {"rank_pattern": MANY, "alpha_pattern": dict.fromkeys(MANY, 6)},
    "look-around in a table": {"alpha_pattern": {r"(?!q).*_proj": 7, r"\w+(?<=q_proj)": 3}},
    "null targets": {"target_modules": None},
    "whole paths beside blocks": {
        "layers_to_transform": [1],
        "target_modules": [
            "model.layers.0.self_attn.q_proj",
            "model.layers.0.self_attn.v_proj",
            "q_proj",
            "v_proj",
        ],
    },
    "dotted layers_pattern": {"layers_to_transform": [0, 1], "layers_pattern": "model.layers"},
    "tying that ties nothing": {"ensure_weight_tying": True},
    **{
        f"null {key}": {key: None}
        for key in (
            "base_model_name_or_path",
            "revision",
            "task_type",
            "inference_mode",
            "fan_in_fan_out",
            "use_rslora",
            "qalora_group_size",
            "use_dora",
            "use_qalora",
            "lora_bias",
            "loftq_config",
            "ensure_weight_tying",
            "peft_version",
            "megatron_core",
            "init_lora_weights",
            "exclude_modules",
            "layers_pattern",
            "layers_to_transform",
        )
    },
    **{
        f"empty {key}": {key: value}
        for key, value in (
            ("exclude_modules", []),
            ("exclude_modules", ""),
            ("layers_to_transform", []),
            ("modules_to_save", []),
            ("target_parameters", []),
            ("layer_replication", []),
        )
    },
}


def written(folder: Path, changes: dict[str, Any]) -> Path:
    """An adapter on q_proj and v_proj of both blocks, with this in its configuration."""
    factors = {m: f for m, f in SEED_LAYER.factors.items() if m.endswith(("q_proj", "v_proj"))}
    Layer("", factors).to_peft(folder)
    (folder / CONFIG_FILE).write_text(json.dumps(PLAIN | changes))
    return folder


def of_peft(folder: Path) -> torch.Tensor:
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        return PeftModel.from_pretrained(copy.deepcopy(MODEL), str(folder)).eval()(IDS).logits  # type: ignore[no-any-return]


def of_ours(folder: Path) -> torch.Tensor:
    model = copy.deepcopy(MODEL)
    population = PopulationModel(model)
    slots = population.load([Genome.of(Layer.from_peft(folder).bound_to("tiny"))])
    with torch.no_grad(), population.rows(slots * 2):
        return model(input_ids=IDS).logits  # type: ignore[no-any-return]


@pytest.mark.parametrize("name", ACCEPTED)
def test_what_peft_accepts_means_the_same_here(tmp_path: Path, name: str) -> None:
    """To 1e-5 of PEFT's own logits, whoever wrote the file."""
    folder = written(tmp_path, ACCEPTED[name])
    theirs = of_peft(folder)
    with torch.no_grad():
        assert not torch.allclose(theirs, MODEL(IDS).logits, atol=1e-3)
    torch.testing.assert_close(of_ours(folder), theirs, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("key", ["rank_pattern", "alpha_pattern", "lora_dropout", "bias"])
def test_null_is_the_default_also_where_peft_stumbles_over_it(tmp_path: Path, key: str) -> None:
    plain = Layer.from_peft(written(tmp_path / "plain", {}))
    assert Layer.from_peft(written(tmp_path / "null", {key: None})).digest == plain.digest


REFUSED: dict[str, tuple[str, dict[str, Any]]] = {
    "DoRA": ("unsupported", {"use_dora": True}),
    "bias of LoRA": ("unsupported", {"lora_bias": True}),
    "bias": ("unsupported", {"bias": "all"}),
    "modules_to_save": ("unsupported", {"modules_to_save": ["lm_head"]}),
    "tokens": ("unsupported", {"trainable_token_indices": {"embed_tokens": [3]}}),
    "parameters": ("unsupported", {"target_parameters": ["experts.down_proj"]}),
    "QALoRA": ("unsupported", {"use_qalora": True}),
    "merged linears": ("unsupported", {"enable_lora": [True, False, True]}),
    "arrow": ("unsupported", {"arrow_config": {"top_k": 2}}),
    "BD-LoRA with its defaults": ("unsupported", {"use_bdlora": {}}),
    "OLoRA": ("unsupported", {"init_lora_weights": "olora"}),
    "LoftQ": ("unsupported", {"init_lora_weights": "loftq", "loftq_config": {"loftq_bits": 4}}),
    "a tied head": ("unsupported", {"ensure_weight_tying": True, "target_modules": ["lm_head"]}),
    "unknown and true": ("config_key", {"next_option": True}),
    "unknown and a number": ("config_key", {"next_option": 0}),
    "unknown and a table": ("config_key", {"next_option": {"a": None}}),
    "targets of another model": ("not_targeted", {"target_modules": None}),
    "back-reference": ("pattern", {"target_modules": r"(.)\1.*"}),
    "remote code": ("remote_code", {"auto_mapping": {"parent_library": "transformers_modules.x"}}),
    "mlx-lm": ("peft_type", {"peft_type": None, "fine_tune_type": "lora", "num_layers": 16}),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_changes_the_arithmetic_is_refused_by_name(tmp_path: Path, name: str) -> None:
    """The message holds the key that is in the way."""
    code, changes = REFUSED[name]
    folder = written(tmp_path, changes)
    if name in ("a tied head", "targets of another model"):
        target = "lm_head" if name == "a tied head" else "model.layers.0.self_attn.w_proj"
        Layer("", {target: SEED_LAYER.factors["model.layers.0.self_attn.q_proj"]}).to_peft(folder)
        (folder / CONFIG_FILE).write_text(json.dumps(PLAIN | changes))
    with pytest.raises(LayerRejected) as refusal:
        Layer.from_peft(folder)
    assert refusal.value.code == code
    assert any(key in refusal.value.detail for key in changes) or code == "pattern"


def test_all_unknown_keys_that_are_on_are_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(LayerRejected, match="'one' = 1, 'two' = True, which PEFT"):
        Layer.from_peft(written(tmp_path, {"one": 1, "two": True, "three": None}))


def test_unknown_keys_that_are_off_are_said_and_kept(tmp_path: Path) -> None:
    """The library's copy has them, byte for byte."""
    folder = written(tmp_path / "folder", {"next_option": None, "next\x1b[2J": []})
    said: list[str] = []
    library = Library.open(tmp_path)
    digest = library.import_folder(folder, say=said.append)
    assert said == [
        f"{CONFIG_FILE} has settings that PEFT 0.21 does not know, all switched off and kept: "
        "next_option, next\\x1b[2J"
    ]
    stored = library.path(digest) / CONFIG_FILE
    assert stored.read_bytes() == (folder / CONFIG_FILE).read_bytes()


def test_expressions_are_matched_against_the_files_own_names(tmp_path: Path) -> None:
    """A look-around that leaves out what the file holds is noticed, as by PEFT."""
    folder = written(tmp_path, {"target_modules": r"(?!.*\.0\.).*_proj"})
    with pytest.raises(LayerRejected) as refusal:
        check_folder(folder)
    assert refusal.value.code == "not_targeted"
