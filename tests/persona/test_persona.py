"""Personas are small files that are found by name, or nearly."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from persona.errors import (
    PersonaExistsError,
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


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"name": 3}'])
def test_a_damaged_file_is_named(tmp_path: Path, text: str) -> None:
    store = PersonaStore(tmp_path)
    store.save(Persona("sorter-1", "tiny"))
    (store.folder / "sorter-1.json").write_text(text)
    with pytest.raises(PersonaFileError, match=r"sorter-1\.json"):
        store.load("sorter-1")


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
    (store.folder / "sorter-3.json").write_text("{")
    assert store.keep(Persona("sorter", "tiny", ("ef" * 32,))) == "sorter-4"


def test_numbered_names_stay_as_short_as_names_are() -> None:
    name, second = itertools.islice(numbered("x" * 64), 2)
    assert (name, second) == ("x" * 64, "x" * 62 + "-2")
