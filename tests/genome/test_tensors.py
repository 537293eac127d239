"""The same tensors and metadata give the same bytes, whichever process writes them."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import safe_open

from genome.tensors import save_tensors


def test_metadata_stands_in_order_and_is_read_back(tmp_path: Path) -> None:
    """Eight keys lie in order by chance once in 40320 files; ten files never do."""
    metadata = {f"k{i}": f'"é\n\\{i}' for i in (3, 1, 7, 2, 0, 6, 5, 4)}
    tensors = {"b": torch.arange(6.0).reshape(2, 3), "a": torch.ones(3, dtype=torch.bfloat16)}
    paths = [tmp_path / f"{i}.safetensors" for i in range(10)]
    for path in paths:
        save_tensors(tensors, path, metadata)
    assert len({path.read_bytes() for path in paths}) == 1
    with safe_open(paths[0], "pt") as file:
        assert file.metadata() == metadata
        assert torch.equal(file.get_tensor("b"), tensors["b"])
        assert torch.equal(file.get_tensor("a"), tensors["a"])


def test_without_metadata_the_bytes_are_the_library_s_own(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    tensors = {"a": torch.ones(3)}
    save_tensors(tensors, tmp_path / "ours")
    save_file(tensors, tmp_path / "theirs")
    assert (tmp_path / "ours").read_bytes() == (tmp_path / "theirs").read_bytes()
