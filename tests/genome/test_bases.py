"""A home remembers its bases, and a layer goes to one whose modules it changes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from genome.base_model import BaseModel
from genome.bases import Base, Bases, chosen_base
from genome.errors import LayerRejected, LibraryError
from tests.support.genome import tiny_base, tiny_model

SHAPES = {"a": (2, 3), "b": (4, 4)}
FIRST = Base("first", "f1", "/models/first", SHAPES)
TWIN = Base("twin", "f2", "meta/Twin-1B", SHAPES)
OTHER = Base("other", "f3", "/models/other", {"c": (1, 1)})
ALL = (FIRST, TWIN, OTHER)


@pytest.fixture
def folder(tokenizer: Any, tmp_path: Path) -> Path:
    """A base model on disk."""
    base = tiny_base(tokenizer)
    base.model.save_pretrained(tmp_path / "Tiny Llama")
    tokenizer.save_pretrained(tmp_path / "Tiny Llama")
    return tmp_path / "Tiny Llama"


def test_a_base_is_remembered_under_a_name_and_found_by_any_of_its_names(folder: Path) -> None:
    bases, base = Bases(folder.parent), BaseModel.load(folder)
    assert bases.all() == ()
    kept = bases.remember(base)
    assert kept.name == "tiny-llama" and kept.is_current
    assert kept.shapes["model.layers.0.self_attn.q_proj"] == (32, 32)
    again = Bases(folder.parent)
    for reference in ("tiny-llama", base.fingerprint, str(folder)):
        assert again.find(reference) == kept
    assert again.find("") is None and again.find("nothing") is None
    before = bases.path.stat().st_mtime_ns
    assert bases.remember(base) == kept and bases.path.stat().st_mtime_ns == before
    assert bases.remember(base, "mine").name == "mine" and len(bases.all()) == 1


def test_a_folder_whose_weights_changed_no_longer_leads_to_the_old_base(
    folder: Path, tokenizer: Any
) -> None:
    bases = Bases(folder.parent)
    old = bases.remember(BaseModel.load(folder))
    tiny_base(tokenizer, seed=9).model.save_pretrained(folder)
    assert not old.is_current
    new = bases.remember(BaseModel.load(folder))
    assert new.fingerprint != old.fingerprint
    assert bases.all() == (new,)


def test_two_bases_of_one_folder_name_have_two_names(tokenizer: Any, tmp_path: Path) -> None:
    bases = Bases(tmp_path)
    one = BaseModel("hub/tiny", tiny_base(tokenizer).model, tokenizer, "r1")
    two = BaseModel("else/tiny", tiny_base(tokenizer).model, tokenizer, "r2")
    assert [bases.remember(one).name, bases.remember(two).name] == ["tiny", "tiny-2"]


def test_maps_that_are_no_plain_linear_are_known_too(tokenizer: Any, tmp_path: Path) -> None:
    """GPT-2's Conv1D holds (in, out); a layer's shapes are (out, in)."""
    base = BaseModel("gpt2", tiny_model("gpt2"), tokenizer)
    shapes = Bases(tmp_path).remember(base).shapes
    assert shapes["transformer.h.0.attn.c_attn"] == (96, 32)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        '{"format": 9, "bases": []}',
        '{"format": 1}',
        '{"format": 1, "bases": [{"name": 3, "shapes": {}}]}',
    ],
)
def test_a_damaged_list_is_named_with_its_remedy(tmp_path: Path, text: str) -> None:
    (tmp_path / "bases.json").write_text(text)
    with pytest.raises(LibraryError, match=r"bases\.json is no list of base models.*--base FOLDER"):
        Bases(tmp_path).all()


def test_the_list_is_json_that_people_can_read(folder: Path) -> None:
    Bases(folder.parent).remember(BaseModel.load(folder))
    (entry,) = json.loads((folder.parent / "bases.json").read_text())["bases"]
    assert entry["path"] == str(folder) and entry["shapes"]["lm_head"] == [264, 32]


@pytest.mark.parametrize(
    ("given", "chosen"),
    [
        ({}, "f1"),
        ({"trained_on": "/their/machine/twin-1b"}, "f2"),
        ({"trained_on": "meta/Twin-1B"}, "f2"),
        ({"trained_on": "meta/Other"}, "f1"),
        ({"stated": "f2"}, "f2"),
        ({"stated": "nowhere"}, "nowhere"),
        ({"wanted": "f2"}, "f2"),
        ({"wanted": "f2", "stated": "f2", "trained_on": "first"}, "f2"),
    ],
)
def test_of_several_that_fit_the_one_named_is_taken_else_the_first(
    given: dict[str, str], chosen: str
) -> None:
    assert chosen_base(ALL, {"a": (2, 3)}, **given) == chosen


def test_what_fits_none_stays_unbound() -> None:
    assert chosen_base(ALL, {"d": (1, 1)}) == ""
    assert chosen_base((), {"a": (2, 3)}) == ""
    assert chosen_base(ALL, {"a": (3, 2)}) == ""


@pytest.mark.parametrize(
    ("layer", "given", "code"),
    [
        ({"a": (2, 3)}, {"wanted": "f1", "stated": "f2"}, "base_mismatch"),
        ({"a": (2, 3)}, {"wanted": "f3"}, "module_unknown"),
        ({"a": (3, 2)}, {"wanted": "f1"}, "module_shape"),
        ({"d": (1, 1)}, {"stated": "f1"}, "module_unknown"),
    ],
)
def test_a_base_that_cannot_run_the_layer_is_refused(
    layer: Any, given: dict[str, str], code: str
) -> None:
    with pytest.raises(LayerRejected) as refusal:
        chosen_base(ALL, layer, **given)
    assert refusal.value.code == code


def test_where_nothing_can_be_written_a_base_is_known_all_the_same(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a home of somebody else's, or on a full disk: to who asked, and to nobody later."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    bases, base = Bases(folder.parent), BaseModel.load(folder)
    with monkeypatch.context() as patched:
        patched.setattr("genome.bases.write_json", full)
        with pytest.raises(OSError, match="No space"):
            bases.remember(base, "mine")
    assert bases.get("mine").fingerprint == base.fingerprint
    assert Bases(folder.parent).all() == ()
    assert bases.remember(base, "mine") and Bases(folder.parent).get("mine") == bases.get("mine")
