"""The kinds of personas that anyone may begin with (`personas.toml`)."""

from __future__ import annotations

import difflib
import tomllib
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from genome.base_model import BaseModel
from persona.errors import PersonaNotFoundError
from persona.persona import Persona, PersonaStore

AT_FIRST = 5
"""Made in a new home."""
LEAST_POSITIONS = 512
"""Of a base that has room for being told what it is; a smaller one is not told."""


@cache
def types() -> MappingProxyType[str, dict[str, Any]]:
    """Fields of each, by name."""
    text = Path(__file__).with_name("personas.toml").read_text(encoding="utf-8")
    return MappingProxyType(tomllib.loads(text))


def persona_of(kind: str, name: str, base: BaseModel) -> Persona:
    """A new persona of a kind: it takes up the library's layer that is sure of a message.

    Raises:
        PersonaNotFoundError: There is no such kind; the nearest are told.
        PersonaNameError: The name cannot be one.
    """
    if kind not in types():
        close = difflib.get_close_matches(kind, types(), n=3, cutoff=0.4)
        raise PersonaNotFoundError(kind, close or list(types())[:AT_FIRST])
    facts = dict(types()[kind])
    if base.positions < LEAST_POSITIONS:
        del facts["system"]
    return Persona(name, base.fingerprint, retrieves=True, **facts)


def make_first(store: PersonaStore, base: BaseModel) -> list[str]:
    """Make the first of them where nobody has their names; returns those made."""
    made = [kind for kind in list(types())[:AT_FIRST] if kind not in store.names()]
    for kind in made:
        store.create(persona_of(kind, kind, base))
    return made
