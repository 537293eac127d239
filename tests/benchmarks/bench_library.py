"""How fast a library of ten thousand layers opens, lists and filters.

    python -m tests.benchmarks.bench_library [--n 10000]

One thread, medians of eleven calls. The folders hold manifests only: no weights are read.
"""

from __future__ import annotations

import argparse
import hashlib
import tempfile
from pathlib import Path
from typing import Any

from genome.library import Library, Manifest, Parent, Receipt
from tests.benchmarks.measure import Board, interleaved

FILTERS: dict[str, dict[str, Any]] = {
    "all": {},
    "by base model": {"base_model": "base-1"},
    "by licence": {"licence": "MIT"},
    "by skill": {"skill": "skill-1"},
    "by creator (all of them)": {"creator": ""},
    "by name": {"name": "layer-9"},
    "by kind": {"kind": "project"},
    "by tag": {"tag": "tag-1"},
    "the hundred most accurate": {"order": "accuracy", "limit": 100},
}


def digest(i: int) -> str:
    """Stands in for the digest of layer i."""
    return hashlib.sha256(str(i).encode()).hexdigest()


def manifest(i: int) -> Manifest:
    """One of many layers: three versions of each name, five bases, twenty skills."""
    return Manifest(
        f"layer-{i // 3}",
        f"base-{i % 5}",
        f"what layer {i} can do",
        version=f"1.0.{i % 3}",
        kind=("domain", "project")[i % 2],
        licence=("Apache-2.0", "MIT", "CC-BY-4.0")[i % 3],
        parents=tuple(Parent(digest(p)) for p in {i // 2, i // 3} if p != i),
        receipts=(Receipt(f"skill-{i % 20}", 400, i % 400, 100), Receipt("reading", 50, 9, 9)),
        tags=(f"tag-{i % 50}", "all"),
        digest=digest(i),
        files={"adapter_config.json": "0" * 64},
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--n", type=int, default=10_000)
    args = parser.parse_args()
    board = Board("library")
    with tempfile.TemporaryDirectory() as home:
        layers = Path(home) / "library" / "layers"
        layers.mkdir(parents=True)
        for i in range(args.n):
            (layers / digest(i)).mkdir()
            (layers / digest(i) / "manifest.json").write_bytes(manifest(i).to_json())
        library = Library.open(home)
        assert len(library.find()) == args.n
        cases: dict[str, Any] = {"open": lambda: Library.open(home)}
        for name, conditions in FILTERS.items():
            cases[name] = lambda conditions=conditions: library.find(**conditions)
        seconds = interleaved(cases, 11)
    for name, taken in seconds.items():
        board.add(name, taken * 1e3, "<= 100" if name == "open" else "<= 50", "ms")
    board.close(n=args.n)


if __name__ == "__main__":
    main()
