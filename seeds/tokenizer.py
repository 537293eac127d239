"""The embedded base's tokenizer: one token per byte, four special tokens, a chat template."""

from __future__ import annotations

from typing import Any

from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

PAD, EOS, USER, ASSISTANT, SYSTEM = "<pad>", "<eos>", "<user>", "<assistant>", "<system>"
SPECIAL_TOKENS = (PAD, EOS, USER, ASSISTANT, SYSTEM)
VOCABULARY_SIZE = 264
"""256 bytes + special tokens, rounded up to a multiple of 8."""

CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<' + message['role'] + '>' + message['content'] }}"
    "{% if message['role'] == 'assistant' %}{{ '<eos>' }}{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<assistant>' }}{% endif %}"
)


def _byte_characters() -> list[str]:
    """The printable stand-in of each byte 0..255, as GPT-2's byte-level pre-tokenizer writes it."""
    kept = [*range(33, 127), *range(161, 173), *range(174, 256)]
    moved = [byte for byte in range(256) if byte not in kept]
    character = {byte: chr(byte) for byte in kept}
    character |= {byte: chr(256 + i) for i, byte in enumerate(moved)}
    return [character[byte] for byte in range(256)]


def build_tokenizer() -> Any:
    """A fast tokenizer whose id of every byte is the byte itself."""
    vocabulary = {character: byte for byte, character in enumerate(_byte_characters())}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(list(SPECIAL_TOKENS))
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        eos_token=EOS,
        padding_side="left",
        additional_special_tokens=[USER, ASSISTANT, SYSTEM],
        model_max_length=128,
        clean_up_tokenization_spaces=False,
    )
    fast.chat_template = CHAT_TEMPLATE
    return fast
