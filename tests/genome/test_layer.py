"""Layers go to PEFT and back without losing a bit, whatever the base and the ranks."""

from __future__ import annotations

import copy
import json
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file

from genome.adapter.card import CardFacts
from genome.compose import merge
from genome.errors import BaseModelMismatchError, LayerRejected
from genome.fit import check_modules
from genome.layer import CONFIG_FILE, WEIGHTS_FILE, Factors, Layer
from genome.library import Library, Manifest
from genome.validate import check_folder
from tests.support.genome import random_layer, tiny_llama

IDS = torch.randint(0, 256, (3, 9), generator=torch.Generator().manual_seed(1))


def tiny_gpt2() -> Any:
    """Two blocks of Conv1D modules, whose weights are (in, out)."""
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(0)
    return GPT2LMHeadModel(
        GPT2Config(
            vocab_size=264,
            n_embd=32,
            n_layer=2,
            n_head=4,
            n_positions=64,
            bos_token_id=257,
            eos_token_id=257,
        )
    ).eval()


def tiny_opt() -> Any:
    """Two blocks of linear modules with bias, under `model.decoder`."""
    from transformers import OPTConfig, OPTForCausalLM

    torch.manual_seed(0)
    return OPTForCausalLM(
        OPTConfig(
            vocab_size=264,
            hidden_size=32,
            ffn_dim=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            max_position_embeddings=64,
            word_embed_proj_dim=32,
            pad_token_id=256,
            bos_token_id=257,
            eos_token_id=257,
        )
    ).eval()


BASES = {"llama": tiny_llama, "gpt2": tiny_gpt2, "opt": tiny_opt}
TARGETS = {
    "llama": ["q_proj", "v_proj", "down_proj"],
    "gpt2": ["c_attn", "c_proj", "c_fc"],
    "opt": ["q_proj", "out_proj", "fc1", "fc2"],
}
SHORT = {"llama": "down_proj", "gpt2": "c_fc", "opt": "fc1"}
PATH = {
    "llama": "model.layers.1.self_attn.q_proj",
    "gpt2": "transformer.h.1.attn.c_attn",
    "opt": "model.decoder.layers.1.self_attn.q_proj",
}


def logits(model: Any) -> torch.Tensor:
    with torch.no_grad():
        return model(input_ids=IDS).logits  # type: ignore[no-any-return]


def logits_with(model: Any, layer: Layer) -> torch.Tensor:
    """With the dense updates added to a copy of the weights: no LoRA code at all."""
    changed = copy.deepcopy(model)
    with torch.no_grad():
        for module, (a, b) in layer.factors.items():
            linear = changed.get_submodule(module)
            update = b @ a
            linear.weight += update if isinstance(linear, torch.nn.Linear) else update.T
    return logits(changed)


def saved_by_peft(base: str, folder: Path, **settings: Any) -> tuple[Any, torch.Tensor]:
    """An adapter with random A and B, as PEFT saves it: the bare model and the right logits."""
    model = BASES[base]()
    settings = {"target_modules": TARGETS[base], "r": 4, "lora_alpha": 12} | settings
    config = LoraConfig(init_lora_weights=False, fan_in_fan_out=base == "gpt2", **settings)
    torch.manual_seed(1)
    peft = get_peft_model(copy.deepcopy(model), config).eval()
    peft.save_pretrained(str(folder))
    return model, logits(peft)


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"use_rslora": True},
        {"task_type": "CAUSAL_LM"},
        {"layers_to_transform": [1]},
        {"layers_to_transform": 0, "layers_pattern": ["layers", "h"]},
        {"target_modules": "all-linear"},
        {"target_modules": r".*\.1\..*(q_proj|c_attn)"},
        {"exclude_modules": r".*\.0\..*"},
    ],
)
def test_an_adapter_saved_by_peft_means_the_same_here(
    tmp_path: Path, base: str, settings: dict[str, Any]
) -> None:
    """Scaling alpha / r, or alpha / sqrt(r) with rslora; to 1e-5 of a dense merge."""
    model, theirs = saved_by_peft(base, tmp_path, **settings)
    ours = logits_with(model, Layer.from_peft(tmp_path))
    assert not torch.allclose(theirs, logits(model), atol=1e-2)
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("base", BASES)
def test_patterns_of_rank_and_alpha_are_read_as_peft_reads_them(tmp_path: Path, base: str) -> None:
    """By the end of a path, by whole path, by regular expression; the first that matches wins.

    PEFT sorts the patterns on saving, so those that overlap must be in sorted order from the
    start; otherwise PEFT cannot load its own file.
    """
    name, path = SHORT[base], PATH[base]
    model, theirs = saved_by_peft(
        base,
        tmp_path,
        rank_pattern=dict(sorted({name: 2, f"^{path}": 8, r".*\.0\..*": 3}.items())),
        alpha_pattern=dict(sorted({path: 5, rf"[a-z_.]+\.0\.(\w+\.)?{name}": 20, name: 1}.items())),
    )
    layer = Layer.from_peft(tmp_path)
    assert {a.shape[0] for a, _ in layer.factors.values()} >= {2, 8, 3}
    torch.testing.assert_close(logits_with(model, layer), theirs, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_becomes_exactly_the_same_float32(tmp_path: Path, dtype: Any) -> None:
    """Also where only some tensors of a file are in half precision."""
    model, _ = saved_by_peft("llama", tmp_path)
    tensors = load_file(tmp_path / WEIGHTS_FILE)
    mixed = {k: v.to(dtype) if "lora_A" in k else v for k, v in tensors.items()}
    save_file(mixed, tmp_path / WEIGHTS_FILE, metadata={"format": "pt"})
    layer = Layer.from_peft(tmp_path)
    assert {f.dtype for pair in layer.factors.values() for f in pair} == {torch.float32}
    theirs = logits(PeftModel.from_pretrained(copy.deepcopy(model), str(tmp_path)).eval())
    torch.testing.assert_close(logits_with(model, layer), theirs, atol=1e-5, rtol=1e-5)
    layer.to_peft(tmp_path / "again")
    assert Layer.from_peft(tmp_path / "again").digest == layer.digest


def uneven_layer(base: str) -> tuple[Any, Layer]:
    """Rank 1 to 6, one module type only in block 0, the other in both."""
    model = BASES[base]()
    torch.manual_seed(2)
    factors = {}
    for i, (name, module) in enumerate(model.named_modules()):
        last = name.rsplit(".", 1)[-1]
        if last not in TARGETS[base] or (last == SHORT[base] and ".1." in name):
            continue
        n_out, n_in = module.weight.shape
        if not isinstance(module, torch.nn.Linear):
            n_out, n_in = n_in, n_out
        rank = 1 + i % 6
        factors[name] = Factors(torch.randn(rank, n_in) / 4, torch.randn(n_out, rank) / 4)
    return model, Layer("tiny", factors)


@pytest.mark.parametrize("base", BASES)
def test_peft_loads_an_exported_layer_with_the_same_logits(tmp_path: Path, base: str) -> None:
    """Different ranks a module, modules in some blocks only; without a warning, to 1e-5."""
    model, layer = uneven_layer(base)
    layer.to_peft(tmp_path, fan_in_fan_out=base == "gpt2")
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        peft = PeftModel.from_pretrained(copy.deepcopy(model), str(tmp_path)).eval()
    adapted = {n.rsplit(".lora_A", 1)[0] for n, _ in peft.named_parameters() if ".lora_A." in n}
    assert adapted == {f"base_model.model.{module}" for module in layer.factors}
    theirs = logits(peft)
    assert not torch.allclose(theirs, logits(model), atol=1e-2)
    torch.testing.assert_close(logits_with(model, layer), theirs, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("base", BASES)
def test_a_round_trip_keeps_every_bit(tmp_path: Path, base: str) -> None:
    """Same digest, same tensors, same base model."""
    _, layer = uneven_layer(base)
    layer.to_peft(tmp_path)
    again = Layer.from_peft(tmp_path)
    assert again.digest == layer.digest and again.base_model == "tiny"
    for module, pair in layer.factors.items():
        for mine, other in zip(pair, again.factors[module], strict=True):
            assert torch.equal(mine, other)
    assert random_layer(tiny_llama(), seed=1).digest != random_layer(tiny_llama()).digest


def naive_logits(model: Any, folder: Path) -> torch.Tensor:
    """As a reader that knows no patterns: lora_alpha by each tensor's own rank."""
    tensors = load_file(folder / WEIGHTS_FILE)
    alpha = json.loads((folder / CONFIG_FILE).read_text())["lora_alpha"]
    changed = copy.deepcopy(model)
    with torch.no_grad():
        for name, a in tensors.items():
            if name.endswith("lora_A.weight"):
                path = name.removeprefix("base_model.model.").removesuffix(".lora_A.weight")
                b = tensors[name.replace("lora_A", "lora_B")]
                linear = changed.get_submodule(path)
                update = alpha / a.shape[0] * (b @ a)
                linear.weight += update if isinstance(linear, torch.nn.Linear) else update.T
    return logits(changed)


@pytest.mark.parametrize("base", BASES)
def test_every_reader_scales_an_exported_layer_alike(tmp_path: Path, base: str) -> None:
    """Whether it knows patterns or divides alpha by the configuration's or a tensor's own rank."""
    model, layer = uneven_layer(base)
    layer.to_peft(tmp_path, fan_in_fan_out=base == "gpt2")
    config = json.loads((tmp_path / CONFIG_FILE).read_text())
    ranks = {t.shape[0] for n, t in load_file(tmp_path / WEIGHTS_FILE).items() if "lora_A" in n}
    assert ranks == {config["r"]} == {config["lora_alpha"]} == {layer.rank}
    assert not config.get("rank_pattern") and not config.get("alpha_pattern")
    right = logits_with(model, layer)
    torch.testing.assert_close(naive_logits(model, tmp_path), right, atol=1e-5, rtol=1e-5)


def test_a_merge_of_unequal_ranks_is_read_alike_by_every_reader(tmp_path: Path) -> None:
    """Rank 4 on some modules and rank 8 on others: 1.7 times too much for a naive reader before.

    The library stores and exports it in the same form, under the digest it has in memory.
    """
    model = tiny_llama()
    small, large = random_layer(model, rank=2), random_layer(model, rank=8, seed=1)
    some = {m: f for m, f in small.factors.items() if "q_proj" in m or "v_proj" in m}
    others = {m: f for m, f in large.factors.items() if "v_proj" in m or "up_proj" in m}
    merged = merge([Layer("tiny", some), Layer("tiny", others)], [1.0, 0.5], rank=16)
    assert len({a.shape[0] for a, _ in merged.factors.values()}) > 1
    library = Library.open(tmp_path)
    digest = library.add(merged, Manifest("merged", base_model="tiny"))
    assert digest == merged.digest == library.get(digest).digest
    folder = library.export(digest, tmp_path / "out")
    right = logits_with(model, merged)
    torch.testing.assert_close(naive_logits(model, folder), right, atol=1e-5, rtol=1e-5)
    theirs = logits(PeftModel.from_pretrained(copy.deepcopy(model), str(folder)).eval())
    torch.testing.assert_close(theirs, right, atol=1e-5, rtol=1e-5)


def test_zeros_behind_the_last_rank_are_no_part_of_a_layer(tmp_path: Path) -> None:
    """Filled up or not, it has one digest; a rank whose A alone is not zero is one."""
    a, b = torch.ones(2, 3), torch.ones(4, 2)
    plain = Layer("", {"m": Factors(a, b)})
    wide_a, wide_b = torch.zeros(5, 3), torch.zeros(4, 5)
    wide_a[:2], wide_b[:, :2] = a, b
    assert Layer("", {"m": Factors(wide_a, wide_b)}).digest == plain.digest
    wide_a[4, 0] = 1.0
    assert Layer("", {"m": Factors(wide_a, wide_b)}).digest != plain.digest
    nothing = Layer("", {"m": Factors(torch.zeros(3, 3), torch.zeros(4, 3))})
    nothing.to_peft(tmp_path)
    assert Layer.from_peft(tmp_path).digest == nothing.digest
    assert Layer.from_peft(tmp_path).rank == 1


def test_a_card_is_written_and_accepted(tmp_path: Path) -> None:
    layer = random_layer(tiny_llama())
    layer.to_peft(tmp_path, base_model_path="tiny", card=CardFacts("roman", licence="apache-2.0"))
    assert 'license: "apache-2.0"' in (tmp_path / "README.md").read_text()
    (tmp_path / "manifest.json").write_text("{}")
    assert Layer.from_peft(tmp_path).digest == layer.digest


def test_metadata_is_no_part_of_the_digest(tmp_path: Path) -> None:
    layer = random_layer(tiny_llama())
    layer.to_peft(tmp_path)
    tensors = load_file(tmp_path / WEIGHTS_FILE)
    save_file(tensors, tmp_path / WEIGHTS_FILE, metadata={"format": "pt", "note": "mine"})
    assert Layer.from_peft(tmp_path).digest == layer.digest


def test_the_digest_is_of_float32_numbers_wherever_they_are_held() -> None:
    """A layer whose factors are bfloat16 in memory has the name of the same float32 layer."""
    layer = random_layer(tiny_llama())
    half = Layer(
        "x", {m: Factors(a.bfloat16(), b.bfloat16()) for m, (a, b) in layer.factors.items()}
    )
    full = Layer("y", {m: Factors(a.float(), b.float()) for m, (a, b) in half.factors.items()})
    assert half.digest == full.digest != layer.digest


def test_every_setting_of_pefts_own_configuration_is_known() -> None:
    """A later PEFT that adds a key makes this fail, so that someone decides about it."""
    from genome.adapter.adapter_config import KNOWN_KEYS

    assert set(LoraConfig().to_dict()) <= KNOWN_KEYS


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(
    "settings",
    [
        {"use_dora": True},
        {"bias": "all"},
        {"modules_to_save": ["lm_head"]},
        {"lora_bias": True},
        {"target_modules": ["embed_tokens"]},
        {"init_lora_weights": "pissa"},
    ],
)
def test_variants_as_peft_saves_them_are_refused(tmp_path: Path, settings: dict[str, Any]) -> None:
    config = LoraConfig(**({"r": 4, "target_modules": ["q_proj"]} | settings))
    get_peft_model(tiny_llama(), config).save_pretrained(str(tmp_path))
    with pytest.raises(LayerRejected) as refusal:
        Layer.from_peft(tmp_path)
    assert refusal.value.code in ("unsupported", "unsupported_tensor")


def test_an_adapter_whose_tensors_peft_would_ignore_is_refused(tmp_path: Path) -> None:
    """Else the same folder would mean one thing here and another there."""
    layer = random_layer(tiny_llama())
    layer.to_peft(tmp_path)
    config = json.loads((tmp_path / CONFIG_FILE).read_text())
    (tmp_path / CONFIG_FILE).write_text(json.dumps(config | {"target_modules": ["q_proj"]}))
    with pytest.raises(LayerRejected, match="PEFT would ignore them") as refusal:
        Layer.from_peft(tmp_path)
    assert refusal.value.code == "not_targeted"


def test_a_layer_fits_the_base_it_was_made_for(tmp_path: Path) -> None:
    model = tiny_llama()
    random_layer(model).to_peft(tmp_path)
    shapes = {
        n: (m.out_features, m.in_features)
        for n, m in model.named_modules()
        if isinstance(m, torch.nn.Linear)
    }
    with check_folder(tmp_path) as checked:
        check_modules(checked.shapes, shapes)


def test_factors_that_do_not_fit_together_are_no_layer() -> None:
    with pytest.raises(LayerRejected, match="rank_mismatch"):
        Layer("", {"m": Factors(torch.ones(2, 3), torch.ones(3, 3))})
    with pytest.raises(LayerRejected, match="no_tensors"):
        Layer("", {})


def test_a_layer_for_another_base_is_refused() -> None:
    """Unnamed adapters may be bound; named ones only to the base they name."""
    layer = random_layer(tiny_llama(), base_model="")
    assert layer.bound_to("this").base_model == "this"
    with pytest.raises(BaseModelMismatchError, match="retrain the layer or change the base"):
        layer.bound_to("this").bound_to("other")


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_what_was_accepted_is_accepted_again_after_writing(tmp_path: Path, dtype: Any) -> None:
    """At the limit of the norm, with the scaling first apart and then folded in."""
    generator = torch.Generator().manual_seed(0)
    a = torch.randn(8, 40_000, generator=generator).to(dtype)
    b = torch.randn(40, 8, generator=generator).to(dtype)
    alpha = 8 * 9999.99 / float(a.double().norm() * b.double().norm())
    (tmp_path / CONFIG_FILE).write_text(
        json.dumps({"peft_type": "LORA", "r": 8, "lora_alpha": alpha, "target_modules": ["m"]})
    )
    save_file({"m.lora_A.weight": a, "m.lora_B.weight": b}, tmp_path / WEIGHTS_FILE)
    layer = Layer.from_peft(tmp_path)
    layer.to_peft(tmp_path / "again")
    assert Layer.from_peft(tmp_path / "again").digest == layer.digest
