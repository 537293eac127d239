"""What a skill may be called: it ends in a layer's manifest, so the manifest's rule decides."""

from __future__ import annotations

import re
from collections.abc import Iterable

from academy.sources.errors import SourceError
from genome.errors import LayerRejected
from genome.refusals import shown
from genome.shelf.manifest import check_name

MOST = 60
"""Characters of a name made here: a number can still follow it."""


def name_from(text: str, default: str = "skill") -> str:
    """The nearest name that a manifest can hold."""
    plain = re.sub(r"[^a-z0-9._-]+", "-", text.lower()).strip("-._")
    return plain[:MOST].rstrip("-._") or default


def name_fault(name: object) -> str:
    """Why a skill cannot be called so, and what to write; empty if it can."""
    try:
        check_name(name)
    except LayerRejected:
        return (
            "a skill's name must be 1-64 characters of a-z 0-9 . _ - and begin with a letter or "
            f"digit, not {shown(name)}: write {name_from(str(name))!r}"
        )
    return ""


def check_skill_names(origin: str, skills: Iterable[object]) -> None:
    """Refuse a source's skills if one has no name that a manifest can hold, or one comes twice.

    Raises:
        SourceError: With one line to show.
    """
    names = list(skills)
    for name in names:
        if fault := name_fault(name):
            raise SourceError(f"the challenge source {origin!r}: {fault}")
    twice = next((name for i, name in enumerate(names) if name in names[:i]), None)
    if twice is not None:
        raise SourceError(
            f"the challenge source {origin!r} has skill {twice!r} twice: name it once"
        )
