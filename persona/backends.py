"""What else computes answers in a home: adapters that PEFT runs alone, and other programs.

    HOME/backends.toml    one table for each, by name
    HOME/backends/NAME    the files of those that were brought in

[sorter-dora]
kind = "peft"
base = "0123456789abcdef"

[cloud]
kind = "openai"
url = "https://api.example.com/v1"
model = "large"
key_env = "EXAMPLE_KEY"
"""

from __future__ import annotations

import difflib
import shutil
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tomli_w
from pydantic import BaseModel as Checked
from pydantic import ConfigDict, ValidationError

from genome.bases import Bases
from genome.files import locked, write_folder_once, write_text
from genome.home import stamp_new
from persona.errors import (
    BackendFileError,
    BackendNameError,
    BackendNotFoundError,
    BackendSettingsError,
)
from persona.persona import NAME_RULE

if TYPE_CHECKING:  # listing them needs no torch
    from genome.base_model import BaseModel
    from persona.backend import Backend

FILE = "backends.toml"
FOLDER = "backends"


class PeftSettings(Checked):
    """Of an adapter that only PEFT runs; its files are in the home."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def _settings(kind: str) -> type[Checked]:
    if kind == "openai":
        from persona.remote.endpoint import EndpointSettings

        return EndpointSettings
    if kind == "llama.cpp":
        from persona.llama import LlamaSettings

        return LlamaSettings
    return PeftSettings


KINDS = ("peft", "openai", "llama.cpp")


@dataclass(frozen=True)
class Foundation:
    """What a persona may stand on instead of the engine."""

    name: str
    kind: str
    """One of `KINDS`."""
    settings: Any
    """As its kind has them."""
    base: str = ""
    """Fingerprint of the base that it runs; empty = one that is not known here."""

    @classmethod
    def of(cls, name: str, facts: Mapping[str, Any]) -> Foundation:
        """From a table of the file.

        Raises:
            BackendSettingsError: What is wrong with the first wrong one, in one line.
        """
        kind, base = facts.get("kind"), facts.get("base", "")
        if kind not in KINDS or not isinstance(base, str):
            raise BackendSettingsError(
                f"backend {name}: kind is one of {', '.join(KINDS)}, not {kind!r:.40}: correct it"
            )
        given = {key: value for key, value in facts.items() if key not in ("kind", "base")}
        own = _settings(kind)
        try:
            return cls(name, kind, own(**given), base)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            field = ".".join(map(str, first["loc"]))
            said = {
                "extra_forbidden": f"is no setting, there are {', '.join(own.model_fields)}",
                "missing": "is needed",
            }.get(first["type"], first["msg"].removeprefix("Value error, "))
            said = said.replace("Input should be", "is").replace("String should", "should")
            hidden = first["type"] in ("extra_forbidden", "missing") or field in ("key_env", "url")
            shown = "" if hidden else f", not {str(first['input'])[:60]!r}"  # those may be secrets
            raise BackendSettingsError(
                f"backend {name}: {field}: {said}{shown}: change it in the settings"
            ) from None

    def facts(self) -> dict[str, Any]:
        """The table; what is as it stands anyway is left out."""
        own = self.settings.model_dump(exclude_defaults=True, mode="json")
        return {"kind": self.kind, **({"base": self.base} if self.base else {}), **own}


class Backends:
    """Those of one home."""

    def __init__(self, home: str | Path) -> None:
        self.home = Path(home)
        self.path = self.home / FILE

    def all(self) -> dict[str, Foundation]:
        """By name.

        Raises:
            BackendFileError: The file cannot be read.
        """
        try:
            tables = tomllib.loads(self.path.read_text(encoding="utf-8"))
            wrong = next((name for name, facts in tables.items() if type(facts) is not dict), None)
            if wrong is not None:
                raise ValueError(f"{wrong} is no table")
            return {name: Foundation.of(name, facts) for name, facts in tables.items()}
        except FileNotFoundError:
            return {}
        except (ValueError, BackendSettingsError) as error:
            raise BackendFileError(self.path, error) from None

    def get(self, name: str) -> Foundation:
        """The one of this name.

        Raises:
            BackendNotFoundError: There is none; the nearest names are told.
        """
        known = self.all()
        if name not in known:
            close = difflib.get_close_matches(name, known, n=3, cutoff=0.4)
            raise BackendNotFoundError(name, close or list(known)[:3])
        return known[name]

    def folder(self, name: str) -> Path:
        """Where its files are, if it has some."""
        return self.home / FOLDER / name

    def add(self, foundation: Foundation, adapter: Path | None = None) -> None:
        """Make one known.

        Args:
            adapter: Folder of an adapter that PEFT is to run; a copy is kept.

        Raises:
            BackendNameError: The name is taken, or cannot be one.
            LayerRejected: The adapter is not acceptable.
        """
        name = foundation.name
        if not NAME_RULE.fullmatch(name):
            raise BackendNameError(
                f"a backend's name is 1 to 64 of a-z 0-9 . _ -, not {name!r:.80}"
            )
        stamp_new(self.home)
        with locked(self.home / f".{FILE}.lock"):
            known = self.all()
            if name in known:
                raise BackendNameError(
                    f"there is a backend {name!r} already: choose another name, or "
                    f"`continuum backend remove {name}` first"
                )
            if adapter is not None:
                from genome.single import check_single

                own = check_single(adapter)
                shutil.rmtree(self.folder(name), ignore_errors=True)  # of one that is not known

                def copy(new: Path) -> None:
                    for each in own:
                        shutil.copyfile(adapter / each, new / each)

                write_folder_once(self.folder(name), copy)
                check_single(self.folder(name))  # the copy: the other may have changed since
            self._write({**known, name: foundation})

    def remove(self, name: str) -> None:
        """Forget one, with its files here.

        Raises:
            BackendNotFoundError: There is none.
        """
        self.get(name)
        with locked(self.home / f".{FILE}.lock"):
            self._write({n: one for n, one in self.all().items() if n != name})
        shutil.rmtree(self.folder(name), ignore_errors=True)

    def _write(self, known: Mapping[str, Foundation]) -> None:
        tables = {name: one.facts() for name, one in known.items()}
        write_text(self.path, tomli_w.dumps(tables))

    def open(self, name: str, load: Callable[[str], BaseModel]) -> Backend:
        """What computes answers; whoever opens it closes it.

        Args:
            load: Gives the base of a fingerprint; asked where the backend computes with it here.

        Raises:
            PersonaError, GenomeError: There is none of this name, or it cannot be had.
        """
        found = self.get(name)
        if found.kind == "openai":
            from persona.remote.endpoint import Endpoint

            return Endpoint(found.settings, name=name, base=found.base)
        if found.kind == "llama.cpp":
            from genome.base_model import BaseModel
            from persona.llama import LlamaCpp

            return LlamaCpp(
                found.settings, BaseModel.outline(Bases(self.home).get(found.base).path)
            )
        from genome.single import with_single
        from persona.engine import Engine

        return Engine(with_single(load(found.base), self.folder(name)))
