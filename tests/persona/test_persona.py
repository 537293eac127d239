"""Personas are small files that are found by name, or nearly."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from pathlib import Path

import pytest

from persona.errors import (
    PersonaExistsError,
    PersonaFieldError,
    PersonaFileError,
    PersonaNameError,
    PersonaNotFoundError,
)
from persona.persona import Persona, PersonaStore, numbered


def test_a_persona_is_what_was_saved(tmp_path: Path) -> None:
    store = PersonaStore(tmp_path)
    persona = Persona("sorter-1", "tiny", ("ab" * 32,), "puts things in order")
    store.create(persona)
    assert PersonaStore(tmp_path).load("sorter-1") == persona
    with pytest.raises(PersonaExistsError, match="choose another name"):
        store.create(persona)


def test_a_wrong_name_suggests_the_nearest(tmp_path: Path) -> None:
    store = PersonaStore(tmp_path)
    store.save(Persona("sorter-1", "tiny"))
    with pytest.raises(PersonaNotFoundError, match="did you mean sorter-1"):
        store.load("sorter1")


@pytest.mark.parametrize("name", ["", "../up", "Upper", "a b", "x" * 65, ".hidden"])
def test_names_that_are_no_file_names_are_refused(name: str) -> None:
    with pytest.raises(PersonaNameError):
        Persona(name, "tiny")


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"name": 3}', "[" * 100_000])
def test_a_damaged_file_of_before_is_named(tmp_path: Path, text: str) -> None:
    store = PersonaStore(tmp_path)
    store.folder.mkdir()
    (store.folder / "sorter-1.json").write_text(text)
    with pytest.raises(PersonaFileError, match=r"sorter-1\.json"):
        store.load("sorter-1")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("= 3", "Invalid"),
        ('sytem = "x"', "sytem is no field of a persona: did you mean system"),
        ('colour = "x"', "colour is no field of a persona: put it under .extra."),
        ("description = 3", "description is not str"),
        ("priority = true", "priority is not int"),
        ("priority = 256", "priority is 0 to 255, not 256"),
        ("sampling = 3", "sampling is not Mapping"),
        ("layers = 3", "not iterable"),
        ("layers = [3]", "cannot be read"),
        ("[[layers]]\nname = 'a'", "a layer has a digest"),
        ("[[layers]]\ndigest = 3", "a layer has a digest"),
        ("[[layers]]\ndigest = 'a'\nkind = 'mood'", "kind is one of domain, project, "),
        ("[[layers]]\ndigest = 'a'\nweight = 'b'", "cannot be read"),
        ("[[layers]]\ndigest = 'a'\nweight = nan", "give finite ones"),
        ("a = " + "[" * 100_000, "cannot be read"),
    ],
)
def test_what_is_wrong_in_an_edited_file_is_told(tmp_path: Path, text: str, said: str) -> None:
    store = PersonaStore(tmp_path)
    store.folder.mkdir()
    (store.folder / "sorter-1.toml").write_text(text)
    with pytest.raises(PersonaFileError, match=said) as told:
        store.load("sorter-1")
    assert "sorter-1.toml" in str(told.value)
    assert "\n" not in str(told.value)


def test_a_file_has_all_that_a_persona_is_and_nothing_that_goes_without_saying() -> None:
    plain = Persona("ada", "tiny")
    assert plain.text() == 'base = "tiny"\n'
    whole = Persona(
        "ada",
        "tiny",
        ("a", "b"),
        "told",
        (0.5, 1.0),
        "listing",
        "cloud",
        kinds=("domain", "recent"),
        system="Be\nbrief.",
        retrieves=True,
        priority=7,
        sampling={"temperature": 0.5, "stop": ["x"]},
        extra={"card": {"deep": [1, "é"]}},
    )
    assert Persona.parse("ada", whole.text()) == whole
    assert whole.sampled(max_tokens=3).model_dump(exclude_defaults=True) == {
        "temperature": 0.5,
        "stop": ("x",),
        "max_tokens": 3,
    }
    assert hash(whole) != hash(plain)


def test_layers_stand_in_the_order_of_their_kinds() -> None:
    with pytest.raises(PersonaFieldError, match="order domain, project, personality, recent, not"):
        Persona("ada", "tiny", ("a", "b"), kinds=("recent", "domain"))
    with pytest.raises(PersonaFieldError, match="one for each layer"):
        Persona("ada", "tiny", ("a", "b"), kinds=("recent",))


def test_a_wrong_way_of_speaking_is_told() -> None:
    with pytest.raises(PersonaFieldError, match=r"sampling.temperature Input should be less than"):
        Persona("ada", "tiny", sampling={"temperature": 3}).sampled()
    with pytest.raises(PersonaFieldError, match=r"sampling.heat is no setting: `continuum persona"):
        Persona("ada", "tiny", sampling={"heat": 3}).sampled()


def test_what_it_is_comes_before_all_that_is_said_to_it() -> None:
    ada = Persona("ada", "tiny", system="You are Ada.")
    hello = {"role": "user", "content": "hello"}
    assert ada.messages([hello]) == [{"role": "system", "content": "You are Ada."}, hello]
    theirs = {"role": "system", "content": "Be brief."}
    told = {"role": "system", "content": "You are Ada.\n\nBe brief."}
    assert ada.messages([theirs, hello]) == [told, hello]
    assert Persona("ada", "tiny").messages([theirs, hello]) == [theirs, hello]


def test_a_file_of_before_is_read_and_its_change_kept(tmp_path: Path) -> None:
    store = PersonaStore(tmp_path)
    store.folder.mkdir()
    old = {"name": "ada", "base_model": "tiny", "layers": ["a"], "description": "", "weights": [2]}
    (store.folder / "ada.json").write_text(json.dumps(old))
    ada = store.load("ada")
    assert ada == Persona("ada", "tiny", ("a",), weights=(2,))
    for system in ("Be brief.", "Be brief.", "Be long."):
        store.change(replace(ada, system=system))
    assert [path.name for path in sorted(store.folder.iterdir())] == ["ada.toml", "history"]
    first, second = store.history("ada")
    assert (first.name, second.name) == ("0001.json", "0002.toml")
    assert store.read(first, "ada") == ada
    assert store.read(second, "ada").system == "Be brief."
    assert store.load("ada").system == "Be long."
    store.remove("ada")
    assert not store.history("ada")


def test_another_persona_of_the_name_is_never_overwritten(tmp_path: Path) -> None:
    store = PersonaStore(tmp_path)
    theirs = Persona("sorter", "tiny", ("ab" * 32,))
    store.create(theirs)
    with pytest.raises(PersonaExistsError):
        store.save(Persona("sorter", "tiny", ("cd" * 32,)))
    store.save(Persona("sorter", "tiny", ("ab" * 32,), "told better", weights=(1.0,)))
    assert store.load("sorter").description == "told better"


def test_keeping_takes_the_next_free_name_and_twice_changes_nothing(tmp_path: Path) -> None:
    store = PersonaStore(tmp_path)
    store.create(Persona("sorter", "tiny", ("ab" * 32,)))
    mine = Persona("sorter", "tiny", ("cd" * 32,), weights=(0.5,))
    assert [store.keep(mine), store.keep(mine)] == ["sorter-2", "sorter-2"]
    assert store.keep(Persona("sorter", "tiny", ("cd" * 32,))) == "sorter-3"
    assert store.load("sorter").layers == ("ab" * 32,)
    (store.folder / "sorter-3.toml").write_text("{")
    assert store.keep(Persona("sorter", "tiny", ("ef" * 32,))) == "sorter-4"


def test_numbered_names_stay_as_short_as_names_are() -> None:
    name, second = itertools.islice(numbered("x" * 64), 2)
    assert (name, second) == ("x" * 64, "x" * 62 + "-2")
