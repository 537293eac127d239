"""What other programs get of a persona is one model that says what the persona says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from genome.base_model import BaseModel
from genome.genome import Genome
from genome.layer import Factors, Layer
from genome.population import PopulationModel
from persona.errors import ExportError
from persona.modelfile import export_adapter, export_modelfile
from persona.persona import Persona
from tests.support.genome import random_layer, tiny_model

CHATML = (
    "{% if messages[0]['role'] != 'system' %}<|im_start|>system\nBe kind.<|im_end|>\n{% endif %}"
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_the_weights_say_what_the_layers_said(tokenizer: Any, tmp_path: Path, kind: str) -> None:
    """Also of maps that are stored the other way round (GPT-2)."""
    base = BaseModel(kind, tiny_model(kind), tokenizer)
    layers = [random_layer(base.model, base.fingerprint, scale=0.3, seed=s) for s in (1, 2)]
    genome = Genome(base.fingerprint, tuple(layers), (0.5, -1.5))
    ids = torch.arange(3, 13)[None]
    population = PopulationModel(base.model)
    with torch.no_grad(), population.rows(population.load([genome])):
        wanted = base.model(input_ids=ids).logits
    export_modelfile(tmp_path / "out", Persona("ada", base.fingerprint), genome, base, "b", "MIT")
    found = BaseModel.load(tmp_path / "out/model")
    assert torch.allclose(found.model(input_ids=ids).logits, wanted, atol=1e-4)
    text = (tmp_path / "out/Modelfile").read_text()
    assert "FROM ./model" in text and 'LICENSE """MIT"""' in text and "no TEMPLATE" in text
    with pytest.raises(ExportError, match="is there already"):
        export_modelfile(tmp_path / "out", Persona("a", base.fingerprint), genome, base, "b", "")


def test_a_chatml_base_has_its_template_and_its_own_words(
    embedded: BaseModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded.tokenizer, "chat_template", CHATML)
    genome = Genome(embedded.fingerprint)
    export_modelfile(tmp_path / "o", Persona("a", genome.base_model), genome, embedded, "b", "")
    text = (tmp_path / "o/Modelfile").read_text()
    assert 'TEMPLATE """{{ range .Messages }}<|im_start|>' in text
    assert 'SYSTEM """Be kind."""' in text and "LICENSE" not in text


def test_a_head_that_shares_its_weights_is_refused(tokenizer: Any, tmp_path: Path) -> None:
    base = BaseModel("tied", tiny_model("llama", tie_word_embeddings=True), tokenizer)
    n_out, n_in = base.model.lm_head.weight.shape
    head = Layer(base.fingerprint, {"lm_head": Factors(torch.ones(1, n_in), torch.ones(n_out, 1))})
    with pytest.raises(ExportError, match="embeddings"):
        export_modelfile(
            tmp_path / "o", Persona("a", base.fingerprint), Genome.of(head), base, "b", ""
        )
    assert not (tmp_path / "o").exists()


def test_an_adapter_is_of_layers_and_overwrites_nothing(tokenizer: Any, tmp_path: Path) -> None:
    base = BaseModel("llama", tiny_model("llama"), tokenizer)
    genome = Genome.of(random_layer(base.model, base.fingerprint))
    export_adapter(tmp_path / "a.gguf", genome, base)
    assert (tmp_path / "a.gguf").read_bytes()[:4] == b"GGUF"
    with pytest.raises(ExportError, match="is there already"):
        export_adapter(tmp_path / "a.gguf", genome, base)
    with pytest.raises(ExportError, match="the persona has none"):
        export_adapter(tmp_path / "b.gguf", Genome(base.fingerprint), base)
