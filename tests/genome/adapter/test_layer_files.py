"""A layer's own files are taken out of whatever lies around them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from genome.adapter.layer_files import CONFIG_FILE, MAX_ENTRIES, WEIGHTS_FILE, list_files
from genome.errors import LayerRejected
from genome.layer import Layer
from genome.library import Library
from tests.support.hostile import write_valid

BESIDE = [
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "chat_template.jinja",
    "vocab.json",
    "merges.txt",
    "training_args.bin",
    "optimizer.pt",
    "scheduler.pt",
    "rng_state.pth",
    "rng_state_0.pth",
    "trainer_state.json",
    "all_results.json",
    ".gitattributes",
    "adapter_model.bin",
    "adapter_model.safetensors.index.json",
    "modeling.py",
    "train.sh",
    ".DS_Store",
    "._README.md",
    "latest",
    "zero_to_fp32.py",
    "additional_config.json",
    "readme.md",
]
FOLDERS = ["checkpoint-500", "runs", ".git", "global_step500", "__MACOSX", "logs"]


def trainer_folder(folder: Path) -> Path:
    """What Trainer, TRL, DeepSpeed, git and Finder leave beside an adapter; nothing of it safe."""
    write_valid(folder)
    for name in BESIDE:
        (folder / name).write_bytes(b"\x80\x04 cos\nsystem hf_" + b"a1" * 20)
    for name in FOLDERS:
        (folder / name).mkdir()
        write_valid(folder / name)
    (folder / "elsewhere").symlink_to("/etc")
    (folder / "passwd").symlink_to("/etc/passwd")
    os.mkfifo(folder / "pipe")
    with (folder / "large.bin").open("wb") as large:
        large.truncate(1 << 40)
    return folder


def test_what_a_trainer_leaves_is_named_and_never_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By any door: the layer alone, and the library's copy; whatever lies there."""
    folder = trainer_folder(tmp_path / "out")
    bare = Layer.from_peft(write_valid(tmp_path / "bare")).digest
    opened: list[str] = []
    real = os.open

    def noting(path: Any, *args: Any, **more: Any) -> int:
        opened.append(Path(path).name)
        return real(path, *args, **more)

    monkeypatch.setattr(os, "open", noting)
    said: list[str] = []
    assert Layer.from_peft(folder, say=said.append).digest == bare
    library = Library.open(tmp_path)
    assert library.import_folder(folder, say=said.append) == bare
    assert not set(opened) & {*BESIDE, *FOLDERS, "elsewhere", "passwd", "pipe", "large.bin"}
    stored = {path.name for path in library.path(bare).iterdir()}
    assert stored == {CONFIG_FILE, WEIGHTS_FILE, "manifest.json"}
    assert said[0] == said[1] and len(said) == 2
    assert said[0].startswith("left where they are, being no part of a layer: ")
    assert "more" in said[0] and said[0].isprintable() and len(said[0]) < 500


def test_few_files_are_all_named_folders_with_a_stroke(tmp_path: Path) -> None:
    folder = write_valid(tmp_path / "out")
    (folder / "optimizer.pt").touch()
    (folder / "\x1b[2J").touch()
    (folder / "LICENSE").touch()  # empty: it says nothing
    (folder / "runs").mkdir()
    (line,) = list_files(folder).notes()
    assert line.endswith("layer: \\x1b[2J, LICENSE, optimizer.pt, runs/")
    assert list_files(write_valid(tmp_path / "bare")).notes() == ()


@pytest.mark.parametrize(
    ("names", "code", "text"),
    [
        ([], "config_missing", "is empty: give the folder PEFT"),
        (["ADAPTER_CONFIG.JSON"], "config_missing", f"rename it to {CONFIG_FILE}"),
        ([CONFIG_FILE, "Adapter_Model.safetensors"], "weights_missing", "rename it to"),
        ([CONFIG_FILE, "adapter_model.bin"], "file_pickle", "then save_pretrained"),
        ([CONFIG_FILE, "adapters.safetensors"], "weights_missing", "adapter of mlx-lm"),
        ([CONFIG_FILE, "adapter_model-00001-of-00002.safetensors"], "weights_missing", "several"),
        (["config.json", "model.safetensors"], "config_missing", "is a whole model"),
        (["adapter.zip"], "archive_nested", "is an archive: give that"),
        (["checkpoint-500/"], "config_missing", "it holds checkpoint-500/: give the folder"),
    ],
)
def test_a_folder_without_an_adapter_is_said_to_be_what_it_is(
    tmp_path: Path, names: list[str], code: str, text: str
) -> None:
    for name in names:
        if name.endswith("/"):
            (tmp_path / name).mkdir()
        else:
            (tmp_path / name).write_text("{}")
    for read in (Layer.from_peft, list_files):
        with pytest.raises(LayerRejected, match=text) as refusal:
            read(tmp_path)
        assert refusal.value.code == code and "\n" not in str(refusal.value)


def test_a_link_in_place_of_a_layers_own_file_is_still_refused(tmp_path: Path) -> None:
    folder = trainer_folder(tmp_path / "out")
    (folder / "README.md").symlink_to("/etc/passwd")
    with pytest.raises(LayerRejected) as refusal:
        list_files(folder)
    assert refusal.value.code == "file_kind"


def test_a_folder_of_everything_is_not_searched_for_an_adapter(tmp_path: Path) -> None:
    for i in range(MAX_ENTRIES + 1):
        (tmp_path / f"{i}.txt").touch()
    with pytest.raises(LayerRejected, match="give the adapter's own folder") as refusal:
        list_files(tmp_path)
    assert refusal.value.code == "folder_entries"
