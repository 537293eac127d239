"""How large the house is and how it hangs together: the measures of docs/experiments/house.md.

    python tests/house.py [FOLDER]     # of another checkout, to compare

Read from the sources alone, so that any commit can be measured with today's ruler.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

PACKAGES = ("genome", "persona", "academy", "marketplace", "economy", "tui", "seeds")

Graph = Mapping[str, set[str]]


def main() -> None:
    """Print a line for each measure."""
    root = Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()
    sources = {name: path for package in PACKAGES for name, path in _modules(root / package)}
    texts = {name: path.read_text(encoding="utf-8") for name, path in sources.items()}
    trees = {name: ast.parse(text) for name, text in texts.items()}
    graph = {name: _imports(tree, sources) - {name} for name, tree in trees.items()}
    lines = {name: text.count("\n") for name, text in texts.items()}
    print(f"{'':12}{'files':>7}{'lines':>8}{'chain':>7}{'forward':>9}{'one user':>9}")
    users = {name: {one for one in graph if name in graph[one]} for name in graph}
    totals = [0] * 4
    for package in PACKAGES:
        own = [name for name in sources if name.split(".")[0] == package]
        if not own:
            continue
        inside = {name: graph[name] & set(own) for name in own}
        forwarding = sum(_forwards(node) for name in own for node in _functions(trees[name]))
        lonely = sum(len(users[name]) == 1 for name in own)
        row = [len(own), sum(lines[name] for name in own), forwarding, lonely]
        totals = [a + b for a, b in zip(totals, row, strict=True)]
        chain = longest_chain(inside)
        print(f"{package:12}{row[0]:>7}{row[1]:>8}{chain:>7}{row[2]:>9}{row[3]:>9}")
    print(f"{'all':12}{totals[0]:>7}{totals[1]:>8}{'':>7}{totals[2]:>9}{totals[3]:>9}")
    sql = sum(path.read_text().count("\n") for path in root.glob("marketplace/**/*.sql"))
    print(f"SQL lines in marketplace: {sql}")
    tests = [node for path in (root / "tests").rglob("test_*.py") for node in _tests(path)]
    told = sum(ast.get_docstring(node) is not None for node in tests)
    print(f"test functions: {len(tests)}, with a docstring: {told}")
    python = [*texts.values(), *(p.read_text() for p in (root / "tests").rglob("*.py"))]
    mark = "# fmt" + ": skip"
    print(f"{mark}: {sum(text.count(mark) for text in python)}")


def longest_chain(graph: Graph) -> int:
    """Modules on the longest path of imports; what imports each other counts as one."""
    rooms = _circles(graph)
    below = {
        room: {rooms[other] for name in graph if rooms[name] == room for other in graph[name]}
        - {room}
        for room in set(rooms.values())
    }
    depths: dict[str, int] = {}

    def depth(room: str) -> int:
        if room not in depths:
            depths[room] = 1 + max(map(depth, below[room]), default=0)
        return depths[room]

    return max(map(depth, below))


def _circles(graph: Graph) -> dict[str, str]:
    """Each module with one name for all that reach it and that it reaches."""
    reach: dict[str, set[str]] = {}
    for name in graph:
        seen, todo = {name}, [name]
        while todo:
            new = graph[todo.pop()] - seen
            seen |= new
            todo += new
        reach[name] = seen
    return {name: min(one for one in reach[name] if name in reach[one]) for name in graph}


def _modules(package: Path) -> Iterator[tuple[str, Path]]:
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package.parent).with_suffix("").parts
        yield ".".join(part for part in parts if part != "__init__"), path


def _imports(tree: ast.Module, known: Mapping[str, Path]) -> set[str]:
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                found.add(full if full in known else node.module)
    return found & set(known)


def _functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def _forwards(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether a public function is one call that hands its own arguments on, and no more."""
    body = node.body[1:] if ast.get_docstring(node) is not None else node.body
    if node.name.startswith("_") or len(body) != 1:
        return False
    only = body[0]
    call = only.value if isinstance(only, ast.Return | ast.Expr) else None
    if isinstance(call, ast.Await):
        call = call.value
    if not isinstance(call, ast.Call):
        return False
    own = {one.arg for one in (*node.args.args, *node.args.kwonlyargs)} - {"self", "cls"}
    return bool(own) and bool(call.args or call.keywords) and _plain(call, own)


def _plain(node: ast.expr, own: set[str]) -> bool:
    """An argument, a constant, something of `self`, or a call or lambda made of such."""
    if isinstance(node, ast.Constant):
        return True
    if isinstance(node, ast.Starred):
        return _plain(node.value, own)
    if isinstance(node, ast.Lambda):
        return _plain(node.body, own | {one.arg for one in node.args.args})
    if isinstance(node, ast.Call):
        return all(_plain(one, own) for one in (*node.args, *(w.value for w in node.keywords)))
    while isinstance(node, ast.Attribute):
        node = node.value
    return isinstance(node, ast.Name) and node.id in own | {"self"}


def _tests(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return (node for node in _functions(tree) if node.name.startswith("test_"))


if __name__ == "__main__":
    main()
