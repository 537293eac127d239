"""Many personas answered at once on a real base, against one after the other and against PEFT.

    python -m tests.benchmarks.bench_engine [FOLDER] [--rounds 3] [--threads 2] [--dtype bfloat16]
    python -m tests.benchmarks.bench_engine FOLDER --many

FOLDER holds SmolLM2-135M-Instruct or another causal LM; default CONTINUUM_REAL_BASE. Sixteen layers
of rank 8 on all linear maps, random and small, each asked one question for 24 tokens; the bars
are float32's where nothing else is said.
What is compared is taken in turn in this process. `--many`: ten thousand requests for a thousand
personas, whose popularity is Zipf's, with sixteen slots; layers come from a library on disk.
"""

from __future__ import annotations

import argparse
import copy
import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from threading import Event
from typing import Any

import numpy as np
import psutil
import torch

from genome.base_model import PRECISIONS, BaseModel
from genome.genome import Genome
from genome.layer import Layer
from genome.library import Library, Manifest
from persona import engine as engine_module
from persona.engine import Engine
from persona.sampling import Said, Sampling
from tests.benchmarks.bases import RANK
from tests.benchmarks.bench_base import with_adapters
from tests.benchmarks.measure import Board, interleaved
from tests.support.genome import dense_updates, random_layer

N, TOKENS = 16, 24
TOPICS = "rivers bread clocks trains winter gold bees salt maps glass rain ships wool tea stone ink"
QUESTIONS = [f"Tell me something about {topic}." for topic in TOPICS.split()]


def asked(question: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": question}]


class Ear:
    """When each token of a stream came."""

    def __init__(self) -> None:
        self.tokens: list[int] = []
        self.times: list[float] = []
        self.over = Event()

    def __call__(self, told: Any) -> None:
        if isinstance(told, Said):
            self.tokens.append(told.token)
            self.times.append(time.perf_counter())
        else:
            self.over.set()


def at_once(engine: Engine, genomes: Sequence[Genome]) -> list[list[int]]:
    """Everybody's answer to a question each."""
    ears = [Ear() for _ in genomes]
    for genome, question, ear in zip(genomes, QUESTIONS, ears, strict=False):
        engine.submit(genome, asked(question), ear, Sampling(max_tokens=TOKENS))
    for ear in ears:
        ear.over.wait()
    return [ear.tokens for ear in ears]


def peft_one_by_one(base: BaseModel, layers: Sequence[Layer]) -> Any:
    """`set_adapter` and `generate` for one after the other."""
    peft = with_adapters(base, layers)
    prompts = [torch.tensor(base.prompt_ids([q])) for q in QUESTIONS[: len(layers)]]

    def run() -> None:
        for i, ids in enumerate(prompts):
            peft.set_adapter(f"g{i}")
            generate(base, peft, ids)

    return run


def generate(base: BaseModel, model: Any, ids: torch.Tensor) -> None:
    """Greedy, as long as ours."""
    model.generate(
        input_ids=ids,
        attention_mask=torch.ones_like(ids),
        do_sample=False,
        max_new_tokens=TOKENS,
        eos_token_id=list(base.spelling.ends),
        pad_token_id=base.tokenizer.pad_token_id,
    )


def merged(base: BaseModel, genome: Genome) -> Any:
    """A copy of the model with the layers in its weights, and the kernels its users have."""
    model = copy.deepcopy(base.model)
    model.set_attn_implementation("sdpa")
    for name, update in dense_updates(genome).items():
        model.get_submodule(name).weight.data += update
    return model


def gaps(engine: Engine, genomes: Sequence[Genome]) -> tuple[float, float]:
    """Median seconds between two tokens of eight streams, and the longest once a prompt joins."""
    ears = [Ear() for _ in range(8)]
    for genome, question, ear in zip(genomes, QUESTIONS, ears, strict=False):
        engine.submit(genome, asked(question), ear, Sampling(max_tokens=60))
    while len(ears[0].tokens) < 30:
        time.sleep(0.001)
    joined = time.perf_counter()
    engine.submit(genomes[8], asked("rain and snow " * 330), late := Ear(), Sampling(max_tokens=2))
    for ear in (*ears, late):
        ear.over.wait()
    pairs = [(b, b - a) for ear in ears for a, b in zip(ear.times, ear.times[1:], strict=False)]
    median = statistics.median(gap for at, gap in pairs if at < joined)
    return median, max(gap for at, gap in pairs if at > joined)


def again(base: BaseModel, genome: Genome, rounds: int) -> float:
    """Seconds to the first token of 400, over those where all but some 20 were read before."""
    cold, warm = [], []
    for i in range(rounds):
        head = f"Note {i}: " + "rain and snow " * 115
        engine, unread = Engine(base), Engine(base, prefix_bytes=0)
        for one in (engine, unread):  # products are prepacked with the first token
            first_token_of(one, genome, "hello")
        first_token_of(engine, genome, head + "first")
        cold.append(first_token_of(unread, genome, head + "and now the last of all"))
        warm.append(first_token_of(engine, genome, head + "and now the last of all"))
    return statistics.median(cold) / statistics.median(warm)


def first_token_of(engine: Engine, genome: Genome, question: str) -> float:
    """Seconds until it comes; afterwards the engine is at rest."""
    start = time.perf_counter()
    next(engine.stream(genome, asked(question), Sampling(max_tokens=1)))
    taken = time.perf_counter() - start
    engine.close()
    return taken


def first_token(engine: Engine, genomes: Sequence[Genome]) -> float:
    """Seconds until the last of so many that ask at once hears its first token."""
    ears, start = [Ear() for _ in genomes], time.perf_counter()
    for genome, question, ear in zip(genomes, QUESTIONS, ears, strict=False):
        engine.submit(genome, asked(question), ear, Sampling(max_tokens=1))
    for ear in ears:
        ear.over.wait()
    return max(ear.times[0] for ear in ears) - start


def many(base: BaseModel, n_personas: int = 1000, n_requests: int = 10_000) -> None:
    """Memory, and how often a request had to wait for its layer."""
    board, rng, process = Board("engine many"), np.random.default_rng(0), psutil.Process()
    engine_module.HOT = 1  # as many slots as rows
    engine = Engine(base, rows=N, prefix_bytes=16 << 20)  # full long before the first thousand
    waits: list[float] = []
    sizes: list[int] = []
    with tempfile.TemporaryDirectory() as home:
        library = Library.open(home)
        digests = []
        for seed in range(n_personas):
            layer = random_layer(base.model, base.fingerprint, rank=RANK, scale=0.003, seed=seed)
            digests.append(library.add(layer, Manifest(f"layer-{seed}", base.fingerprint)))
        ranks = np.arange(1, n_personas + 1)
        chosen = rng.choice(n_personas, n_requests, p=(1 / ranks) / (1 / ranks).sum())
        start = time.perf_counter()
        for batch in range(0, n_requests, 16):
            ears = []
            for i in chosen[batch : batch + 16]:
                began = time.perf_counter()
                genome = Genome.of(library.get(digests[i]))
                waits.append(time.perf_counter() - began)
                ears.append(Ear())
                question = asked(QUESTIONS[i % N])
                engine.submit(genome, question, ears[-1], Sampling(max_tokens=4))
            for ear in ears:
                ear.over.wait()
            sizes.append(process.memory_info().rss)
        taken = time.perf_counter() - start
        engine.close()
    pager = engine.stats().pager
    assert pager and pager.slots == N
    first = sizes[len(sizes) // 10]
    board.add("requests a second", n_requests / taken, "", "/s")
    board.add("memory after 10,000 / after 1,000", sizes[-1] / first, "<= 1.02")
    board.add(
        "1,000 personas, 16 slots: requests that waited for a layer", pager.loads / n_requests
    )
    board.add("reading a layer from the library, median", statistics.median(waits) * 1e3, "", "ms")
    board.add("a layer into its slot, p99", pager.times["cold"].p99_ms, "", "ms")
    board.close()


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", nargs="?", default=os.environ.get("CONTINUUM_REAL_BASE"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--dtype", choices=PRECISIONS, default="float32")
    parser.add_argument("--many", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    base = BaseModel.load(options.folder, dtype=options.dtype)
    if options.many:
        many(base)
        return
    half = options.dtype == "bfloat16"
    layers = [
        random_layer(base.model, base.fingerprint, rank=RANK, scale=0.003, seed=s) for s in range(N)
    ]
    genomes = [Genome.of(layer) for layer in layers]
    engine, single = (Engine(base, rows=n, prefix_bytes=0) for n in (N, 1))
    board, bare = Board("engine"), [Genome(base.fingerprint)] * N
    model, ids = merged(base, genomes[0]), torch.tensor(base.prompt_ids([QUESTIONS[0]]))
    said: dict[str, list[list[int]]] = {}
    t = interleaved(
        {
            "at once": lambda: said.update(many=at_once(engine, genomes)),
            "one by one": lambda: said.update(alone=at_once(single, genomes)),
            "bare": lambda: at_once(engine, bare),
            "peft": peft_one_by_one(base, layers),
            "one": lambda: at_once(single, genomes[:1]),
            "merged": lambda: generate(base, model, ids),
        },
        options.rounds,
    )
    n_tokens = sum(map(len, said["many"]))
    board.add("16 personas at once", n_tokens / t["at once"], "", "tok/s")
    board.add(
        "16 personas: one by one / at once",
        t["one by one"] / t["at once"],
        ">= 6" if half else ">= 4",
    )
    board.add("16 personas: PEFT one at a time / at once", t["peft"] / t["at once"], ">= 6")
    board.add(
        "16 personas / 16 rows of the bare base",
        t["at once"] / t["bare"],
        "<= 1.25" if half else "<= 1.15",
    )
    differ = sum(a != b for a, b in zip(said["many"], said["alone"], strict=True))
    board.add("16 personas: answers that differ from alone", differ, "" if half else "<= 0")
    board.add("one stream / generate on the merged model", t["one"] / t["merged"], "<= 1.1")
    median, longest = gaps(engine, genomes)
    board.add("8 streams: median gap", median * 1e3, "", "ms")
    board.add("1,000-token prompt joins: longest gap / median", longest / median, "<= 3")
    board.add(
        "380 of 400 prompt tokens read before: first token",
        again(base, genomes[0], options.rounds),
        ">= 6",
    )
    alone = statistics.median(first_token(engine, [genome]) for genome in genomes)
    board.add("first token: the last of 16 / alone", first_token(engine, genomes) / alone, "<= 3")
    board.close(threads=options.threads, dtype=options.dtype)


if __name__ == "__main__":
    main()
