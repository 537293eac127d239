"""Species events, written into the phylogeny."""

from __future__ import annotations

from collections.abc import Iterable

from academy.diversity.phylogeny import Node, Phylogeny
from academy.diversity.species import SpeciesEvent


def node_id(species: int) -> str:
    """The phylogeny's id of a species."""
    return f"species-{species}"


def record(phylogeny: Phylogeny, events: Iterable[SpeciesEvent]) -> None:
    """Write births, splits, new names and extinctions; changes the phylogeny.

    A merge is written by the extinction that comes with it, as its cause.

    Raises:
        PhylogenyError: An event that cannot follow what is recorded.
    """
    for event in events:
        me = node_id(event.species)
        if event.kind in ("birth", "split"):
            parents = () if event.other is None else (node_id(event.other),)
            operator = event.kind if parents else "founder"
            phylogeny.add(Node(me, "species", parents, operator, event.generation, event.name))
        elif event.kind == "renamed":
            phylogeny.rename(me, event.name)
        elif event.kind == "extinction":
            into = f" by {phylogeny[node_id(event.other)].name}" if event.other is not None else ""
            phylogeny.end(me, event.generation, f"{event.cause}{into}")


def living(phylogeny: Phylogeny) -> tuple[Node, ...]:
    """Species that have not ended, older first."""
    return tuple(n for n in phylogeny.nodes if n.kind == "species" and n.died is None)
