"""How much a population in one pass costs over the base alone, and what its peers cost.

    python -m tests.benchmarks.bench_population [--threads 1] [--rounds 9] [--quick]

Compared in one run, taken in turn, medians: the base model alone, ours, PEFT's `set_adapter`
loop, PEFT's mixed batch (`adapter_names`), and populora (`pip install populora`; left out if it
is not there). Random weights, float32, rank 8 on all seven linear maps of a Llama.
"""

from __future__ import annotations

import argparse
import copy
import random
import time
import warnings
from collections.abc import Callable
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import DynamicCache

from genome.genome import Genome
from genome.layer import Layer
from genome.population import PopulationModel
from tests.benchmarks.bases import RANK, TARGETS, llama
from tests.benchmarks.measure import Board, interleaved
from tests.support.genome import random_layer


class Setting:
    """One base, a population on it, and the same layers as PEFT adapters."""

    def __init__(self, n_genomes: int, width: int, mlp: int, *, peft: bool = True) -> None:
        self.model = llama(width, mlp)
        self.n_genomes = n_genomes
        self.layers = [
            random_layer(self.model, rank=RANK, scale=0.05, seed=i) for i in range(n_genomes)
        ]
        self.population = PopulationModel(self.model)
        self.population.load([Genome.of(layer) for layer in self.layers])
        self.peft = with_adapters(self.model, self.layers) if peft else None

    def slots(self, rows_each: int) -> list[int]:
        return [slot for slot in range(self.n_genomes) for _ in range(rows_each)]

    def names(self, rows_each: int) -> list[str]:
        return [f"g{slot}" for slot in self.slots(rows_each)]


def with_adapters(model: Any, layers: list[Layer]) -> PeftModel:
    """A copy of the model with every layer as a PEFT adapter g0, g1, ..."""
    config = LoraConfig(r=RANK, lora_alpha=RANK, target_modules=TARGETS)
    wrapped = get_peft_model(copy.deepcopy(model), config, adapter_name="g0")
    for i in range(1, len(layers)):
        wrapped.add_adapter(f"g{i}", config)
    for name, module in wrapped.base_model.model.named_modules():
        if name in layers[0].factors:
            for i, layer in enumerate(layers):
                module.lora_A[f"g{i}"].weight.data.copy_(layer.factors[name].a)
                module.lora_B[f"g{i}"].weight.data.copy_(layer.factors[name].b)
    return wrapped.eval()


def with_populora(setting: Setting) -> Any:
    """The same layers in populora, or None if it is not installed."""
    try:
        from populora import Population
    except ImportError:
        return None
    names = list(setting.layers[0].factors)
    pop = Population(
        copy.deepcopy(setting.model), pop_size=setting.n_genomes, low_rank=RANK, lora_targets=names
    )
    for name in names:
        key = name.replace(".", "_")
        down = torch.stack([layer.factors[name].a.T for layer in setting.layers])
        up = torch.stack([layer.factors[name].b.T for layer in setting.layers])
        pop.weight_down[key].data.copy_(down.view_as(pop.weight_down[key]))
        pop.weight_up[key].data.copy_(up if up.shape == pop.weight_up[key].shape else up.mT)
    return pop


@torch.no_grad()
def forward(board: Board, rounds: int) -> None:
    """Prefill and scoring shapes."""
    setting = Setting(100, 128, 320)
    ids = torch.randint(0, 256, (800, 24), generator=torch.Generator().manual_seed(0))
    slots, names = setting.slots(8), setting.names(8)
    shuffled = random.Random(0).sample(range(800), 800)
    mixed_slots = [slots[row] for row in shuffled]
    pop = with_populora(setting)

    def ours(some: list[int]) -> torch.Tensor:
        with setting.population.rows(some):
            return setting.model(input_ids=ids, use_cache=False).logits

    def one_at_a_time() -> torch.Tensor:
        parts = []
        for i in range(100):
            setting.peft.set_adapter(f"g{i}")
            parts.append(setting.peft(input_ids=ids[8 * i : 8 * i + 8], use_cache=False).logits)
        return torch.cat(parts)

    def mixed() -> torch.Tensor:
        return setting.peft(input_ids=ids, adapter_names=names, use_cache=False).logits

    cases: dict[str, Callable[[], Any]] = {
        "base": lambda: setting.model(input_ids=ids, use_cache=False).logits,
        "ours": lambda: ours(slots),
        "ragged": lambda: ours(mixed_slots),
        "peft loop": one_at_a_time,
        "peft mixed": mixed,
    }
    if pop is not None:
        cases["populora"] = lambda: (
            pop(input_ids=ids, use_cache=False, all_individuals=True, eval_and_no_grad=True).logits
        )
    wanted = cases["peft mixed"]()
    for name in ("ours", "peft loop", "populora"):
        if name in cases:
            torch.testing.assert_close(cases[name](), wanted, atol=1e-3, rtol=0)
    t = interleaved(cases, rounds)
    shape = "forward 100 x 8 x 24, 128 wide"
    board.add(f"{shape}: base alone", t["base"] * 1e3, "", "ms")
    board.add(f"{shape}: ours / base", t["ours"] / t["base"], "<= 1.18")
    board.add(f"{shape}: PEFT loop / ours", t["peft loop"] / t["ours"], ">= 6")
    board.add(f"{shape}: PEFT mixed / ours", t["peft mixed"] / t["ours"], ">= 1.5")
    if "populora" in t:
        board.add(f"{shape}: populora / ours", t["populora"] / t["ours"], ">= 1.3")
    board.add(f"{shape}: random order / grouped", t["ragged"] / t["ours"], "<= 1.1")

    wide = Setting(16, 512, 1408, peft=False)
    wide_ids = torch.randint(0, 256, (64, 64), generator=torch.Generator().manual_seed(0))

    def ours_wide() -> None:
        with wide.population.rows(wide.slots(4)):
            wide.model(input_ids=wide_ids, use_cache=False)

    t = interleaved(
        {"base": lambda: wide.model(input_ids=wide_ids, use_cache=False), "ours": ours_wide}, rounds
    )
    board.add("forward 16 x 4 x 64, 512 wide: ours / base", t["ours"] / t["base"], "<= 1.10")


@torch.no_grad()
def one_token(board: Board, rounds: int) -> None:
    """One decoding step with a cache of 24 tokens."""
    for n in (16, 64):
        setting = Setting(n, 128, 320, peft=False)
        ids = torch.randint(0, 256, (n, 25), generator=torch.Generator().manual_seed(0))
        cache = DynamicCache()
        setting.model(input_ids=ids[:, :24], past_key_values=cache, use_cache=True)

        def steps(model: Any = setting.model, cache: Any = cache, ids: Any = ids) -> None:
            for _ in range(10):
                model(input_ids=ids[:, 24:], past_key_values=cache, use_cache=True)
                cache.crop(-1)

        def ours(setting: Setting = setting, n: int = n, steps: Any = steps) -> None:
            with setting.population.rows(list(range(n))):
                steps()

        t = interleaved({"base": steps, "ours": ours}, rounds * 3)
        board.add(f"one token, {n} genomes x 1 row: base alone", t["base"] * 100, "", "ms")
        board.add(f"one token, {n} genomes x 1 row: ours / base", t["ours"] / t["base"], "<= 1.4")


@torch.no_grad()
def scoring(board: Board, rounds: int) -> None:
    """Exact-match scoring: teacher forcing for all against generation one by one."""
    setting = Setting(100, 128, 320)
    prompts = torch.randint(0, 256, (8, 16), generator=torch.Generator().manual_seed(0))
    answers = torch.randint(0, 256, (8, 8), generator=torch.Generator().manual_seed(1))
    slots = setting.slots(8)
    options = {"max_new_tokens": 8, "do_sample": False, "attention_mask": torch.ones_like(prompts)}

    def generated() -> torch.Tensor:
        hits = []
        for i in range(100):
            setting.peft.set_adapter(f"g{i}")
            out = setting.peft.generate(input_ids=prompts, **options)
            hits.append((out[:, 16:] == answers).all(-1))
        return torch.cat(hits)

    rows = torch.cat([prompts, answers], 1)[:, :-1].repeat(100, 1)

    def ours() -> torch.Tensor:
        with setting.population.rows(slots):
            logits = setting.model(input_ids=rows, use_cache=False, logits_to_keep=8).logits
        best = logits.argmax(-1)
        return (best == answers.repeat(100, 1)).all(-1)

    assert torch.equal(ours(), generated())
    t = interleaved({"peft": generated, "ours": ours}, max(2, rounds // 4))
    board.add(
        "exact-match scoring 100 x 8: PEFT generate loop / ours", t["peft"] / t["ours"], ">= 20"
    )

    few = Setting(16, 128, 320)
    rows = torch.randint(0, 256, (16, 16), generator=torch.Generator().manual_seed(2))
    options = {"max_new_tokens": 32, "do_sample": False, "attention_mask": torch.ones_like(rows)}

    def mixed() -> torch.Tensor:
        return few.peft.generate(input_ids=rows, adapter_names=few.names(1), **options)

    def decoded() -> torch.Tensor:
        with few.population.rows(few.slots(1)):
            return few.model.generate(input_ids=rows, **options)

    assert torch.equal(mixed(), decoded())
    base = lambda: few.model.generate(input_ids=rows, **options)  # noqa: E731
    t = interleaved({"peft": mixed, "ours": decoded, "base": base}, rounds)
    board.add("greedy decoding 16 x 1, 32 tokens: PEFT mixed / ours", t["peft"] / t["ours"], ">= 2")
    board.add("greedy decoding 16 x 1, 32 tokens: ours / base", t["ours"] / t["base"], "")


def training(board: Board, rounds: int) -> None:
    """16 layers x 4 rows x 24 tokens in one backward pass, against PEFT one after the other."""
    n, steps = 16, 8
    setting = Setting(n, 128, 320)
    ids = torch.randint(0, 256, (steps, n, 4, 24), generator=torch.Generator().manual_seed(0))
    rates = torch.logspace(-4, -2, n)

    def ours() -> torch.Tensor:
        setting.population.load([Genome.of(layer) for layer in setting.layers])
        setting.population.train(True)
        parameters = setting.population.parameters()
        optimizer = torch.optim.AdamW(parameters, 1.0, weight_decay=0.0)
        losses = []
        for step in range(steps):
            rows = ids[step].flatten(0, 1)
            with setting.population.rows(setting.slots(4)):
                logits = setting.model(input_ids=rows, use_cache=False).logits
            loss = per_row_loss(logits, rows).view(n, 4).mean(1)
            loss.sum().backward()
            with torch.no_grad():  # AdamW moves in proportion to its rate: scale by slot
                before = [p.clone() for p in parameters]
                optimizer.step()
                for p, old in zip(parameters, before, strict=True):
                    p.sub_(old).mul_(rates[:, None, None]).add_(old)
            optimizer.zero_grad()
            losses.append(loss.detach())
        return torch.stack(losses)

    def one_at_a_time() -> torch.Tensor:
        losses = torch.zeros(steps, n)
        for name, module in setting.peft.base_model.model.named_modules():
            if name in setting.layers[0].factors:
                for i, layer in enumerate(setting.layers):
                    module.lora_A[f"g{i}"].weight.data.copy_(layer.factors[name].a)
                    module.lora_B[f"g{i}"].weight.data.copy_(layer.factors[name].b)
        for i in range(n):
            setting.peft.set_adapter(f"g{i}")
            parameters = [p for p in setting.peft.parameters() if p.requires_grad]
            optimizer = torch.optim.AdamW(parameters, float(rates[i]), weight_decay=0.0)
            for step in range(steps):
                logits = setting.peft(input_ids=ids[step, i], use_cache=False).logits
                loss = per_row_loss(logits, ids[step, i]).mean()
                loss.backward()
                optimizer.step()
                optimizer.zero_grad()
                losses[step, i] = loss.detach()
        return losses

    apart = float((ours() - one_at_a_time()).abs().max())
    t = interleaved({"peft": one_at_a_time, "ours": ours}, max(2, rounds // 3))
    board.add("training 16 x 4: PEFT one at a time / ours", t["peft"] / t["ours"], ">= 1.8")
    board.add("training 16 x 4: largest difference of the loss curves", apart, "<= 0.001")


def per_row_loss(logits: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
    """Mean next-token cross-entropy of every row, (rows,)."""
    flat = torch.nn.functional.cross_entropy(
        logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten(), reduction="none"
    )
    return flat.view(len(ids), -1).mean(1)


@torch.no_grad()
def memory(board: Board) -> None:
    """Peak of allocated tensors in a pass, over base, stacked layers and the base's own pass."""
    from torch.profiler import ProfilerActivity, profile

    setting = Setting(100, 128, 320, peft=False)
    ids = torch.zeros(800, 24, dtype=torch.int64)

    def peak(run: Callable[[], Any]) -> int:
        run()
        with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as prof:
            run()
        now = high = 0
        for event in prof.profiler.kineto_results.events():
            if event.name() == "[memory]":
                now += event.nbytes()
                high = max(high, now)
        return high

    def ours(slots: list[int]) -> None:
        with setting.population.rows(slots):
            setting.model(input_ids=ids, use_cache=False)

    base = peak(lambda: setting.model(input_ids=ids, use_cache=False))
    held = sum(p.nbytes for p in setting.model.parameters())
    held += sum(t.nbytes for t in setting.population.parameters())
    for name, slots in (
        ("grouped", setting.slots(8)),
        ("random order", random.Random(0).choices(range(100), k=800)),
    ):
        extra = (peak(lambda slots=slots: ours(slots)) - base) / (held + base)
        board.add(
            f"extra memory over base + layers + activations, {name}", 100 * extra, "<= 10", "%"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--quick", action="store_true", help="three rounds: a smoke test")
    args = parser.parse_args()
    warnings.filterwarnings("ignore", category=FutureWarning)
    rounds = 3 if args.quick else args.rounds
    board = Board("population")
    started = time.perf_counter()
    for threads in args.threads:
        torch.set_num_threads(threads)
        print(f"--- {threads} thread{'s' if threads > 1 else ''}")
        forward(board, rounds)
        one_token(board, rounds)
        scoring(board, rounds)
        training(board, rounds)
        board.rows.append({"threads": threads})
    memory(board)
    board.close(rounds=rounds, seconds=round(time.perf_counter() - started))


if __name__ == "__main__":
    main()
