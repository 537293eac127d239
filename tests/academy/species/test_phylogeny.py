"""Descent is recorded once, read in both directions, and drawn as text."""

from __future__ import annotations

import json

import pytest

from academy.errors import PhylogenyError
from academy.species.phylogeny import Node, Phylogeny
from tests.support.phylogeny_text import text_tree


def node(id: str, parents: str = "", born: int = 0, **more: str) -> Node:
    return Node(
        id, "candidate", tuple(parents), "crossover" if parents else "founder", born, **more
    )


@pytest.fixture
def tree() -> Phylogeny:
    """a, b founders; c from a; d from a and b; e from c and d; f from b."""
    return Phylogeny(
        [
            node("a"),
            node("b"),
            node("c", "a", 1),
            node("d", "ab", 2),
            node("e", "cd", 3),
            node("f", "b", 3),
        ]
    )


def test_kin_is_found_in_both_directions(tree: Phylogeny) -> None:
    assert tree.ancestors("e") == {"a", "b", "c", "d"}
    assert tree.descendants("a") == {"c", "d", "e"}
    assert tree.children("a") == ("c", "d")
    for one in tree.nodes:
        assert all(one.id in tree.descendants(above) for above in tree.ancestors(one.id))


def test_the_record_only_grows(tree: Phylogeny) -> None:
    tree.end("c", 4, "outcompeted")
    assert (tree["c"].died, tree["c"].cause) == (4, "outcompeted")
    for wrong in (
        lambda: tree.end("c", 5, "again"),
        lambda: tree.end("e", 1, "unborn"),
        lambda: tree.end("x", 1, "nobody"),
        lambda: tree.rename("c", "late"),
        lambda: tree.add(node("a")),
        lambda: tree.add(node("x", "z", 4)),
        lambda: tree.add(node("x", "e", 1)),
        lambda: tree.add(Node("x", "candidate", (), "founder", 4, died=3)),
    ):
        with pytest.raises(PhylogenyError) as caught:
            wrong()
        assert "\n" not in str(caught.value)
    assert len(tree) == 6


def test_saved_and_restored_records_are_equal(tree: Phylogeny) -> None:
    tree.end("c", 4, "outcompeted")
    back = Phylogeny.restore(json.loads(json.dumps(tree.state())))
    assert back.nodes == tree.nodes and back.children("b") == tree.children("b")
    for bad in ([{}], [{"id": "a", "parents": []}], [{"parents": 3}]):
        with pytest.raises(PhylogenyError, match="no phylogeny"):
            Phylogeny.restore(bad)  # type: ignore[arg-type]


def test_the_text_tree_shows_life_and_further_parents(tree: Phylogeny) -> None:
    tree.end("c", 4, "outcompeted")
    assert text_tree(tree).splitlines() == [
        "a (founder, 0-)",
        "  c (crossover, 1-4 outcompeted)",
        "    e (crossover, 3-) + d",
        "  d (crossover, 2-) + b",
        "b (founder, 0-)",
        "  f (crossover, 3-)",
    ]
    assert text_tree(tree, "species") == ""


def test_long_lines_of_descent_are_drawn_without_recursion() -> None:
    line = Phylogeny([node("0")])
    for i in range(1, 3000):
        line.add(Node(str(i), "candidate", (str(i - 1),), "mutation", i))
    assert len(line.ancestors("2999")) == 2999
    assert len(text_tree(line).splitlines()) == 3000
