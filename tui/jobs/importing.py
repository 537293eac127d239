"""Bringing layers into a home: one, or whatever lies in several places, each bound to its base."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from genome.errors import GenomeError
from genome.library import Library, TrustPolicy
from genome.shelf.sources import layers_at
from tui.jobs.bases import known_bases, load_base
from tui.jobs.binding import Binding, binding_of


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of one layer that was offered."""

    source: Path
    digest: str = ""
    binding: Binding | None = None
    refusal: GenomeError | OSError | None = None
    """Why it was not taken; None = it is in the library."""


def find_layers(paths: Iterable[Path]) -> list[Imported | Path]:
    """Every layer at some paths, each once; what can be none comes with its refusal."""
    found: dict[Path, Imported | Path] = {}
    for path in paths:
        try:
            found |= {layer: layer for layer in layers_at(path)}
        except (GenomeError, OSError) as error:
            found[path] = Imported(path, refusal=error)
    return list(found.values())


def import_layers(
    home: Path, sources: Iterable[Imported | Path], *, policy: TrustPolicy,
    base: str | None = None, changes: Mapping[str, Any],
    say: Callable[[str], object] = lambda _: None,
) -> list[Imported]:  # fmt: skip
    """Store layers; what is refused is reported, and the others are kept.

    Args:
        base: Name, fingerprint, folder or hub id of the base to bind them to; None = each to the
            one that it names or fits.
        changes: Fields of every manifest to set.
        say: Is told what was left out or read otherwise than written, a line each.

    Raises:
        LibraryError: The library cannot be used.
        BaseModelError: The base cannot be loaded.
    """
    library = Library.open(home)
    known_bases(home)
    wanted = "" if base is None else load_base(home, base).fingerprint
    done = []
    for source in sources:
        if isinstance(source, Imported):
            done.append(source)
            continue
        try:
            digest = library.import_folder(
                source, policy=policy, base=wanted,
                say=partial(_note, say, source.name), **changes,
            )  # fmt: skip
            done.append(Imported(source, digest, binding_of(home, library, digest)))
        except (GenomeError, OSError) as error:
            done.append(Imported(source, refusal=error))
    return done


def _note(say: Callable[[str], object], source: str, note: str) -> None:
    say(f"{source}: {note}")
