"""Whose run a folder holds: the Academy's and the demo's look alike and count differently.

Apart from the jobs themselves, so that `academy status` need not load torch to tell.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from academy.evolution.config import RunConfig
from academy.run_folder import RunFolder

SECTIONS = frozenset(field.name for field in fields(RunConfig))
"""What an evolution run's settings consist of."""


def is_evolution(settings: Mapping[str, Any]) -> bool:
    """Whether a run's `config.json` is the Academy's; the demo's has no sections."""
    return not SECTIONS.isdisjoint(settings)


def demo_command(folder: RunFolder) -> str:
    """The command that goes on with the demo in a folder."""
    known = folder.read(folder.path / "config.json")
    words = [
        f"--{key} {known[key]}" for key in ("seed", "personas", "interactions") if key in known
    ]
    tiny = ["--tiny"] if known.get("tiny") else []
    return f"`{' '.join(['continuum', 'demo', *words, *tiny, '--home', str(folder.home)])}`"
