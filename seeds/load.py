"""Where the embedded base model is."""

from __future__ import annotations

from pathlib import Path


def embedded_base_path() -> Path:
    """The folder of the base model that ships with Continuum."""
    return Path(__file__).parent / "base"
