"""Keys are found, words are not taken for keys."""

from __future__ import annotations

import random
import string

import pytest

from genome.adapter.layer_files import check_secrets
from genome.errors import LayerRejected

WORDS = [
    "/data/multi-task-instruction-tuning-llama-3-8b-2024",
    "/mnt/disk-ssd-01-models-llama-3-8b-instruct-hf-2024/base",
    "acme/credit-risk-classification-qwen2-5-7b-lora-sft-v2",
    "helsinki/opus-mt-cs-sk-translation-of-general-domain-news-and-laws-v2",
    "sk-instruction-tuned-on-slovak-legal-documents-2024-q4_k_m",
    "desk-, risk-, mask-and-replace-tokens-in-any-order-you-like-0123456789",
    "export HF_TOKEN=hf_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    "OPENAI_API_KEY=sk-................................................",
    "sk-your-api-key-goes-here-and-nowhere-else-please",
    "hf_transfer_is_faster_than_the_default_download_method",
    "shf_" + "a1" * 20,
    "XAKIAIOSFODNN7EXAMPLEX",
]


@pytest.mark.parametrize("text", WORDS)
def test_words_paths_and_placeholders_are_no_keys(text: str) -> None:
    check_secrets("README.md", f"Trained on {text}.\n")


def some(alphabet: str, n: int) -> str:
    return "".join(random.Random(n).choices(alphabet, k=n))


ALNUM = string.ascii_letters + string.digits
KEYS = [
    "sk-" + "Ab3" * 16,
    "sk-" + some(ALNUM, 48),
    "sk-" + some("0123456789abcdef", 32),
    "sk-proj-" + some(ALNUM + "-_", 120),
    "sk-ant-api03-" + some(ALNUM + "-_", 90),
    "sk-or-v1-" + some("0123456789abcdef", 64),
    "hf_" + some(string.ascii_letters, 34),
    "ghp_" + some(ALNUM, 36),
    "github_pat_" + some(ALNUM, 22) + "_" + some(ALNUM, 59),
    "AKIAIOSFODNN7EXAMPLE",
    "AIza" + some(ALNUM, 35),
    "xoxb-123456789012-1234567890123-" + some(ALNUM, 24),
    "-----BEGIN RSA PRIVATE KEY-----",
]


@pytest.mark.parametrize("around", ["{}", "KEY={}\n", '"{}"', "https://user:{}@host/", "my_{}"])
@pytest.mark.parametrize("key", KEYS)
def test_keys_are_refused_shortened_with_their_file(key: str, around: str) -> None:
    """The first letters tell which key it is; the rest is not repeated."""
    with pytest.raises(LayerRejected) as refusal:
        check_secrets("README.md", around.format(key))
    assert refusal.value.code == "secret"
    assert "'README.md'" in refusal.value.detail and key[:7] in refusal.value.detail
    assert key[:12] not in refusal.value.detail


def test_long_texts_are_read_in_linear_time() -> None:
    """A megabyte of what nearly is a key."""
    check_secrets("README.md", "sk-" * 300_000)
    check_secrets("README.md", "a" * 1_000_000)
