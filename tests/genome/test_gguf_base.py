"""A GGUF file is taken for a base's only where all that can be seen says so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from genome.base_model import BaseModel
from genome.errors import BaseModelError, GgufError
from genome.gguf_base import check_gguf_base
from tests.support.genome import tiny_model
from tests.support.gguf import small_base, small_model, write_gguf


def test_the_file_of_the_base_is_taken(tmp_path: Path) -> None:
    """With the base's numbers here or not."""
    base = small_base()
    check_gguf_base(write_gguf(tmp_path / "b.gguf", base.model), base)
    base.model.to("meta")
    check_gguf_base(tmp_path / "b.gguf", base)


def test_other_models_and_damaged_files_are_refused(tokenizer: Any, tmp_path: Path) -> None:
    """Another kind, size, vocabulary or fine-tuning; a file cut short, none at all."""
    base, path = small_base(), tmp_path / "b.gguf"
    with pytest.raises(GgufError, match="there is no GGUF file"):
        check_gguf_base(path, base)
    write_gguf(path, small_model("qwen2"), "qwen2")
    with pytest.raises(GgufError, match="architecture is 'qwen2', the base's 'llama'"):
        check_gguf_base(path, base)
    write_gguf(path, base.model)
    with pytest.raises(GgufError, match=r"token_embd.weight is \(261, 32\), the base's \(264, 32"):
        check_gguf_base(path, BaseModel("other", tiny_model("llama"), tokenizer))
    with pytest.raises(GgufError, match=r"one of llama, .* 'gpt2'"):
        check_gguf_base(path, BaseModel("other", tiny_model("gpt2"), tokenizer))
    other = small_base()
    with torch.no_grad():
        other.model.model.norm.weight.mul_(1.1)
    with pytest.raises(GgufError, match=r"output_norm.weight has other numbers"):
        check_gguf_base(path, other)
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(BaseModelError, match="fetch it again"):
        check_gguf_base(path, base)
    path.write_bytes(b"no GGUF")
    with pytest.raises(BaseModelError, match="no whole GGUF file"):
        check_gguf_base(path, base)
