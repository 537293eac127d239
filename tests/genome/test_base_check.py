"""What a base is like is found by trying, on every architecture."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from genome.base_check import probe
from genome.base_model import BaseModel
from tests.support.genome import ARCHITECTURES, tiny_base, tiny_model


@pytest.mark.parametrize("kind", sorted(ARCHITECTURES))
def test_ten_probes_find_every_architecture_sound(tokenizer: Any, kind: str) -> None:
    """And leave the model as it was."""
    base = BaseModel("tiny", tiny_model(kind), tokenizer)
    before = base.model.config._attn_implementation
    found = {one.about: one for one in probe(base)}
    assert len(found) == 10 and all(one.is_sound for one in found.values()), found
    assert base.model.config._attn_implementation == before
    assert "quickest" in found["speed"].text
    assert ("tied" in found["weights"].text) == bool(base.model.config.tie_word_embeddings)


def test_weights_that_are_no_numbers_are_found(tokenizer: Any) -> None:
    base = tiny_base(tokenizer)
    with torch.no_grad():
        base.model.model.norm.weight[3] = float("nan")
    first, *_ = probe(base)
    assert not first.is_sound and "1 not finite, such as model.norm.weight" in first.text


def test_layers_that_change_nothing_at_all_are_found(
    tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A probe that cannot fail would be none."""
    base = tiny_base(tokenizer)
    monkeypatch.setattr("genome.base_check.torch.zeros", torch.ones)
    found = {one.about: one.is_sound for one in probe(base)}
    assert not found["layers"]


def test_a_template_without_a_system_role_and_marks_of_thinking_are_told(tokenizer: Any) -> None:
    from transformers import AutoTokenizer

    from seeds.bases import embedded_base_path

    own = AutoTokenizer.from_pretrained(embedded_base_path())
    own.add_special_tokens({"additional_special_tokens": ["<think>", "</think>"]})
    own.chat_template = (
        "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system') }}{% endif %}"
        "{% for m in messages %}{{ m['content'] }}{% endfor %}"
    )
    model = tiny_model("llama")
    model.resize_token_embeddings(len(own))
    found = {one.about: one.text for one in probe(BaseModel("tiny", model, own))}
    assert found["system role"].startswith("none")
    assert found["thinking"] == "<think> </think>"
