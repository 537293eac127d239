"""Personas are small files that are found by name, or nearly."""

from __future__ import annotations

from pathlib import Path

import pytest

from persona.errors import (
    PersonaExistsError,
    PersonaFileError,
    PersonaNameError,
    PersonaNotFoundError,
)
from persona.persona import Persona, PersonaStore


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
