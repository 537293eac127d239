"""A run's settings from strict TOML: a typing mistake is answered with the nearest key.

The shipped presets are TOML files in `presets/`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import is_dataclass
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from academy.errors import ConfigError, did_you_mean
from academy.evolution.config import RunConfig

Section = TypeVar("Section")


def parse_config(data: Mapping[str, Any], origin: str = "the configuration") -> RunConfig:
    """Build a configuration from plain data.

    Raises:
        ConfigError: An unknown key (the nearest is named), a wrong type, a value out of bounds.
    """
    return _parse(RunConfig, data, "", origin)


def preset_names() -> list[str]:
    """The shipped presets."""
    folder = resources.files("academy.evolution") / "presets"
    return sorted(
        p.name.removesuffix(".toml") for p in folder.iterdir() if p.name.endswith(".toml")
    )


def load_config(name_or_path: str) -> RunConfig:
    """A preset by name, or a TOML file.

    Raises:
        ConfigError: There is neither, or it is not valid.
    """
    presets = preset_names()
    if name_or_path in presets:
        file = resources.files("academy.evolution") / "presets" / f"{name_or_path}.toml"
        return parse_config(tomllib.loads(file.read_text()), f"preset {name_or_path}")
    path = Path(name_or_path)
    if not path.is_file():
        raise ConfigError(
            f"{name_or_path!r} is neither a file nor a preset: "
            f"{did_you_mean(name_or_path, presets)}"
        )
    try:
        data = tomllib.loads(path.read_text())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid TOML ({error}): correct it") from None
    return parse_config(data, str(path))


def _parse(kind: type[Section], data: Any, where: str, origin: str) -> Section:
    if not isinstance(data, Mapping):
        raise ConfigError(f"{origin}: {where or 'the top level'} must be a table of keys")
    types = get_type_hints(kind)
    values: dict[str, Any] = {}
    for key, value in data.items():
        path = f"{where}.{key}" if where else key
        if key not in types:
            raise ConfigError(f"{origin}: there is no key {path!r}: {did_you_mean(key, types)}")
        wanted = types[key]
        values[key] = (
            _parse(wanted, value, path, origin)
            if is_dataclass(wanted) and isinstance(wanted, type)
            else _convert(value, wanted, path, origin)
        )
    return kind(**values)


def _convert(value: Any, wanted: Any, path: str, origin: str) -> Any:
    name = str(getattr(wanted, "__name__", wanted))
    if wanted is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if wanted in (int, float, str, bool) and type(value) is wanted:
        return value
    if name == "tuple" and isinstance(value, list) and all(isinstance(v, str) for v in value):
        return tuple(value)
    if name == "dict" and isinstance(value, Mapping):
        return {str(k): _convert(v, float, f"{path}.{k}", origin) for k, v in value.items()}
    plain = {"tuple": "a list of texts", "dict": "a table of numbers"}.get(name, name)
    raise ConfigError(f"{origin}: {path} must be {plain}, not {value!r}")
