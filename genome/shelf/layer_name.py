"""What a layer may be called, made of a file's name or of what somebody typed."""

from __future__ import annotations

import re
from pathlib import Path

from genome.adapter.layer_files import WEIGHTS_FILE


def plain_name(text: str) -> str:
    """The nearest text that `genome.shelf.manifest.check_name` accepts."""
    return re.sub(r"[^a-z0-9._-]+", "-", text.lower()).strip("-._")[:64] or "layer"


def suggested_name(source: Path) -> str:
    """A layer's name from a file's."""
    path = source.resolve()
    stem = (path.parent if path.name == WEIGHTS_FILE else path).name.lower()
    for ending in (".zip", ".tar.gz", ".tgz", ".tar", ".safetensors"):
        stem = stem.removesuffix(ending)
    return plain_name(stem)
