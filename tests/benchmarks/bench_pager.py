"""How long it takes until a layer runs, from each tier, and PEFT for the same layer.

    python -m tests.benchmarks.bench_pager [--large] [--rounds 200]

Hot: its slot is taken on lease and the rows are opened. Warm: copied from memory into a slot.
Cold: read from the library's folder, validated, its digest checked, copied. PEFT: `load_adapter`
of the same folder, then `set_adapter`. Each is timed until a forward pass could start. `--large`
adds a base of one billion parameters' shape with random weights (6 GB of memory).
"""

from __future__ import annotations

import argparse
import copy
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from peft import LoraConfig, get_peft_model

from genome.library import Library
from genome.pager import GenomeRef, Pager, PagerLimits
from genome.population import PopulationModel
from genome.shelf.manifest import Manifest
from tests.benchmarks.bases import RANK, TARGETS, billion, llama
from tests.benchmarks.measure import Board
from tests.support.genome import random_layer


def measure(board: Board, name: str, model: Any, home: Path, *, rounds: int, n_layers: int) -> None:
    """All tiers for one base, taken in turn."""
    library = Library.open(home)
    digests = []
    for i in range(n_layers):
        layer = random_layer(model, "bench", rank=RANK, scale=0.02, seed=i)
        digests.append(library.add(layer, Manifest(name=f"layer-{i}", base_model="bench")))
    refs = [GenomeRef.of(digest) for digest in digests]
    population = PopulationModel(model)
    slot = population.reserve(1, RANK)
    layer_bytes = library.get(digests[0]).n_bytes
    limits = PagerLimits(hot_bytes=2 * slot, warm_bytes=(n_layers + 1) * layer_bytes, rank=RANK)
    warm_pager = Pager(population, library.get, "bench", limits)
    cold_population = PopulationModel(model)
    cold_pager = Pager(
        cold_population, library.get, "bench", PagerLimits(2 * slot, warm_bytes=0, rank=RANK)
    )
    config = LoraConfig(r=RANK, lora_alpha=RANK, target_modules=TARGETS)
    peft = get_peft_model(copy.deepcopy(model), config, adapter_name="first").eval()
    warm_pager.prefetch(refs).result()

    def activate(pager: Pager, ref: GenomeRef) -> float:
        started = time.perf_counter()
        with pager.lease([ref]) as lease, pager.population.rows(lease.slots):
            return time.perf_counter() - started

    def with_peft(digest: str) -> float:
        started = time.perf_counter()
        peft.load_adapter(str(library.path(digest)), adapter_name="next")
        peft.set_adapter("next")
        taken = time.perf_counter() - started
        peft.set_adapter("first")
        peft.delete_adapter("next")
        return taken

    def switched() -> float:
        started = time.perf_counter()
        peft.set_adapter("first")
        return time.perf_counter() - started

    times: dict[str, list[float]] = {"hot": [], "warm": [], "cold": [], "peft": [], "switch": []}
    for i in range(rounds):
        ref, digest = refs[i % n_layers], digests[i % n_layers]
        times["warm"].append(activate(warm_pager, ref))
        times["hot"].append(activate(warm_pager, ref))
        cold_pager.evict(ref)
        times["cold"].append(activate(cold_pager, ref))
        if i < max(10, rounds // 10):
            times["peft"].append(with_peft(digest))
        times["switch"].append(switched())
    bars = {"hot": "<= 1", "warm": "<= 5", "cold": "<= 50"}
    peft_ms = float(np.median(times["peft"])) * 1e3
    board.add(f"{name}: PEFT load_adapter + set_adapter, p50", peft_ms, "", "ms")
    board.add(
        f"{name}: PEFT set_adapter alone, p50", float(np.median(times["switch"])) * 1e3, "", "ms"
    )
    for tier, bar in bars.items():
        p50, p99 = (float(np.percentile(times[tier], q)) * 1e3 for q in (50, 99))
        board.add(f"{name}: {tier} -> active, p50", p50, bar, "ms")
        board.add(f"{name}: {tier} -> active, p99", p99, bar, "ms")
        board.add(f"{name}: PEFT / {tier}", peft_ms / p50, ">= 20" if tier == "hot" else "", "x")
    stats = warm_pager.stats()
    assert stats.hot_hits == rounds
    assert stats.loads == n_layers
    board.add(f"{name}: bytes of one slot", slot / 1e6, "", "MB")
    warm_pager.close()
    cold_pager.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--large", action="store_true")
    args = parser.parse_args()
    warnings.filterwarnings("ignore")
    torch.set_num_threads(args.threads)
    board = Board("pager")
    with tempfile.TemporaryDirectory() as home:
        measure(board, "128 wide", llama(128, 320), Path(home), rounds=args.rounds, n_layers=8)
    if args.large:
        with tempfile.TemporaryDirectory() as home:
            measure(
                board,
                "1.1 B",
                billion(),
                Path(home),
                rounds=max(20, args.rounds // 10),
                n_layers=3,
            )
    board.close(threads=args.threads, rounds=args.rounds)


if __name__ == "__main__":
    main()
