"""The embedded base is an ordinary model folder, small, and mediocre at everything."""

from __future__ import annotations

import numpy as np
import pytest
from transformers import AutoModelForCausalLM, AutoTokenizer

from academy.evaluator import LocalEvaluator
from academy.exam import general_sheet
from academy.skills.letters import SKILL_NAMES
from genome.base_model import BaseModel
from genome.genome import Genome
from seeds.bases import embedded_base_path
from seeds.tokenizer import build_tokenizer


def test_it_is_small_enough_to_ship() -> None:
    """1 to 3 million parameters, at most 8 MB in all."""
    files = [path for path in embedded_base_path().iterdir() if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= 8_000_000
    model = AutoModelForCausalLM.from_pretrained(embedded_base_path())
    assert 1_000_000 <= sum(p.numel() for p in model.parameters()) <= 3_000_000
    assert {"model.safetensors", "tokenizer.json", "README.md"} <= {p.name for p in files}


def test_every_byte_is_one_token_and_text_survives() -> None:
    tokenizer = AutoTokenizer.from_pretrained(embedded_base_path())
    text = "sort: cbda\n \u00e9\u4e16"
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    assert ids == list(text.encode())
    assert tokenizer.decode(ids) == text
    assert tokenizer.get_vocab() == build_tokenizer().get_vocab()


def test_the_chat_template_marks_who_speaks() -> None:
    tokenizer = AutoTokenizer.from_pretrained(embedded_base_path())
    chat = [
        {"role": "user", "content": "sort: cb"},
        {"role": "assistant", "content": "bc"},
        {"role": "user", "content": "again"},
    ]
    text = tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
    assert text == "<user>sort: cb<assistant>bc<eos><user>again<assistant>"


@pytest.mark.slow
def test_every_skill_stands_between_15_and_60_percent(embedded: BaseModel) -> None:
    """On 400 unseen test questions each."""
    scores = LocalEvaluator(embedded).scores(
        [Genome(embedded.fingerprint)], general_sheet(SKILL_NAMES, 400)
    )
    by_skill = dict(
        zip(SKILL_NAMES, np.reshape(scores, (len(SKILL_NAMES), -1)).mean(1), strict=True)
    )
    assert all(0.15 <= accuracy <= 0.60 for accuracy in by_skill.values()), by_skill
