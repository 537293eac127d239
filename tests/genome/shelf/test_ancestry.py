"""Lineage: everybody a layer comes from or went into, by the shortest line, in any family."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from sqlalchemy import Connection

from genome.shelf.ancestry import (
    ancestors,
    circular,
    closure,
    descendants,
    nearest_common_ancestor,
)
from genome.shelf.catalogue import Catalogue
from genome.shelf.layer_rows import Entry, put_layers
from genome.shelf.manifest import Manifest, Parent


def digest(name: str | int) -> str:
    """A digest that sorts as its name does."""
    return f"{name!s:0>64}".replace("x", "e")


def family(connection: Connection, parents: Mapping[str, Sequence[str]]) -> None:
    """Catalogue layers by name with their parents' names."""
    entries = [
        Entry(
            Manifest(
                f"layer-{name}", digest=digest(name), parents=tuple(Parent(digest(p)) for p in of)
            ),
            1,
            1,
            "",
        )
        for name, of in parents.items()
    ]
    put_layers(connection, entries)


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Connection]:
    with Catalogue(tmp_path / "catalogue.db").write() as opened:
        yield opened


DIAMOND = {"a": (), "b": "a", "c": "a", "d": "bc", "e": "da", "f": ()}


def test_distances_are_those_of_the_shortest_line(connection: Connection) -> None:
    """e is a's child and, through d, its great-grandchild: distance 1."""
    family(connection, DIAMOND)
    found = [(r.digest[-1], r.generations, r.name) for r in ancestors(connection, digest("e"))]
    assert found == [
        ("a", 1, "layer-a"),
        ("d", 1, "layer-d"),
        ("b", 2, "layer-b"),
        ("c", 2, "layer-c"),
    ]
    found = [(r.digest[-1], r.generations, r.name) for r in descendants(connection, digest("a"))]
    assert found == [
        ("b", 1, "layer-b"),
        ("c", 1, "layer-c"),
        ("e", 1, "layer-e"),
        ("d", 2, "layer-d"),
    ]
    assert ancestors(connection, digest("f")) == descendants(connection, digest("f")) == []


def test_the_nearest_common_ancestor_may_be_one_of_the_two(connection: Connection) -> None:
    family(connection, DIAMOND)
    for a, b, expected in (
        ("b", "c", ("a", 1, 1)),
        ("d", "b", ("b", 1, 0)),
        ("e", "c", ("a", 1, 1)),
        ("d", "d", ("d", 0, 0)),
        ("e", "b", ("a", 1, 1)),
    ):
        found = nearest_common_ancestor(connection, digest(a), digest(b))
        assert found is not None
        assert (found.digest[-1], found.generations_a, found.generations_b) == expected
    assert nearest_common_ancestor(connection, digest("a"), digest("f")) is None


def test_a_parent_that_is_not_in_the_library_is_named_by_digest(connection: Connection) -> None:
    family(connection, {"b": "a"})
    (found,) = ancestors(connection, digest("b"))
    assert (found.digest, found.name, found.version) == (digest("a"), "", "")


def test_agrees_with_a_walk_over_random_families(connection: Connection) -> None:
    rng = random.Random(0)
    parents = {
        str(i): [str(p) for p in {rng.randrange(max(0, i - 9), i) for _ in range(2)}] if i else []
        for i in range(80)
    }
    family(connection, parents)

    def walk(start: str) -> dict[str, int]:
        distances, front = {start: 0}, [start]
        while front:
            name = front.pop(0)
            for parent in parents[name]:
                if parent not in distances:
                    distances[parent] = distances[name] + 1
                    front.append(parent)
        return distances

    for name in ("79", "78", "40", "3", "0"):
        expected = {digest(k): v for k, v in walk(name).items() if k != name}
        assert {r.digest: r.generations for r in ancestors(connection, digest(name))} == expected
        assert closure(connection, [digest(name)]) == {digest(name), *expected}
        below = {digest(k) for k in parents if name in walk(k) and k != name}
        assert {r.digest for r in descendants(connection, digest(name))} == below
        a, b = walk(name), walk("77")
        nearest = nearest_common_ancestor(connection, digest(name), digest("77"))
        best = min((a[k] + b[k] for k in a.keys() & b.keys()), default=None)
        assert (nearest and nearest.generations_a + nearest.generations_b) == best


def test_a_forged_circle_ends_every_query_and_is_found(connection: Connection) -> None:
    family(connection, {"a": "c", "b": "a", "c": "b", "d": "c", "e": ()})
    assert [r.generations for r in ancestors(connection, digest("a"))] == [1, 2]
    assert len(descendants(connection, digest("a"))) == 3
    assert closure(connection, [digest("d")]) == {digest(name) for name in "abcd"}
    assert circular(connection) == [digest(name) for name in "abcd"]
