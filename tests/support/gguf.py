"""Small GGUF files and wheels that carry them, as their makers write them; no network."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gguf
import torch

from genome.base_model import BaseModel

SPECIAL = ("<unk>", "<s>", "</s>")
NAMES = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
}
"""A Llama block's parts in Hugging Face's words and in GGUF's."""


def vocabulary() -> list[str]:
    """Bytes as GPT-2 writes them, two merged pieces, and three special tokens."""
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    return [*SPECIAL, *bytes_to_unicode().values(), "he", "ll"]


def small_llama(seed: int = 0) -> Any:
    """A two-block Llama with that vocabulary and random weights."""
    return small_model("llama", seed)


def small_model(model_type: str, seed: int = 0) -> Any:
    """The same of another of transformers' model types."""
    from transformers import AutoConfig, AutoModelForCausalLM

    torch.manual_seed(seed)
    config = AutoConfig.for_model(
        model_type,
        vocab_size=len(vocabulary()),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
        max_position_embeddings=128,
        tie_word_embeddings=True,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=2,
    )
    return AutoModelForCausalLM.from_config(config).eval()


def small_base(model_type: str = "llama", seed: int = 0) -> BaseModel:
    """Such a model as a base that says ASCII alone and never ends, sure of each token."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    model, words = small_model(model_type, seed), vocabulary()
    with torch.no_grad():
        for name, weights in model.named_parameters():
            if name.endswith("bias"):
                weights.normal_(std=0.3)
            elif "norm" not in name:
                weights.mul_(8)
        unsaid = [i for i, word in enumerate(words) if word in SPECIAL or not word.isascii()]
        model.get_input_embeddings().weight[unsaid] = 0
    ids = {word: i for i, word in enumerate(words)}
    made = Tokenizer(models.BPE(ids, [("h", "e"), ("l", "l")]))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=made, eos_token="</s>", pad_token="</s>", bos_token="<s>"
    )
    tokenizer.chat_template = "{% for m in messages %}{{ m['content'] }}{% endfor %}"
    return BaseModel("small", model, tokenizer)


def write_gguf(
    path: Path, model: Any, architecture: str = "llama", words: Sequence[str] = ()
) -> Path:
    """The model as llama.cpp's converter writes it, float32.

    Args:
        words: Its tokens, if not `vocabulary`, with the same ends; to be asked in tokens.
    """
    config, words = model.config, words or vocabulary()
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_name("small")
    writer.add_license("apache-2.0")
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    head = model.model.layers[0].self_attn.head_dim
    writer.add_rope_dimension_count(head)
    writer.add_key_length(head)
    writer.add_value_length(head)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_vocab_size(config.vocab_size)
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(words)
    control, normal = gguf.TokenType.CONTROL, gguf.TokenType.NORMAL
    kinds = [control if i < len(SPECIAL) else normal for i in range(len(words))]
    writer.add_token_types(kinds)
    writer.add_token_merges(["h e", "l l"])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    for name, tensor in model.state_dict().items():
        if name != "lm_head.weight":
            writer.add_tensor(_named(name), _laid_out(name, tensor, architecture, config).numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _named(name: str) -> str:
    if name == "model.embed_tokens.weight":
        return "token_embd.weight"
    if name == "model.norm.weight":
        return "output_norm.weight"
    _, _, number, part = name.split(".", 3)
    module, _, kind = part.rpartition(".")
    return f"blk.{number}.{NAMES[module]}.{kind}"


def _laid_out(name: str, tensor: torch.Tensor, architecture: str, config: Any) -> torch.Tensor:
    """Llama's queries and keys are kept with the halves of each head interleaved."""
    if architecture != "llama":
        return tensor.contiguous()
    for part, heads in (
        ("q_proj", config.num_attention_heads),
        ("k_proj", config.num_key_value_heads),
    ):
        if part in name:
            out, n_in = tensor.shape
            halves = tensor.reshape(heads, 2, out // heads // 2, n_in)
            return halves.swapaxes(1, 2).reshape(out, n_in).contiguous()
    return tensor.contiguous()


def write_wheel(folder: Path, name: str, files: dict[str, bytes], version: str = "1.0") -> Path:
    """A wheel with these files below its package, which pip takes."""
    module = name.replace("-", "_")
    path, told = folder / f"{module}-{version}-py3-none-any.whl", f"{module}-{version}.dist-info"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr(f"{module}/__init__.py", "raise SystemExit('it was run')")
        for file, data in files.items():
            wheel.writestr(f"{module}/{file}", data)
        wheel.writestr(
            f"{told}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        )
        wheel.writestr(
            f"{told}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{told}/RECORD", "")
    return path
