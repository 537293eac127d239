"""Which base each layer of a home runs on: found by names and shapes, or chosen by a person.

Bringing layers into a home: one, or whatever lies in several places, each bound to its base.

Taking a layer out of a home, unless something there needs it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from economy.revocations import origins_of
from genome.bases import Base, misfit
from genome.errors import GenomeError, LayerInUseError, UnboundLayerError
from genome.library import Library, TrustPolicy
from genome.shelf.sources import layers_at
from genome.validate import check_folder
from marketplace.market import Market
from persona.persona import PersonaStore
from seeds.bases import known_bases, load_base

NAMED = 5
"""Personas, children and listings that a refusal names."""


@dataclass(frozen=True, slots=True)
class Binding:
    """A layer's base, as this home knows it."""

    layer: str
    """Name, or NAME@VERSION where that is not the newest."""
    base: Base | None
    """None = unbound, or bound to a base that is not known here."""
    stated: str
    """Fingerprint of the base that it is for; empty = unbound."""
    others: tuple[str, ...] = ()
    """Names of other known bases that it fits as well."""
    misfits: tuple[str, ...] = ()
    """Why it fits none of the known bases, if it does not."""

    def text(self) -> str:
        """One line, with the command that changes it."""
        if self.base is None:
            return str(UnboundLayerError(self.layer, self.stated, self.misfits))
        bound = f"bound to the base model {self.base.name} ({self.base.fingerprint})"
        if not self.others:
            return bound
        command = f"`continuum layer bind {self.layer} --base {self.others[0]}`"
        return f"{bound}; it fits {', '.join(self.others)} too: {command} chooses"


def binding_of(home: Path, library: Library, digest: str) -> Binding:
    """How a layer is bound; nothing is changed."""
    stated = library.base_of(digest)
    bases = known_bases(home).all()
    base = next((b for b in bases if b.fingerprint == stated), None)
    with check_folder(library.path(digest)) as checked:
        shapes, named = checked.shapes, checked.base_model
    fitting = [b.name for b in bases if b is not base and not misfit(shapes, b)]
    others = tuple(fitting) if base is not None and not named else ()
    misfits = () if base or stated else tuple(misfit(shapes, b) for b in bases)
    return Binding(reference_to(library, digest), base, stated, others, misfits)


def bind_layer(home: Path, library: Library, digest: str, base: str | None = None) -> Binding:
    """Bind a layer to a base, or to the first known one that it fits.

    Args:
        base: Name, fingerprint, folder or hub id; None = look for one.

    Raises:
        LayerRejected: It does not fit that base, or names another one.
        BaseModelError: The base cannot be loaded.
        LayerInUseError: A persona runs it on another base.
    """
    known_bases(home)
    wanted = load_base(home, base).fingerprint if base is not None else ""
    if wanted:
        _check_personas(home, library, digest, wanted)
    library.bind(digest, wanted)
    return binding_of(home, library, digest)


def base_needed(home: Path, library: Library, digest: str) -> str:
    """Fingerprint of the known base that a layer runs on; bound now if it fits one.

    Raises:
        UnboundLayerError: It fits none that is known here.
    """
    known = known_bases(home)
    if known.find(found := library.base_of(digest)) is None:
        found = library.bind(digest)
    if not found or known.find(found) is None:
        binding = binding_of(home, library, digest)
        raise UnboundLayerError(binding.layer, binding.stated, binding.misfits)
    return found


def reference_to(library: Library, digest: str) -> str:
    """What a person types to mean this layer."""
    row = library.row(digest)
    newest = library.latest(row.name).digest == digest
    return row.name if newest else f"{row.name}@{row.version}"


def _check_personas(home: Path, library: Library, digest: str, base: str) -> None:
    store = PersonaStore(home)
    for name in store.names():
        persona = store.load(name)
        if digest in persona.layers and persona.base_model != base:
            raise LayerInUseError(
                f"persona {name!r} runs layer {reference_to(library, digest)!r} on base model "
                f"{persona.base_model!r}: `continuum persona remove {name}` first, and make it "
                "again after"
            )


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
    home: Path,
    sources: Iterable[Imported | Path],
    *,
    policy: TrustPolicy,
    base: str | None = None,
    changes: Mapping[str, Any],
    say: Callable[[str], object] = lambda _: None,
) -> list[Imported]:
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
                source,
                policy=policy,
                base=wanted,
                say=partial(_note, say, source.name),
                **changes,
            )
            done.append(Imported(source, digest, binding_of(home, library, digest)))
        except (GenomeError, OSError) as error:
            done.append(Imported(source, refusal=error))
    return done


def _note(say: Callable[[str], object], source: str, note: str) -> None:
    say(f"{source}: {note}")


def used_by(home: Path) -> dict[str, list[tuple[str, str]]]:
    """Digest -> what in the home uses that layer, each with the command that ends it."""
    uses: dict[str, list[tuple[str, str]]] = {}
    store = PersonaStore(home)
    for name in store.names():
        for digest in store.load(name).layers:
            way_out = f"`continuum persona remove {name}`"
            uses.setdefault(digest, []).append((f"persona {name}", way_out))
    database = home / "market.db"
    if database.exists():
        with Market.open(f"sqlite:///{database}", create=False) as market:
            for listing in market.listings():
                way_out = f"`continuum market withdraw {listing.name} --account {listing.owner}`"
                uses.setdefault(listing.digest, []).append((f"listing {listing.name}", way_out))
    return uses


def remove_layer(home: Path, library: Library, digest: str) -> list[str]:
    """Delete a layer; the addresses of the markets that it came from.

    Raises:
        LayerInUseError: A persona, a listing or a layer made from it needs it; nothing was
            changed.
    """
    name = reference_to(library, digest)
    uses = list(used_by(home).get(digest, ()))
    for child in library.descendants(digest):
        if child.generations == 1 and child.name:
            reference = reference_to(library, child.digest)
            uses.append((f"child {reference}", f"`continuum layer remove {reference}`"))
    if uses:
        more = f" and {len(uses) - NAMED} more" if len(uses) > NAMED else ""
        raise LayerInUseError(
            f"layer {name!r} is needed by {', '.join(use for use, _ in uses[:NAMED])}{more}: "
            f"first {', '.join(command for _, command in uses[:NAMED])}{more}"
        )
    library.remove(digest)
    return origins_of(home, digest)
