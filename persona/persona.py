"""A persona: a name, the layers it is made of, how it is told to be, and where it came from.

Personas are small files under HOME/personas that anyone can read and edit; their layers stand in
the library. What a file was before it was changed stands under HOME/personas/history.

# HOME/personas/teacher.toml
description = "explains step by step"
base = "0123456789abcdef"
system = "You are a patient teacher."
retrieves = true

[sampling]
temperature = 0.7

[[layers]]
digest = "..."
kind = "domain"
weight = 0.5
"""

from __future__ import annotations

import difflib
import itertools
import json
import math
import re
import shutil
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tomli_w

from genome.errors import WeightCountError
from genome.files import write_text
from genome.home import stamp_new
from persona.errors import (
    NoLayersError,
    PersonaError,
    PersonaExistsError,
    PersonaFieldError,
    PersonaFileError,
    PersonaNameError,
    PersonaNotFoundError,
    PersonaWeightError,
)

if TYPE_CHECKING:  # listing personas needs no torch
    from genome.genome import Genome
    from genome.library import Library
    from persona.sampling import Sampling

KINDS = ("domain", "project", "personality", "recent")
"""What layers are for, in the order in which they are applied."""
MAX_NAME = 64
ENDS = (".toml", ".json")
"""Of their files: as they are written, and as they were before."""
HISTORY = "history"
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
    kinds: tuple[str, ...] = ()
    """What each layer is for, of `KINDS`; empty = all of them are its domain."""
    system: str = ""
    """What it is told to be, before all that is said to it."""
    retrieves: bool = False
    """Whether it takes up the library's layer that knows most of a message, where one is sure."""
    priority: int = 128
    """In a room, 0 to 255: higher is sooner."""
    sampling: Mapping[str, Any] = field(default_factory=dict, hash=False)
    """How it speaks where nobody chooses otherwise: fields of `Sampling`."""
    extra: Mapping[str, Any] = field(default_factory=dict, hash=False)
    """What other programs wrote about it; kept as it is."""

    def __post_init__(self) -> None:
        if not NAME_RULE.fullmatch(self.name):
            raise PersonaNameError(self.name)
        for own in fields(self):
            value, types = getattr(self, own.name), _TYPES[str(own.type)]
            if not isinstance(value, types) or (types is int and isinstance(value, bool)):
                raise PersonaFieldError(self.name, own.name, f"is not {types.__name__}")
        if not 0 <= self.priority <= 255:
            raise PersonaFieldError(self.name, "priority", f"is 0 to 255, not {self.priority}")
        if self.kinds and len(self.kinds) != len(self.layers):
            raise PersonaFieldError(self.name, "kinds", "is one for each layer, or none")
        if wrong := [kind for kind in self.kinds if kind not in KINDS]:
            known = ", ".join(KINDS)
            raise PersonaFieldError(self.name, "kind", f"is one of {known}, not {wrong[0]!r:.40}")
        order = [KINDS.index(kind) for kind in self.kinds]
        if order != sorted(order):
            said = f"come in the order {', '.join(KINDS)}, not {', '.join(self.kinds)}"
            raise PersonaFieldError(self.name, "layers", said)
        if self.weights and len(self.weights) != len(self.layers):
            raise WeightCountError(len(self.layers), len(self.weights))
        if not all(math.isfinite(weight) for weight in self.weights):
            raise PersonaWeightError(self.name, self.weights)

    def parts(self) -> list[tuple[str, str, float]]:
        """Digest, kind and weight of each layer, first applied first."""
        n = len(self.layers)
        kinds, weights = self.kinds or (KINDS[0],) * n, self.weights or (1.0,) * n
        return list(zip(self.layers, kinds, weights, strict=True))

    def same_genome(self, other: Persona) -> bool:
        """Whether both answer alike: the same layers on the same base, weighted alike."""
        return self._answers() == other._answers()

    def _answers(self) -> tuple[Any, ...]:
        layers = [(digest, weight) for digest, _, weight in self.parts()]
        told = self.system, self.retrieves, dict(self.sampling)
        return self.base_model, self.backend, layers, *told

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

    def messages(
        self, turns: Sequence[Mapping[str, Any]], *, system_role: bool = True
    ) -> list[dict[str, Any]]:
        """A conversation as it is told to it: what it is first, with what else the first turn says.

        Args:
            turns: Messages, which may begin with one of role `system`.
            system_role: Whether such a message is seen; else the first turn begins with it.
        """
        said = [dict(turn) for turn in turns]
        if not self.system:
            return said
        to = "system" if system_role else said[0]["role"]
        theirs = said.pop(0)["content"] if said and said[0]["role"] == to else ""
        told = "\n\n".join(part for part in (self.system, theirs) if part)
        return [{"role": to, "content": told}, *said]

    def sampled(self, **chosen: Any) -> Sampling:
        """How it speaks: as chosen, else as its own file says.

        Raises:
            PersonaFieldError: Its file says what cannot be.
        """
        from pydantic import ValidationError

        from persona.sampling import Sampling

        try:
            Sampling.model_validate(dict(self.sampling))
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            name = ".".join(map(str, ("sampling", *first["loc"])))
            said = "is no setting" if first["type"] == "extra_forbidden" else first["msg"]
            raise PersonaFieldError(self.name, name, said) from None
        return Sampling.model_validate({**self.sampling, **chosen})

    # -- as a file -------------------------------------------------------------------------

    @classmethod
    def parse(cls, name: str, text: str) -> Persona:
        """From its file.

        Raises:
            PersonaError, ValueError, TypeError: It is none; says why.
        """
        table = tomllib.loads(text)
        if unknown := [key for key in table if key not in (*_KEYS, "layers")]:
            close = difflib.get_close_matches(unknown[0], [*_KEYS, "layers"], n=1)
            known = f"did you mean {close[0]}?" if close else "put it under [extra]"
            raise ValueError(f"{unknown[0]} is no field of a persona: {known}")
        layers = [dict(layer) for layer in table.pop("layers", [])]
        for layer in layers:
            if set(layer) - {"digest", "kind", "weight"} or not isinstance(
                layer.get("digest"), str
            ):
                raise ValueError("a layer has a digest, and may have kind and weight")
        given = {_KEYS[key]: value for key, value in table.items()}
        return cls(
            name=name,
            base_model=given.pop("base_model", ""),
            layers=tuple(layer["digest"] for layer in layers),
            weights=_unless_all(1.0, [layer.get("weight", 1.0) for layer in layers]),
            kinds=_unless_all(KINDS[0], [layer.get("kind", KINDS[0]) for layer in layers]),
            **given,
        )

    def text(self) -> str:
        """Its file; what is as it stands anyway is left out."""
        plain: dict[str, Any] = {f.name: f.default for f in fields(self)}
        plain |= {"sampling": {}, "extra": {}}
        table = {
            key: getattr(self, name)
            for key, name in _KEYS.items()
            if getattr(self, name) != plain[name]
        }
        layers = [
            {"digest": digest, "kind": kind, "weight": weight}
            for digest, kind, weight in self.parts()
        ]
        tables = {key: table.pop(key) for key in ("sampling", "extra") if key in table}
        if layers:  # tables come last
            table["layers"] = layers
        return tomli_w.dumps(table | tables, multiline_strings=True)


_KEYS = {
    "description": "description",
    "base": "base_model",
    "backend": "backend",
    "listing": "listing",
    "system": "system",
    "retrieves": "retrieves",
    "priority": "priority",
    "sampling": "sampling",
    "extra": "extra",
}
"""Fields as the file calls them; layers have tables of their own."""
_TYPES: dict[str, type] = {
    "str": str,
    "bool": bool,
    "int": int,
    "tuple[str, ...]": tuple,
    "tuple[float, ...]": tuple,
    "Mapping[str, Any]": Mapping,
}


def _unless_all(usual: Any, values: list[Any]) -> tuple[Any, ...]:
    return () if all(value == usual for value in values) else tuple(values)


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
        found = {path.stem for end in ENDS for path in self.folder.glob(f"[!.]*{end}")}
        return sorted(found)

    def save(self, persona: Persona) -> None:
        """Write a persona; one of that name is replaced if it answers alike.

        Raises:
            PersonaExistsError: The name is another persona's.
            PersonaFileError: What has the name cannot be read.
        """
        if persona.name in self.names() and not self.load(persona.name).same_genome(persona):
            raise PersonaExistsError(persona.name)
        self.change(persona)

    def change(self, persona: Persona, text: str = "") -> None:
        """Write a persona, whatever it was; what it was goes to its history.

        Args:
            text: Its file as a person wrote it, comments and all; empty = as it would be.
        """
        stamp_new(self.folder.parent)
        path, text = self.folder / f"{persona.name}{ENDS[0]}", text or persona.text()
        with suppress(PersonaNotFoundError):
            before = self.path(persona.name)
            if before == path and path.read_text(encoding="utf-8") == text:
                return
            older = self.folder / HISTORY / persona.name
            older.mkdir(parents=True, exist_ok=True)
            write_text(
                older / f"{len(self.history(persona.name)) + 1:04}{before.suffix}",
                before.read_text(encoding="utf-8"),
            )
        write_text(path, text)
        (self.folder / f"{persona.name}{ENDS[1]}").unlink(missing_ok=True)

    def history(self, name: str) -> list[Path]:
        """Files that it was before, oldest first."""
        return sorted((self.folder / HISTORY / name).glob("[0-9]*"))

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
        self.path(name).unlink()
        shutil.rmtree(self.folder / HISTORY / name, ignore_errors=True)

    def load(self, name: str) -> Persona:
        """Read a persona.

        Raises:
            PersonaNotFoundError: There is none; the message suggests the nearest names.
            PersonaFileError: Its file is damaged.
        """
        return self.read(self.path(name), name)

    @staticmethod
    def read(path: Path, name: str) -> Persona:
        """A persona from a file of this store's, also of its history.

        Raises:
            PersonaFileError: It is damaged.
        """
        try:
            text = path.read_text(encoding="utf-8")
            if path.suffix == ENDS[0]:
                return Persona.parse(name, text)
            data = json.loads(text)
            if not all(isinstance(layer, str) for layer in data["layers"]):
                raise ValueError("a layer is no digest")
            own = {key: tuple(data.get(key, ())) for key in ("layers", "weights")}
            return Persona(**{**data, **own})
        except (
            OSError,
            ValueError,
            TypeError,
            KeyError,
            AttributeError,
            RecursionError,
            PersonaError,
            WeightCountError,
        ) as error:
            raise PersonaFileError(path, error) from None

    def path(self, name: str) -> Path:
        """Its file.

        Raises:
            PersonaNotFoundError: There is none; the message suggests the nearest names.
        """
        known = self.names()
        if name not in known:
            close = difflib.get_close_matches(name, known, n=3, cutoff=0.4)
            raise PersonaNotFoundError(name, close or known[:5])
        there = (self.folder / f"{name}{end}" for end in ENDS)
        return next(path for path in there if path.exists())
