"""Adapters that only PEFT runs change a base of their own, and leave the other alone."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import peft
import pytest
import torch
from safetensors.torch import load_file, save_file

from genome.base_model import BaseModel
from genome.errors import LayerRejected
from genome.genome import Genome
from genome.single import check_single, with_single
from persona.engine import Engine
from tests.support.genome import random_layer
from tests.support.single import QUERY, save_single

pytestmark = [
    pytest.mark.filterwarnings("ignore:Model has `tie_word_embeddings=True`"),
    pytest.mark.filterwarnings("ignore:Unsupported layer type"),
]
KINDS: dict[str, Callable[[], Any]] = {
    "dora": lambda: peft.LoraConfig(r=4, use_dora=True, **QUERY),
    "dora, every linear": lambda: peft.LoraConfig(
        r=4, use_dora=True, target_modules="all-linear", task_type="CAUSAL_LM"
    ),
    "dora, by expression": lambda: peft.LoraConfig(
        r=4, use_dora=True, target_modules=r".*\.(q|v)_proj", task_type="CAUSAL_LM"
    ),
    "bias": lambda: peft.LoraConfig(r=4, bias="all", **QUERY),
    "saved head": lambda: peft.LoraConfig(r=4, modules_to_save=["lm_head"], **QUERY),
    "tokens": lambda: peft.LoraConfig(r=4, trainable_token_indices=[1, 2], **QUERY),
    "ia3": lambda: peft.IA3Config(
        target_modules=["k_proj", "down_proj"], feedforward_modules=["down_proj"]
    ),
    "loha": lambda: peft.LoHaConfig(r=4, **QUERY),
    "lokr": lambda: peft.LoKrConfig(r=4, **QUERY),
    "vera": lambda: peft.VeraConfig(r=4, **QUERY),
    "oft": lambda: peft.OFTConfig(oft_block_size=4, **QUERY),
    "norms": lambda: peft.LNTuningConfig(target_modules=["input_layernorm"]),
    "adalora": lambda: peft.AdaLoraConfig(init_r=4, total_step=10, **QUERY),
}
QUESTION = "sort: cbda"


def logits(base: BaseModel, model: Any) -> torch.Tensor:
    with torch.no_grad():
        found: torch.Tensor = model(input_ids=torch.tensor(base.prompt_ids([QUESTION]))).logits
    return found


@pytest.fixture
def dora(embedded: BaseModel, tmp_path: Path) -> Path:
    save_single(embedded, tmp_path / "dora")
    return tmp_path / "dora"


@pytest.mark.parametrize("kind", KINDS)
def test_answers_as_peft_alone(embedded: BaseModel, tmp_path: Path, kind: str) -> None:
    before = {name: value.clone() for name, value in embedded.model.state_dict().items()}
    plain = logits(embedded, embedded.model)
    wanted = logits(embedded, save_single(embedded, tmp_path / "adapter", KINDS[kind]()))
    changed = with_single(embedded, tmp_path / "adapter")
    assert torch.equal(logits(changed, changed.model), wanted)
    assert not torch.allclose(wanted, plain)
    assert torch.equal(logits(embedded, embedded.model), plain)
    assert all(torch.equal(v, before[n]) for n, v in embedded.model.state_dict().items())
    assert changed.fingerprint == embedded.fingerprint


def test_shares_the_base_s_weights(embedded: BaseModel, dora: Path) -> None:
    own = {p.data_ptr() for p in embedded.model.parameters()}
    changed = with_single(embedded, dora).model
    new = sum(p.numel() for p in changed.parameters() if p.data_ptr() not in own)
    assert new < 0.1 * sum(p.numel() for p in embedded.model.parameters())


def test_many_are_answered_at_once_as_alone(embedded: BaseModel, dora: Path) -> None:
    changed = with_single(embedded, dora)
    model = peft.PeftModel.from_pretrained(copy.deepcopy(embedded.model), dora).eval()
    questions = ["sort: cbda", "reverse: abc", "sort: bca", "max: 3 9 2"]
    wanted = []
    for question in questions:
        ids = torch.tensor(embedded.prompt_ids([question]))
        said = model.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=12,
            do_sample=False,
            pad_token_id=embedded.tokenizer.pad_token_id,
        )
        wanted.append(embedded.tokenizer.decode(said[0, ids.shape[1] :], skip_special_tokens=True))
    engine = Engine(changed)
    try:
        genome = Genome(embedded.fingerprint)
        asked = [engine.stream(genome, [{"role": "user", "content": q}]) for q in questions]
        said = [
            "".join(what.text for what in answer)[: len(w)]
            for answer, w in zip(asked, wanted, strict=True)
        ]
    finally:
        engine.close()
    assert said == wanted


def edited(folder: Path, **changes: Any) -> None:
    path = folder / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_a_plain_layer_may_be_run_so_too(embedded: BaseModel, tmp_path: Path) -> None:
    random_layer(embedded.model).to_peft(tmp_path / "layer")
    assert check_single(tmp_path / "layer") == ("adapter_config.json", "adapter_model.safetensors")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"peft_type": "PROMPT_TUNING", "num_virtual_tokens": 4}, "peft_type"),
        ({"peft_type": "PREFIX_TUNING", "num_virtual_tokens": 4}, "peft_type"),
        ({"peft_type": "XLORA"}, "peft_type"),
        ({"peft_type": ["LORA"]}, "peft_type"),
        ({"auto_mapping": {"parent_library": "os"}}, "remote_code"),
        ({"init_lora_weights": "pissa"}, "unsupported"),
        ({"rank_pattern": {"(a|a)*b": 4}}, "pattern"),
        ({"exclude_modules": "(a+)+b"}, "pattern"),
        ({"target_modules": "(a+)+\\1"}, "pattern"),
        ({"target_modules": ["nothing_proj"]}, "module_unknown"),
        ({"target_modules": ["q_proj", "v_proj"]}, "pair_missing"),
        ({"r": 8}, "module_shape"),
        ({"r": 10**12}, "module_shape"),
        ({"use_dora": False}, "module_unknown"),
        ({"target_modules": ["k_proj"]}, "pair_missing"),
    ],
)
def test_bad_configurations(
    embedded: BaseModel, dora: Path, changes: dict[str, Any], code: str
) -> None:
    edited(dora, **changes)
    with pytest.raises(LayerRejected) as refused:
        with_single(embedded, dora)
    assert refused.value.code == code
    assert "\n" not in str(refused.value)


def test_bad_values_and_files(embedded: BaseModel, dora: Path, tmp_path: Path) -> None:
    weights = dora / "adapter_model.safetensors"
    tensors = load_file(weights)
    name = next(iter(tensors))

    def refusal() -> str:
        with pytest.raises(LayerRejected) as refused:
            with_single(embedded, dora)
        return refused.value.code

    save_file({**tensors, name: tensors[name] * float("nan")}, weights)
    assert refusal() == "not_finite"
    save_file(tensors, weights, metadata={"continuum_base_fingerprint": "0" * 16})
    assert refusal() == "base_mismatch"
    save_file({**tensors, "base_model.model.extra.weight": torch.ones(3, 5)}, weights)
    assert refusal() == "module_unknown"
    weights.write_bytes(b"\x80\x04K\x01.")
    assert refusal() in ("not_safetensors", "header_short")
    shutil.copy(__file__, dora / "README.md")
    weights.unlink()
    assert refusal() == "weights_missing"
