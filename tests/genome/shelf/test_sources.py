"""Whatever holds layers can be pointed at; what can hold none is said to be what it is."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from genome.adapter.layer_files import CONFIG_FILE, WEIGHTS_FILE
from genome.errors import LayerRejected
from genome.library import Library
from genome.shelf.manifest import suggested_name
from genome.shelf.sources import layers_at
from tests.support.genome import random_layer, tiny_llama

LAYER = random_layer(tiny_llama(), "")


@pytest.fixture
def adapters(tmp_path: Path) -> Path:
    """Folders of layers, one deep down, an archive, and what is none."""
    top = tmp_path / "adapters"
    for name in ("b", "a", "org/deep"):
        LAYER.to_peft(top / name)
    LAYER.to_peft(top / "a" / "checkpoint-5")
    shutil.make_archive(str(top / "zipped"), "zip", top / "b")
    (top / "notes.txt").write_text("hello")
    (top / ".cache").mkdir()
    LAYER.to_peft(top / ".cache" / "hidden")
    (top / "linked").symlink_to(top / "a")
    return top


def test_a_folder_of_folders_is_all_that_is_below_it(adapters: Path) -> None:
    """But no checkpoint of a layer, nothing hidden, and no link."""
    found = [str(path.relative_to(adapters)) for path in layers_at(adapters)]
    assert found == ["a", "b", "org/deep", "zipped.zip"]
    assert layers_at(adapters / "a") == [adapters / "a"]
    assert layers_at(adapters / "zipped.zip") == [adapters / "zipped.zip"]


def test_an_empty_folder_is_left_to_the_validator(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert layers_at(tmp_path / "empty") == [tmp_path / "empty"]


@pytest.mark.parametrize(
    ("name", "code", "said"),
    [
        ("notes.txt", "archive_kind", "is no PEFT folder"),
        ("alone.safetensors", "config_missing", f"put its {CONFIG_FILE} beside it"),
        ("nothing", "folder_missing", "does not exist"),
    ],
)
def test_what_can_be_no_layer_says_what_is_missing(
    tmp_path: Path, name: str, code: str, said: str
) -> None:
    if name != "nothing":
        (tmp_path / name).write_bytes(b"hello")
    with pytest.raises(LayerRejected, match=said) as refusal:
        layers_at(tmp_path / name)
    assert refusal.value.code == code


def test_a_bare_weights_file_is_imported_with_the_configuration_beside_it(tmp_path: Path) -> None:
    """Under PEFT's name it stands for its folder; under another it is copied to that name."""
    LAYER.to_peft(tmp_path / "sorter")
    library = Library.open(tmp_path / "home")
    digest = library.import_folder(tmp_path / "sorter" / WEIGHTS_FILE)
    assert (digest, library.manifest(digest).name) == (LAYER.digest, "sorter")
    library.remove(digest)
    (tmp_path / "sorter" / WEIGHTS_FILE).rename(tmp_path / "sorter" / "My Sorter.safetensors")
    digest = library.import_folder(tmp_path / "sorter" / "My Sorter.safetensors")
    assert (digest, library.manifest(digest).name) == (LAYER.digest, "my-sorter")
    assert sorted(p.name for p in (tmp_path / "sorter").iterdir()) == [
        "My Sorter.safetensors",
        CONFIG_FILE,
    ]


@pytest.mark.parametrize(
    ("path", "name"), [("x/My s.safetensors", "my-s"), (f"X/{WEIGHTS_FILE}", "x")]
)
def test_a_layer_is_called_after_its_weights_file_or_its_folder(path: str, name: str) -> None:
    assert suggested_name(Path(path)) == name
