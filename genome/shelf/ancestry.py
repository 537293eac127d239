"""Who descends from whom: recursive queries over the catalogue's parent edges.

A layer's generation distance is the length of the shortest chain of parents. SQL finds whom a
line reaches, meeting every layer once; the distances are counted afterwards, because a recursive
query that carries them meets a layer once per distance (measured: 7,500 ancestors in a lineage
of uneven generations, 5.5 s against 0.06 s). Ancestors are named by digest even when their layers
are not in the library.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import NamedTuple

from sqlalchemy import Column, Connection, func, select
from sqlalchemy.sql.selectable import CTE

from genome.shelf.catalogue import LAYER, PARENT


class Relative(NamedTuple):
    """A layer and how far it is from the one asked about."""

    digest: str
    generations: int
    """1 for a parent or child, 2 for theirs, and so on."""
    name: str
    """Empty if the layer is not in the library."""
    version: str


class CommonAncestor(NamedTuple):
    """The nearest layer that two layers come from; one of them, if the other descends from it."""

    digest: str
    generations_a: int
    generations_b: int


def ancestors(connection: Connection, digest: str) -> list[Relative]:
    """Parents, their parents and so on, nearest first, then by digest."""
    return _relatives(connection, digest, up=True)


def descendants(connection: Connection, digest: str) -> list[Relative]:
    """Children, their children and so on, nearest first, then by digest."""
    return _relatives(connection, digest, up=False)


def nearest_common_ancestor(connection: Connection, a: str, b: str) -> CommonAncestor | None:
    """The common ancestor with the fewest generations to both together; None if there is none.

    Of several, the one nearer to `a`, then the one with the smaller digest.
    """
    from_a, from_b = _distances(connection, a, up=True), _distances(connection, b, up=True)
    common = [CommonAncestor(d, from_a[d], from_b[d]) for d in from_a.keys() & from_b.keys()]
    return min(
        common,
        key=lambda c: (c.generations_a + c.generations_b, c.generations_a, c.digest),
        default=None,
    )


def closure(connection: Connection, digests: Iterable[str]) -> set[str]:
    """These digests and all their ancestors; ends even where edges form a circle."""
    start = list(digests)
    line = _line(start, up=True)
    return {*start, *connection.scalars(select(line.c.digest))}


def is_named_as_parent(connection: Connection, digest: str) -> bool:
    """Whether any layer names this one as its parent."""
    query = select(PARENT.c.child).where(PARENT.c.parent == digest).limit(1)
    return connection.execute(query).first() is not None


def circular(connection: Connection) -> list[str]:
    """Layers that are, or descend from, their own ancestors; empty in a sound library."""
    offspring: dict[str, list[str]] = {}
    open_parents: dict[str, int] = {}
    for child, parent in connection.execute(select(PARENT.c.child, PARENT.c.parent)):
        offspring.setdefault(parent, []).append(child)
        open_parents[child] = open_parents.get(child, 0) + 1
    ready = [parent for parent in offspring if parent not in open_parents]
    while ready:  # peel off layers all of whose parents are peeled off
        for child in offspring.get(ready.pop(), ()):
            open_parents[child] -= 1
            if open_parents[child] == 0:
                ready.append(child)
    return sorted(child for child, count in open_parents.items() if count)


def _line(start: list[str], *, up: bool) -> CTE:
    """(digest,) of everything reached from the start, itself included, each once."""
    here, there = _ends(up)
    first = func.json_each(json.dumps(start)).table_valued("value")
    line = select(first.c.value.label("digest")).cte("line", recursive=True)
    return line.union(select(there).join(line, here == line.c.digest))


def _distances(connection: Connection, digest: str, *, up: bool) -> dict[str, int]:
    """Generations to everything reached, the start at 0."""
    here, there = _ends(up)
    line = _line([digest], up=up)
    edges: dict[str, list[str]] = {}
    for source, target in connection.execute(select(here, there).join(line, here == line.c.digest)):
        edges.setdefault(source, []).append(target)
    distances, front, generation = {digest: 0}, [digest], 0
    while front:
        generation += 1
        reached = {target for source in front for target in edges.get(source, ())}
        front = [target for target in reached if target not in distances]
        distances.update(dict.fromkeys(front, generation))
    return distances


def _ends(up: bool) -> tuple[Column[str], Column[str]]:
    """Columns of an edge in the direction of travel: from, to."""
    return (PARENT.c.child, PARENT.c.parent) if up else (PARENT.c.parent, PARENT.c.child)


def _relatives(connection: Connection, digest: str, *, up: bool) -> list[Relative]:
    distances = _distances(connection, digest, up=up)
    del distances[digest]
    line = _line([digest], up=up)
    query = select(LAYER.c.digest, LAYER.c.name, LAYER.c.version).join(
        line, LAYER.c.digest == line.c.digest
    )
    known = {row.digest: (row.name, row.version) for row in connection.execute(query)}
    found = (Relative(d, n, *known.get(d, ("", ""))) for d, n in distances.items())
    return sorted(found, key=lambda relative: (relative.generations, relative.digest))
