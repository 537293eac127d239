"""The tree of descent as text: Newick for other programs, an indented tree for people.

Newick after Olsen 1990 ("Newick's 8:45"): labels are quoted, a branch is as long as the
generations between two births. Both drawings follow first parents only.
"""

from __future__ import annotations

from academy.species.phylogeny import Node, Phylogeny


def text_tree(phylogeny: Phylogeny, kind: str | None = None) -> str:
    """One line per node, children below their parent and further in.

    For example:
        helper-1 (founder, 0-)
          sorter-1 (split, 3-9 outcompeted)
    """
    roots, children = _forest(phylogeny, kind)
    depth = {root.id: 0 for root in roots}
    lines = []
    for node in _depth_first(roots, children):
        depth |= {child.id: depth[node.id] + 1 for child in children[node.id]}
        end = "" if node.died is None else str(node.died)
        life = f"{node.born}-{end}{f' {node.cause}' if node.cause else ''}"
        more = f" + {', '.join(node.parents[1:])}" if len(node.parents) > 1 else ""
        lines.append(
            f"{'  ' * depth[node.id]}{node.name or node.id} ({node.operator}, {life}){more}"
        )
    return "\n".join(lines)


def _forest(phylogeny: Phylogeny, kind: str | None) -> tuple[list[Node], dict[str, list[Node]]]:
    nodes = [node for node in phylogeny.nodes if kind is None or node.kind == kind]
    children: dict[str, list[Node]] = {node.id: [] for node in nodes}
    roots: list[Node] = []
    for node in nodes:
        parent = _first_parent(phylogeny, node, kind)
        (children[parent] if parent else roots).append(node)
    return roots, children


def _first_parent(phylogeny: Phylogeny, node: Node, kind: str | None) -> str | None:
    kin = (p for p in node.parents if kind is None or phylogeny[p].kind == kind)
    return next(kin, None)


def _depth_first(roots: list[Node], children: dict[str, list[Node]]) -> list[Node]:
    """Parents before children; without recursion, for lines of thousands of generations."""
    order, waiting = [], roots[::-1]
    while waiting:
        node = waiting.pop()
        order.append(node)
        waiting.extend(reversed(children[node.id]))
    return order


def _quoted(node: Node) -> str:
    return "'" + (node.name or node.id).replace("'", "''") + "'"
