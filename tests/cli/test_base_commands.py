"""`continuum base` and what changes layers: done as typed, or refused in one line that helps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from genome.bases import Bases
from genome.library import Library
from seeds.bases import load_base
from tests.support.cli import Done, continuum
from tests.support.genome import random_layer, tiny_model
from tests.support.gguf import small_llama, write_gguf


@pytest.fixture
def place(tokenizer: Any, tmp_path: Path) -> Path:
    """A home that knows a second base, with two layers on it."""
    tiny_model("qwen2").save_pretrained(tmp_path / "Qwen")
    tokenizer.save_pretrained(tmp_path / "Qwen")
    home = tmp_path / "home"
    assert continuum("base", "add", tmp_path / "Qwen", "--home", home).code == 0
    for name, seed in (("one", 1), ("two", 2)):
        random_layer(tiny_model("qwen2"), "", seed=seed).to_peft(tmp_path / name)
        assert continuum("layer", "import", tmp_path / name, "--home", home).code == 0
    return home


def test_the_embedded_base_is_there_before_any_home_is(tmp_path: Path) -> None:
    """Looking makes no home; what a check found is kept in one."""
    home = tmp_path / "home"
    for command in ("list", "default", "show embedded", "fingerprint embedded"):
        assert continuum("base", *command.split(), "--home", home).code == 0
    assert not home.exists()
    assert continuum("base", "check", "embedded", "--home", home).code == 0
    assert "chat template" in continuum("base", "show", "embedded", "--home", home).out


def test_a_base_is_added_listed_chosen_and_removed(place: Path, tmp_path: Path) -> None:
    """A GGUF file's own folder goes with it; somebody's folder stays."""
    gguf = write_gguf(tmp_path / "small.gguf", small_llama())
    done = continuum("base", "add", gguf, "--name", "mini", "--home", place)
    assert done.code == 0 and "mini is " in done.out and "apache-2.0" in done.out
    assert "MB of disk" in done.err and "%|" not in done.err  # no bar of another program
    listed = continuum("base", "list", "--home", place).out
    assert "embedded " in listed and "qwen *" in listed  # all layers here run on it
    assert "smollm2-135m-instruct" in listed
    for chosen in ("embedded", "qwen"):
        assert continuum("base", "default", chosen, "--home", place).code == 0
        assert continuum("base", "default", "--home", place).out.strip() == chosen
    assert continuum("base", "remove", "mini", "--home", place).code == 0
    assert not (place / "bases" / "mini").exists() and (tmp_path / "Qwen").is_dir()
    refusal = continuum("base", "remove", "qwen", "--home", place).refusal
    assert refusal.startswith("2 layers and 0 personas run on qwen") and "--yes" in refusal
    assert continuum("base", "remove", "qwen", "--yes", "--home", place).code == 0
    assert continuum("base", "default", "--home", place).out.strip() == "embedded"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("base", "add", "nowhere"), "give one of these"),
        (("base", "add", "QWEN", "--name", "Not A Name"), "a base's name is 1 to 60 of a-z"),
        (("base", "add", "QWEN", "--dtype", "int3"), "--dtype is float32 or bfloat16, not 'int3'"),
        (("base", "show", "typo"), "'typo' is not known here (known: qwen, embedded"),
        (("base", "check", "smollm2-135m-instruct"), "is not known here"),
        (("base", "remove", "embedded"), "comes with Continuum and stays"),
        (("base", "fingerprint", "nowhere"), "base model 'nowhere' cannot be loaded"),
        (("layer", "rename", "one", "two"), "two 1.0.0 is layer "),
        (("layer", "rename", "one", "Not A Name"), "layer rejected (manifest_name)"),
        (("layer", "tag", "one", "not a tag"), "a tag must be 1-64 characters"),
        (("layer", "merge", "one:x", "two", "--name", "m"), "write it such as sorter:0.7"),
        (("layer", "merge", "one:0", "two", "--name", "m"), "write it such as sorter:0.7"),
        (("layer", "merge", "none:1", "two", "--name", "m"), "none"),
        (
            ("persona", "create", "p", "--layer", "one", "-w", "1", "-w", "2"),
            "one weight per layer",
        ),
        (("persona", "create", "p", "--layer", "one", "-w", "nan"), "give finite ones"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_changes_nothing(
    place: Path, tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    before = (Bases(place).all(), [row.digest for row in Library.open(place).find()])
    given = [str(tmp_path / "Qwen") if word == "QWEN" else word for word in words]
    assert said in continuum(*given, "--home", place).refusal
    assert before == (Bases(place).all(), [row.digest for row in Library.open(place).find()])


def test_layers_are_renamed_tagged_and_merged(place: Path) -> None:
    """The merge is the exact one, names its parents, and runs on their base."""
    assert continuum("layer", "rename", "two", "second", "--home", place).code == 0
    for words in (("tag", "second", "b", "a"), ("tag", "second", "b", "--remove")):
        assert continuum("layer", *words, "--home", place).code == 0
    done = continuum("layer", "merge", "one:0.7", "second:-0.3", "--name", "mix", "--home", place)
    assert done.code == 0 and "rank 8 keeps 100.0 %" in done.out  # four and four
    library = Library.open(place)
    assert library.manifest(library.resolve("second")).tags == ("a",)
    mixed = library.manifest(library.resolve("mix"))
    parents = {parent.digest: parent.weight for parent in mixed.parents}
    assert parents == {library.resolve("one"): 0.7, library.resolve("second"): -0.3}
    assert library.base_of(library.resolve("mix")) == Bases(place).get("qwen").fingerprint


def test_what_a_layer_is_called_does_not_move_those_who_know_its_digest(place: Path) -> None:
    assert continuum("persona", "create", "p", "--layer", "one", "--home", place).code == 0
    assert continuum("layer", "rename", "one", "other", "--home", place).code == 0
    assert "other" in continuum("persona", "show", "p", "--home", place).out


def test_the_precision_of_answers_is_chosen_for_a_base(tmp_path: Path) -> None:
    def dtype(*words: str) -> Done:
        return continuum("base", "dtype", "embedded", *words, "--home", tmp_path)

    assert dtype().out.strip() == "float32"
    chosen = dtype("int8")
    assert chosen.code == 0 and "answer in int8" in chosen.out and "16 answers" in chosen.out
    assert dtype().out.strip() == "int8"
    assert load_base(tmp_path, "embedded", to_answer=True).model.lm_head.weight.dtype == torch.int8
    assert load_base(tmp_path, "embedded").model.lm_head.weight.dtype == torch.float32
    assert "int8" in continuum("base", "show", "embedded", "--home", tmp_path).out
    refused = dtype("int4")
    assert refused.code == 1 and "float32, bfloat16, int8, not 'int4'" in refused.err
    assert dtype("float32").code == 0 and dtype().out.strip() == "float32"
    assert '"dtype"' not in (tmp_path / "bases.json").read_text()
