"""Taking a layer out of a home, unless something there needs it."""

from __future__ import annotations

from pathlib import Path

from economy.revocations import origins_of
from genome.errors import LayerInUseError
from genome.library import Library
from marketplace.market import Market
from persona.persona import PersonaStore
from tui.jobs.importing import reference_to

NAMED = 5
"""Personas, children and listings that a refusal names."""


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
