"""A persona: a name, the layers it is made of, and where it came from.

Personas are small JSON files under HOME/personas; their layers stand in the library.
"""

from __future__ import annotations

import difflib
import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from genome.errors import WeightCountError
from genome.files import write_json
from persona.errors import (
    PersonaExistsError,
    PersonaFileError,
    PersonaNameError,
    PersonaNotFoundError,
)

if TYPE_CHECKING:  # listing personas needs no torch
    from genome.genome import Genome
    from genome.library import Library

NAME_RULE = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


@dataclass(frozen=True)
class Persona:
    """Who answers: a base model plus layers by digest.

    Raises:
        PersonaNameError: The name cannot be a file name everywhere.
    """

    name: str
    base_model: str
    """Fingerprint of the base model."""
    layers: tuple[str, ...] = ()
    """Digests, first applied first."""
    description: str = ""
    weights: tuple[float, ...] = ()
    """Scale of each layer's update, (n_layers,); empty = all as trained."""

    def __post_init__(self) -> None:
        if not NAME_RULE.fullmatch(self.name):
            raise PersonaNameError(self.name)
        if self.weights and len(self.weights) != len(self.layers):
            raise WeightCountError(len(self.layers), len(self.weights))

    def genome(self, library: Library) -> Genome:
        """The persona's genome, its layers loaded from the library."""
        from genome.genome import Genome

        layers = tuple(library.get(digest) for digest in self.layers)
        return Genome(self.base_model, layers, self.weights or (1.0,) * len(layers))


class PersonaStore:
    """The personas of one home."""

    def __init__(self, home: str | Path) -> None:
        self.folder = Path(home) / "personas"

    def names(self) -> list[str]:
        """All names, sorted."""
        return sorted(path.stem for path in self.folder.glob("[!.]*.json"))

    def save(self, persona: Persona) -> None:
        """Write or replace a persona."""
        write_json(self.folder / f"{persona.name}.json", asdict(persona))

    def create(self, persona: Persona) -> None:
        """Write a new persona.

        Raises:
            PersonaExistsError: The name is taken.
        """
        if persona.name in self.names():
            raise PersonaExistsError(persona.name)
        self.save(persona)

    def load(self, name: str) -> Persona:
        """Read a persona.

        Raises:
            PersonaNotFoundError: There is none; the message suggests the nearest names.
            PersonaFileError: Its file is damaged.
        """
        known = self.names()
        if name not in known:
            close = difflib.get_close_matches(name, known, n=3, cutoff=0.4)
            raise PersonaNotFoundError(name, close or known[:5])
        path = self.folder / f"{name}.json"
        try:
            data = json.loads(path.read_text())
            weights = tuple(data.get("weights", ()))
            return Persona(**{**data, "layers": tuple(data["layers"]), "weights": weights})
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise PersonaFileError(path, error) from None
