"""How fast the index is at one million layers, each measure beside its bar.

    python -m tests.benchmarks.bench_index [--n 1000000] [--seed 0] [--threads 2] [--hard] [--plain]

Vectors are `clustered`: unit vectors 128 wide, around random centres, each coordinate moved by
spread / sqrt(width) times a standard normal number. Queries come from the same centres and are
not indexed. The main measures use 2,000 centres with spread 0.7: skills with 500 layers each.
`--hard` repeats build and search on
    tiny     10,000 centres: under the filter, the ten nearest reach beyond the own centre
    broad    200 centres, spread 1.0: 5,000 layers each, neighbours hardly nearer than the rest
    none     no centres: the ten nearest of a random point, where lists cannot help much
`--plain` builds FAISS's IVF4096,Flat in the same run, and times its queries in turn with ours.

Filters: `tenth` keeps 10 % at random, `region` the 10 % most similar to a random direction (far
from most queries), `rare` 1 in 10,000. Recall is the share of the true ten nearest (exact search
over the allowed) among the ten returned. Latency is of one query at a time, everything included.
The last line is JSON.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import faiss
import numpy as np

from genome.search.index import Attributes, AttributeTable, Filter, Index
from tests.benchmarks.measure import Board

WIDTH = 128
K = 10
N_QUERIES = 1_000
FILTERS = {
    "no filter": None,
    "tenth": Filter(base_model="base-0"),
    "region": Filter(licences=frozenset({"region"})),
    "rare": Filter(max_price_nanos=0),
}
VARIANTS = {"main": (2_000, 0.7), "tiny": (10_000, 0.7), "broad": (200, 1.0), "none": (0, 1.0)}


def clustered(n: int, variant: str, rng: np.random.Generator) -> np.ndarray:
    """Unit vectors as the module describes them, (n, WIDTH) float32."""
    n_centres, spread = VARIANTS[variant]
    centres = rng.standard_normal((max(n_centres, 1), WIDTH), dtype=np.float32)
    centres *= (n_centres > 0) / np.linalg.norm(centres, axis=1, keepdims=True)
    vectors = np.empty((n, WIDTH), np.float32)
    for start in range(0, n, 100_000):
        stop = min(n, start + 100_000)
        noise = rng.standard_normal((stop - start, WIDTH), dtype=np.float32)
        noise *= spread / np.sqrt(WIDTH)
        noise += centres[rng.integers(len(centres), size=stop - start)]
        vectors[start:stop] = noise / np.linalg.norm(noise, axis=1, keepdims=True)
    return vectors


def digest(i: int) -> str:
    """A key as layers have it."""
    return hashlib.sha256(b"%d" % i).hexdigest()


class Data:
    """Vectors, keys, attributes, queries and the true nearest under every filter."""

    def __init__(self, n: int, variant: str, seed: int) -> None:
        rng = np.random.default_rng(seed)
        everything = clustered(n + N_QUERIES, variant, rng)
        self.vectors, self.queries = everything[:n], everything[n:].copy()
        self.keys = [digest(i) for i in range(n)]
        base = rng.integers(10, size=n)
        toward = self.vectors @ clustered(1, "none", rng)[0]
        in_region = toward >= np.quantile(toward, 0.9)
        price = rng.integers(1, 10**10, size=n)
        price[rng.choice(n, max(n // 10_000, 20), replace=False)] = 0
        self.table = AttributeTable(
            [f"base-{code}" for code in base],
            ["region" if inside else "mit" for inside in in_region],
            rng.integers(10**7, size=n),
            price,
        )
        masks = {"no filter": None, "tenth": base == 0, "region": in_region, "rare": price == 0}
        self.truth = {name: self._nearest(mask) for name, mask in masks.items()}

    def _nearest(self, mask: np.ndarray | None) -> list[set[str]]:
        rows = np.arange(len(self.keys)) if mask is None else np.flatnonzero(mask)
        _, found = faiss.knn(
            self.queries,
            self.vectors[rows] if mask is not None else self.vectors,
            K,
            metric=faiss.METRIC_INNER_PRODUCT,
        )
        return [{self.keys[rows[i]] for i in hits} for hits in found]


def milliseconds(action: Callable[[int], object], n: int) -> np.ndarray:
    """How long each of n calls took."""
    taken = np.empty(n)
    for i in range(n):
        start = time.perf_counter()
        action(i)
        taken[i] = 1e3 * (time.perf_counter() - start)
    return taken


def resident_mb(kind: str = "VmRSS") -> float:
    """Memory of this process; RssAnon = what cannot be dropped, RssFile = mapped pages."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(kind + ":"):
            return int(line.split()[1]) / 1024
    return float("nan")


def measure_search(index: Index, data: Data, table: Board, prefix: str, *, barred: bool) -> None:
    """Recall and latency under each filter; bars on the first two."""
    for name, where in FILTERS.items():
        has_bar = barred and name in ("no filter", "tenth")
        start = time.perf_counter()
        index.nearest(data.queries[:1], K, where=where)
        first = 1e3 * (time.perf_counter() - start)
        hits: list[list[tuple[str, float]]] = [[]] * N_QUERIES

        def search(i: int, where: Filter | None = where, hits: list = hits) -> None:  # type: ignore[type-arg]
            hits[i] = index.nearest(data.queries[i : i + 1], K, where=where)[0]

        taken = milliseconds(search, N_QUERIES)
        found = sum(
            len(t & {key for key, _ in h}) for t, h in zip(data.truth[name], hits, strict=True)
        )
        recall = found / sum(map(len, data.truth[name]))
        label = f"{prefix}{name}: "
        table.add(label + "recall@10", recall, ">= 0.95" if has_bar else "")
        table.add(label + "p50 ms", float(np.percentile(taken, 50)))
        table.add(label + "p99 ms", float(np.percentile(taken, 99)), "<= 1" if has_bar else "")
        if where is not None:
            table.add(label + "first use ms", first)


def measure_plain(index: Index, data: Data, table: Board) -> None:
    """FAISS's own IVF4096,Flat and exact search, in turn with ours."""
    start = time.perf_counter()
    n_lists = 4096 if len(data.keys) >= 500_000 else 1024
    plain = faiss.index_factory(WIDTH, f"IVF{n_lists},Flat", faiss.METRIC_INNER_PRODUCT)
    plain.train(data.vectors)
    plain.add(data.vectors)
    table.add(f"plain IVF{n_lists},Flat: build s", time.perf_counter() - start)
    flat = faiss.IndexFlatIP(WIDTH)
    flat.add(data.vectors)
    parameters = faiss.SearchParametersIVF(nprobe=8)
    taken: dict[str, list[float]] = {"ours": [], "plain": [], "exact": []}
    hits = 0
    for i in range(N_QUERIES):
        query = data.queries[i : i + 1]
        taken["ours"].append(float(milliseconds(lambda _, q=query: index.nearest(q, K), 1)[0]))
        start = time.perf_counter()
        _, rows = plain.search(query, K, params=parameters)
        taken["plain"].append(1e3 * (time.perf_counter() - start))
        hits += len(data.truth["no filter"][i] & {data.keys[row] for row in rows[0]})
        if i < 20:
            taken["exact"].append(float(milliseconds(lambda _, q=query: flat.search(q, K), 1)[0]))
    table.add("plain, nprobe 8: recall@10", hits / (K * N_QUERIES))
    for name, values in taken.items():
        table.add(f"in turn, {name}: p50 ms", float(np.percentile(values, 50)))
        table.add(f"in turn, {name}: p99 ms", float(np.percentile(values, 99)))


def measure_writes(index: Index, data: Data, table: Board, rng: np.random.Generator) -> None:
    """One layer at a time, then the readers' latency while everything is merged."""
    n = 500
    extra = clustered(n, "none", rng)
    chosen = [data.keys[i] for i in rng.choice(len(data.keys), 3 * n, replace=False)]
    some = Attributes("base-1", "mit", 1, 1)
    actions: dict[str, Callable[[int], object]] = {
        "add": lambda i: index.add(digest(-1 - i), extra[i], some),
        "update vector of": lambda i: index.update(chosen[i], extra[i]),
        "update attributes of": lambda i: index.update(chosen[n + i], attributes=some),
        "delete": lambda i: index.delete(chosen[2 * n + i]),
    }
    for name, action in actions.items():
        taken = milliseconds(action, n)
        table.add(f"{name} one layer: p50 ms", float(np.percentile(taken, 50)))
        table.add(f"{name} one layer: p99 ms", float(np.percentile(taken, 99)), "<= 10")
    taken = milliseconds(lambda i: index.nearest(data.queries[i : i + 1], K), N_QUERIES)
    table.add("after these writes, no filter: p99 ms", float(np.percentile(taken, 99)), "<= 1")
    where = FILTERS["tenth"]
    taken = milliseconds(
        lambda i: index.nearest(data.queries[i : i + 1], K, where=where), N_QUERIES
    )
    table.add("after these writes, tenth: p99 ms", float(np.percentile(taken, 99)), "<= 1")

    more = clustered(index.limits.fresh_rows, "none", rng)
    index.add_many([digest(-1 - n - i) for i in range(len(more))], more)  # starts the merge
    done = threading.Event()
    waiter = threading.Thread(target=lambda: (index.settle(), done.set()))
    start = time.perf_counter()
    waiter.start()
    during: list[float] = []
    while not done.is_set():
        i = len(during) % N_QUERIES
        during += milliseconds(lambda _, i=i: index.nearest(data.queries[i : i + 1], K), 1).tolist()
    waiter.join()
    table.add("merging 5,000 writes in the background: s", time.perf_counter() - start)
    table.add("searches meanwhile: p50 ms", float(np.percentile(during, 50)))
    table.add("searches meanwhile: p99 ms", float(np.percentile(during, 99)))
    table.add("searches meanwhile: worst ms", max(during))


def measure_saved(folder: Path, queries: np.ndarray) -> dict[str, float]:
    """In a fresh process: open, first search, a thousand searches, memory."""
    before = resident_mb()
    start = time.perf_counter()
    index = Index.open(folder)
    opened = time.perf_counter() - start
    first = float(milliseconds(lambda _: index.nearest(queries[:1], K), 1)[0])
    at_open = resident_mb() - before
    where = FILTERS["tenth"]
    taken = milliseconds(lambda i: index.nearest(queries[i : i + 1], K), len(queries))
    again = milliseconds(lambda i: index.nearest(queries[i : i + 1], K), len(queries))
    tenth = milliseconds(lambda i: index.nearest(queries[i : i + 1], K, where=where), len(queries))
    return {
        "open a saved index: s": opened,
        "opened: first search ms": first,
        "opened: memory after one search MB": at_open,
        "opened: first thousand searches p99 ms": float(np.percentile(taken, 99)),
        "opened: second thousand searches p99 ms": float(np.percentile(again, 99)),
        "opened: a thousand filtered searches p99 ms": float(np.percentile(tenth, 99)),
        "opened: memory after 3,000 searches MB": resident_mb() - before,
        "opened: of that not droppable MB": resident_mb("RssAnon"),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--n", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--hard", action="store_true", help="also the harder vectors")
    parser.add_argument("--plain", action="store_true", help="also FAISS's plain IVF, in turn")
    parser.add_argument("--opened", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if os.environ.get("OPENBLAS_NUM_THREADS") != str(arguments.threads):  # read on import
        count = {f"{name}_NUM_THREADS": str(arguments.threads) for name in ("OPENBLAS", "OMP")}
        again = [sys.executable, "-m", "tests.benchmarks.bench_index", *sys.argv[1:]]
        os.execve(sys.executable, again, os.environ | count)
    if arguments.opened is not None:
        queries = np.load(arguments.opened.parent / "queries.npy")
        print(json.dumps(measure_saved(arguments.opened, queries)))
        return

    table = Board("index")
    data = Data(arguments.n, "main", arguments.seed)
    before = resident_mb()
    start = time.perf_counter()
    index = Index(data.keys, data.vectors, data.table, seed=arguments.seed)
    table.add("build: s", time.perf_counter() - start, "<= 60")
    table.add("built: memory MB", resident_mb() - before)
    measure_search(index, data, table, "", barred=True)
    start = time.perf_counter()
    index.nearest(data.queries, K)
    table.add("batch of 1,000: queries/s", N_QUERIES / (time.perf_counter() - start))
    if arguments.plain:
        measure_plain(index, data, table)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "index"
        np.save(Path(temporary) / "queries.npy", data.queries)
        start = time.perf_counter()
        index.save(folder)
        table.add("save: s", time.perf_counter() - start)
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        table.add("saved: MB", size / 2**20)
        opened = ["--opened", str(folder), "--threads", str(arguments.threads)]
        command = [sys.executable, "-m", "tests.benchmarks.bench_index", *opened]
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        bars = dict.fromkeys(
            ("open a saved index: s", "opened: second thousand searches p99 ms"), "<= 1"
        )
        for name, value in json.loads(output.splitlines()[-1]).items():
            table.add(name, value, bars.get(name, ""))
        measure_writes(index, data, table, np.random.default_rng(arguments.seed + 1))
        start = time.perf_counter()
        index.save(folder)
        table.add("save after the merge: s", time.perf_counter() - start)
        index.add(digest(-(10**6)), data.queries[0])
        start = time.perf_counter()
        index.save(folder)
        table.add("save one more layer: s", time.perf_counter() - start)
    if arguments.hard:
        for variant in ("tiny", "broad", "none"):
            del index
            data = Data(arguments.n, variant, arguments.seed)
            start = time.perf_counter()
            index = Index(data.keys, data.vectors, data.table, seed=arguments.seed)
            table.add(f"{variant}: build s", time.perf_counter() - start)
            measure_search(index, data, table, f"{variant}, ", barred=False)
    facts = {"n": arguments.n, "seed": arguments.seed, "threads": arguments.threads}
    table.close(**facts)


if __name__ == "__main__":
    main()
