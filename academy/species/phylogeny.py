"""Who descends from whom: an append-only record of species and candidates.

A node is written when it is born and gets its end when it dies; nothing is ever removed, and
the dead do not change. Crossover gives a node several parents, so the record is a graph; Newick
and the text tree, which know one parent only, follow the first.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace

from academy.errors import PhylogenyError


@dataclass(frozen=True)
class Node:
    """A species or a candidate, and where it comes from."""

    id: str
    kind: str
    """`species` or `candidate`."""
    parents: tuple[str, ...]
    """First the one it takes most after; empty for founders."""
    operator: str
    """What made it: `founder`, `split`, `crossover`, ..."""
    born: int
    """Generation."""
    name: str = ""
    """Shown instead of the id if given."""
    died: int | None = None
    cause: str | None = None


class Phylogeny:
    """All nodes so far, in the order of their birth."""

    def __init__(self, nodes: Iterable[Node] = ()) -> None:
        self._nodes: dict[str, Node] = {}
        self._children: dict[str, list[str]] = {}
        for node in nodes:
            self.add(node)

    def __len__(self) -> int:
        return len(self._nodes)

    def __contains__(self, id: str) -> bool:
        return id in self._nodes

    def __getitem__(self, id: str) -> Node:
        try:
            return self._nodes[id]
        except KeyError:
            raise PhylogenyError(f"nobody called {id!r} is recorded: `add` it first") from None

    @property
    def nodes(self) -> tuple[Node, ...]:
        """Every node, older first."""
        return tuple(self._nodes.values())

    def add(self, node: Node) -> None:
        """Record a birth.

        Raises:
            PhylogenyError: The id is taken, a parent is unknown or younger, or it died unborn.
        """
        if node.id in self._nodes:
            raise PhylogenyError(f"{node.id!r} is recorded already: give every node its own id")
        for parent in node.parents:
            if self[parent].born > node.born:
                raise PhylogenyError(
                    f"{node.id!r} is born in generation {node.born}, before its parent {parent!r} "
                    f"({self[parent].born}): record parents first"
                )
        if node.died is not None and node.died < node.born:
            raise PhylogenyError(
                f"{node.id!r} is born in generation {node.born} but dead in {node.died}: swap them"
            )
        self._nodes[node.id] = node
        for parent in dict.fromkeys(node.parents):
            self._children.setdefault(parent, []).append(node.id)

    def end(self, id: str, generation: int, cause: str) -> None:
        """Record a death.

        Raises:
            PhylogenyError: Nobody of that id, dead already, or not born yet.
        """
        node = self[id]
        if node.died is not None or generation < node.born:
            raise PhylogenyError(
                f"{id!r} cannot die in generation {generation}: born {node.born}, "
                f"died {node.died}; record each death once, after the birth"
            )
        self._nodes[id] = replace(node, died=generation, cause=cause)

    def rename(self, id: str, name: str) -> None:
        """Show a living node under another name; its id stays.

        Raises:
            PhylogenyError: Nobody of that id, or dead already.
        """
        if self[id].died is not None:
            raise PhylogenyError(
                f"{id!r} died in generation {self[id].died}: rename the living only"
            )
        self._nodes[id] = replace(self[id], name=name)

    def children(self, id: str) -> tuple[str, ...]:
        """Everybody with `id` among the parents, older first."""
        return tuple(self._children.get(self[id].id, ()))

    def ancestors(self, id: str) -> set[str]:
        """Parents, their parents and so on, without `id` itself."""
        return self._reach(id, {i: n.parents for i, n in self._nodes.items()})

    def descendants(self, id: str) -> set[str]:
        """Children, their children and so on, without `id` itself."""
        return self._reach(id, self._children)

    def state(self) -> list[dict[str, object]]:
        """Everything as plain JSON, one record per node."""
        return [asdict(node) | {"parents": list(node.parents)} for node in self._nodes.values()]

    @classmethod
    def restore(cls, records: Iterable[Mapping[str, object]]) -> Phylogeny:
        """The phylogeny that `state` describes.

        Raises:
            PhylogenyError: It is none.
        """
        try:
            nodes = [Node(**r | {"parents": tuple(r["parents"])}) for r in map(dict, records)]  # type: ignore[arg-type]
            return cls(nodes)
        except (KeyError, TypeError, ValueError) as cause:
            raise PhylogenyError(f"this is no phylogeny ({cause}): use an older copy") from None

    def _reach(self, id: str, steps: Mapping[str, Iterable[str]]) -> set[str]:
        seen: set[str] = set()
        waiting = list(steps.get(self[id].id, ()))
        while waiting:
            one = waiting.pop()
            if one not in seen:
                seen.add(one)
                waiting.extend(steps.get(one, ()))
        return seen
