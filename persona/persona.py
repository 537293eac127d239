"""A persona: a name, the layers it is made of, and where it came from.

Personas are small JSON files under HOME/personas; their layers stand in the library.
"""

from __future__ import annotations

import difflib
import itertools
import json
import math
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genome.errors import WeightCountError
from genome.files import write_json
from genome.home import stamp_new
from persona.errors import (
    NoLayersError,
    PersonaExistsError,
    PersonaFileError,
    PersonaNameError,
    PersonaNotFoundError,
    PersonaWeightError,
)

if TYPE_CHECKING:  # listing personas needs no torch
    from genome.genome import Genome
    from genome.library import Library

MAX_NAME = 64
NAME_RULE = re.compile(rf"[a-z0-9][a-z0-9._-]{{0,{MAX_NAME - 1}}}")


@dataclass(frozen=True)
class Persona:
    """Who answers: a base model plus layers by digest.

    Raises:
        PersonaNameError: The name cannot be a file name everywhere.
        WeightCountError, PersonaWeightError: There is not one finite weight per layer.
    """

    name: str
    base_model: str
    """Fingerprint of the base model; empty = another program's, which is not known here."""
    layers: tuple[str, ...] = ()
    """Digests, first applied first."""
    description: str = ""
    weights: tuple[float, ...] = ()
    """Scale of each layer's update, (n_layers,); empty = all as trained."""
    listing: str = ""
    """Of a market: a message over the network costs its rate of use; empty = nothing."""
    backend: str = ""
    """What computes its answers (`persona.backends`); empty = the engine here."""

    def __post_init__(self) -> None:
        if not NAME_RULE.fullmatch(self.name):
            raise PersonaNameError(self.name)
        if self.weights and len(self.weights) != len(self.layers):
            raise WeightCountError(len(self.layers), len(self.weights))
        if not all(math.isfinite(weight) for weight in self.weights):
            raise PersonaWeightError(self.name, self.weights)

    def same_genome(self, other: Persona) -> bool:
        """Whether both answer alike: the same layers on the same base, weighted alike."""
        return self._parts() == other._parts()

    def _parts(self) -> tuple[Any, ...]:
        weights = self.weights or (1.0,) * len(self.layers)
        return self.base_model, self.backend, self.layers, weights

    def genome(self, library: Library) -> Genome:
        """The persona's genome, its layers loaded from the library.

        Raises:
            NoLayersError: It is nothing but what a backend says.
        """
        from genome.genome import Genome

        if self.backend and not self.layers:
            raise NoLayersError(self.name, self.backend)
        layers = tuple(library.get(digest) for digest in self.layers)
        return Genome(self.base_model, layers, self.weights or (1.0,) * len(layers))


def numbered(name: str) -> Iterator[str]:
    """The name, then `name-2`, `name-3` and so on, none longer than a name may be."""
    yield name
    for number in itertools.count(2):
        end = f"-{number}"
        yield name[: MAX_NAME - len(end)] + end


class PersonaStore:
    """The personas of one home."""

    def __init__(self, home: str | Path) -> None:
        self.folder = Path(home) / "personas"

    def names(self) -> list[str]:
        """All names, sorted."""
        return sorted(path.stem for path in self.folder.glob("[!.]*.json"))

    def save(self, persona: Persona) -> None:
        """Write a persona; one of that name is replaced if it answers alike.

        Raises:
            PersonaExistsError: The name is another persona's.
            PersonaFileError: What has the name cannot be read.
        """
        if persona.name in self.names() and not self.load(persona.name).same_genome(persona):
            raise PersonaExistsError(persona.name)
        stamp_new(self.folder.parent)
        write_json(self.folder / f"{persona.name}.json", asdict(persona))

    def create(self, persona: Persona) -> None:
        """Write a new persona.

        Raises:
            PersonaExistsError: The name is taken.
        """
        self.check_free(persona.name)
        self.save(persona)

    def check_free(self, name: str) -> None:
        """Refuse a name that a persona has.

        Raises:
            PersonaExistsError: The name is taken.
        """
        if name in self.names():
            raise PersonaExistsError(name)

    def keep(self, persona: Persona) -> str:
        """Write a persona under its name, or the next free one such as `sorter-2`; returns it.

        One that has the same layers and weights already, under one of these names, stays as it
        is, so that keeping twice changes nothing.
        """
        for name in numbered(persona.name):
            if name not in self.names():
                self.create(replace(persona, name=name))
                return name
            with suppress(PersonaFileError):
                there = self.load(name)
                if there.same_genome(persona):
                    return name
        raise AssertionError("names do not run out")

    def remove(self, name: str) -> None:
        """Delete a persona.

        Raises:
            PersonaNotFoundError: There is none; the message suggests the nearest names.
        """
        self._check_there(name)
        (self.folder / f"{name}.json").unlink()

    def load(self, name: str) -> Persona:
        """Read a persona.

        Raises:
            PersonaNotFoundError: There is none; the message suggests the nearest names.
            PersonaFileError: Its file is damaged.
        """
        self._check_there(name)
        path = self.folder / f"{name}.json"
        try:
            data = json.loads(path.read_text())
            weights = tuple(data.get("weights", ()))
            if not all(isinstance(layer, str) for layer in data["layers"]):
                raise ValueError("a layer is no digest")
            return Persona(**{**data, "layers": tuple(data["layers"]), "weights": weights})
        except (
            OSError,
            ValueError,
            TypeError,
            KeyError,
            AttributeError,
            RecursionError,
            PersonaNameError,
        ) as error:
            raise PersonaFileError(path, error) from None

    def _check_there(self, name: str) -> None:
        known = self.names()
        if name not in known:
            close = difflib.get_close_matches(name, known, n=3, cutoff=0.4)
            raise PersonaNotFoundError(name, close or known[:5])
