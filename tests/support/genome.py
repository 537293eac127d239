"""Small models and layers for tests: two decoder blocks from a config, no network."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from genome.base_model import BaseModel
from genome.genome import Genome
from genome.layer import Factors, Layer
from genome.library import Library, Manifest
from genome.running.stack import linear_sites
from persona.persona import Persona, PersonaStore

_SIZES: Mapping[str, Any] = {
    "vocab_size": 264,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 128,
    "bos_token_id": None,
    "eos_token_id": 257,
    "pad_token_id": 256,
}
ARCHITECTURES: Mapping[str, dict[str, Any]] = {
    "llama": {"tie_word_embeddings": True},
    "qwen2": {},
    "qwen3": {"head_dim": 8},
    "gemma": {"head_dim": 8},
    "phi3": {},
    "mistral": {"sliding_window": None},
    "gpt2": {"n_positions": 128, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_inner": 64},
    "opt": {"ffn_dim": 64, "word_embed_proj_dim": 32},
}
"""Model types of Hugging Face that are tried, with what each needs besides the sizes."""


def tiny_model(model_type: str, seed: int = 0, **extra: Any) -> Any:
    """A two-block causal LM of an architecture, random weights, vocabulary of the embedded base."""
    from transformers import AutoConfig, AutoModelForCausalLM

    torch.manual_seed(seed)
    sizes = {**_SIZES, **ARCHITECTURES.get(model_type, {}), **extra}
    config = AutoConfig.for_model(model_type, **sizes)
    return AutoModelForCausalLM.from_config(config, attn_implementation="eager").eval()


def tiny_llama(seed: int = 0) -> Any:
    """A two-block Llama with random weights, vocabulary of the embedded base."""
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(seed)
    config = LlamaConfig(**_SIZES)
    config._attn_implementation = "eager"
    return LlamaForCausalLM(config).eval()


def tiny_base(tokenizer: Any, seed: int = 0) -> BaseModel:
    """A base model that knows nothing, with a real tokenizer."""
    return BaseModel("tiny", tiny_llama(seed), tokenizer)


def random_layer(
    model: Any, base_model: str = "tiny", *, rank: int = 4, scale: float = 0.1, seed: int = 0
) -> Layer:
    """A layer on every linear module but the head, large enough to change the logits."""
    generator = torch.Generator().manual_seed(seed)
    factors = {}
    for name, site in linear_sites(model).items():
        if not name.endswith("lm_head"):
            a = torch.randn(rank, site.n_in, generator=generator) * scale
            b = torch.randn(site.n_out, rank, generator=generator) * scale
            factors[name] = Factors(a, b)
    return Layer(base_model, factors)


def put_ada_and_bob(home: Path, base: BaseModel) -> list[str]:
    """Two personas that answer differently, of layers named like them; the layers' digests."""
    library, store, digests = Library.open(home), PersonaStore(home), []
    for seed, name in enumerate(("ada", "bob")):
        layer = random_layer(base.model, base.fingerprint, scale=0.1, seed=seed)
        digests.append(library.add(layer, Manifest(name, base.fingerprint)))
        store.save(Persona(name, base.fingerprint, (digests[-1],)))
    return digests


def dense_updates(genome: Genome) -> dict[str, torch.Tensor]:
    """What a genome adds to each weight, (out, in) by module: slow, and obviously right."""
    updates: dict[str, torch.Tensor] = {}
    for layer, weight in zip(genome.layers, genome.weights, strict=True):
        for module, (a, b) in layer.factors.items():
            delta = weight * (b @ a)
            updates[module] = updates[module] + delta if module in updates else delta
    return updates


def subword_tokenizer(kind: str = "bytes") -> Any:
    """A tokenizer of 400 tokens with merges, as real models have: many spellings of one text.

    Args:
        kind: "bytes" as GPT-2, SmolLM2 or Qwen cut texts, "spaces" as Llama 2 or Gemma do.
    """
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    made = Tokenizer(models.BPE(byte_fallback=kind == "spaces", unk_token=None))
    special, alphabet = ["<pad>", "<eos>", "<turn>", "</turn>"], pre_tokenizers.ByteLevel.alphabet()
    if kind == "bytes":
        made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        made.decoder = decoders.ByteLevel()
    else:
        made.normalizer = normalizers.Replace(" ", "▁")
        made.decoder = decoders.Sequence(
            [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
        )
        special += [f"<0x{byte:02X}>" for byte in range(256)]
        alphabet = []
    text = "the yellow fellows yelled: follow the low mellow cello, hello to all who go below"
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    made.train_from_iterator([text, text.title(), text.replace("e", "é")], trainer)
    fast = PreTrainedTokenizerFast(tokenizer_object=made, pad_token="<pad>", eos_token="<eos>")
    fast.chat_template = (
        "{% for message in messages %}<turn>{{ message['content'] }}</turn>\n{% endfor %}"
        "{% if add_generation_prompt %}<turn>{% endif %}"
    )
    return fast
