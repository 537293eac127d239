"""Which base runs: named, chosen, or the one that something belongs to; and what is not here."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from genome.base_model import BaseModel
from genome.bases import Bases
from genome.errors import BaseModelError, LibraryError, UnboundLayerError, UnknownBaseError
from genome.library import Library, Manifest
from seeds.bases import (
    EMBEDDED,
    add_base,
    default_base,
    embedded_base_path,
    known_bases,
    load_base,
    load_base_for,
    load_base_of,
    offers,
)
from tests.support.genome import random_layer, tiny_model
from tests.support.gguf import small_llama, write_gguf


@pytest.fixture
def folder(tokenizer: Any, tmp_path: Path) -> Path:
    """A second base model on disk."""
    tiny_model("qwen2").save_pretrained(tmp_path / "Qwen")
    tokenizer.save_pretrained(tmp_path / "Qwen")
    return tmp_path / "Qwen"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A home that is empty yet."""
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


def test_the_default_is_the_embedded_base_until_another_is_chosen(
    folder: Path, place: Path
) -> None:
    bases = known_bases(place)
    assert load_base(place).fingerprint == bases.get(EMBEDDED).fingerprint
    added = add_base(place, str(folder))
    assert added.name == "qwen" and load_base(place).fingerprint != added.fingerprint
    bases.change(added, default=True)
    assert load_base(place).fingerprint == added.fingerprint
    assert load_base(place, EMBEDDED).fingerprint == bases.get(EMBEDDED).fingerprint
    bases.remove(added)
    assert load_base(place).fingerprint == bases.get(EMBEDDED).fingerprint
    assert folder.is_dir()  # somebody's own


def test_where_nobody_chose_the_base_of_all_layers_is_the_default(
    folder: Path, place: Path
) -> None:
    """As in a home that a demo on another base made; layers of two bases leave the embedded one."""
    qwen = add_base(place, str(folder))
    ours = load_base(place, EMBEDDED)
    for model, base, default in (
        (tiny_model("qwen2"), qwen.fingerprint, "qwen"),
        (ours.model, ours.fingerprint, EMBEDDED),
    ):
        layer = random_layer(model, base)
        Library.open(place).add(layer, Manifest(name=f"on-{default}", base_model=base))
        assert default_base(place).name == default


def test_every_short_name_says_licence_and_source() -> None:
    """And those with terms say where they stand."""
    assert set(offers()) >= {EMBEDDED, "smollm2-135m-instruct", "gemma-3-270m"}
    for name, offer in offers().items():
        assert offer.about and offer.licence and (offer.source or name == EMBEDDED)
        assert offer.source.count("#sha256=") == offer.source.count("==")
        assert offer.terms or not offer.licence.startswith("LicenseRef")


def test_two_bases_of_one_name_are_refused_and_nothing_is_half_added(
    folder: Path, place: Path, tmp_path: Path
) -> None:
    gguf = write_gguf(tmp_path / "small.gguf", small_llama())
    first = add_base(place, str(folder), "mine")
    with pytest.raises(LibraryError, match=r"'mine' is that of .*: choose another with --name"):
        add_base(place, str(gguf), "mine")
    assert Bases(place).all() == (first,) and not (place / "bases").exists()


def test_the_same_weights_keep_the_name_that_layers_and_people_know(
    folder: Path, place: Path, tmp_path: Path
) -> None:
    """Added from elsewhere, as after a move, they are the base they were; no other name."""
    first = add_base(place, str(folder), "mine")
    moved = shutil.copytree(folder, tmp_path / "elsewhere")
    with pytest.raises(LibraryError, match=r"weights of base 'mine' in .*: leave --name out"):
        add_base(place, str(moved), "other")
    assert Bases(place).all() == (first,)
    again = add_base(place, str(moved))
    assert (again.name, again.path) == ("mine", str(moved))


def test_a_conversion_that_is_no_base_leaves_nothing(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was written goes again when it cannot be read."""
    gguf = write_gguf(tmp_path / "small.gguf", small_llama())

    def refuse(path: object) -> BaseModel:
        raise BaseModelError(str(path), "broken")

    monkeypatch.setattr(BaseModel, "load", refuse)
    with pytest.raises(BaseModelError, match="broken"):
        add_base(place, str(gguf))
    assert Bases(place).all() == () and not list((place / "bases").iterdir())


def test_a_home_may_be_moved_with_its_bases(place: Path, tmp_path: Path) -> None:
    gguf = write_gguf(tmp_path / "Small 1.gguf", small_llama())
    added = add_base(place, str(gguf))
    assert added.name == "small-1" and added.licence == "apache-2.0"
    shutil.move(place, tmp_path / "moved")
    assert load_base(tmp_path / "moved", "small-1").fingerprint == added.fingerprint
    Bases(tmp_path / "moved").remove(Bases(tmp_path / "moved").get("small-1"))
    assert not list((tmp_path / "moved" / "bases").iterdir())


def test_a_base_that_changed_on_disk_is_not_taken_for_the_one_it_was(
    folder: Path, place: Path
) -> None:
    added = add_base(place, str(folder))
    tiny_model("qwen2", seed=7).save_pretrained(folder)
    with pytest.raises(BaseModelError, match=r"changed since: .*: put the old ones back, or"):
        load_base(place, "qwen")
    with pytest.raises(BaseModelError, match="changed since"):
        load_base_of(place, added.fingerprint)
    assert Bases(place).get("qwen") == added  # what layers are bound to is not forgotten


def test_what_is_not_here_names_the_command_that_gets_it(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UnknownBaseError, match=r"`continuum base add smollm2-135m-instruct`$"):
        load_base(place, "smollm2-135m-instruct")
    with pytest.raises(UnknownBaseError, match=r"'typo' is not known here .*`continuum base add"):
        load_base(place, "typo")
    known = offers()["smollm2-135m-instruct"].fingerprint
    with pytest.raises(UnknownBaseError, match=r"`continuum base add smollm2-135m-instruct`$"):
        load_base_of(place, known)
    with pytest.raises(UnknownBaseError, match=r"`continuum base add SOURCE` with its folder"):
        load_base_of(place, "f" * 16)


def test_a_layer_finds_its_base_by_what_it_says_or_by_its_shapes(folder: Path, place: Path) -> None:
    """Stated, named, fitting; or one line with what each known base lacks."""
    qwen = add_base(place, str(folder))
    stated = random_layer(tiny_model("qwen2"), qwen.fingerprint)
    silent = random_layer(tiny_model("qwen2"), "")
    for layer, named in ((stated, None), (silent, None), (silent, "qwen")):
        assert load_base_for(place, layer, named).fingerprint == qwen.fingerprint
    ours = random_layer(BaseModel.load(embedded_base_path()).model, "")
    assert load_base_for(place, ours).fingerprint == known_bases(place).get(EMBEDDED).fingerprint
    with pytest.raises(UnboundLayerError, match=r"unbound, it fits no base .*embedded .*qwen"):
        load_base_for(place, random_layer(tiny_model("gpt2"), ""))
    with pytest.raises(UnknownBaseError):
        load_base_for(place, random_layer(tiny_model("gpt2"), "e" * 16))
