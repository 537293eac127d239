"""Memory and speed on a real base model, against PEFT on the same rows.

    python -m tests.benchmarks.bench_base [FOLDER] [--rounds 3] [--threads 2] [--busy]
        [--only joint one scoring forward exam many]

FOLDER holds SmolLM2-135M-Instruct or another causal LM; default CONTINUUM_REAL_BASE. Everything
that is compared is taken in turn in this process; peaks of memory are those of processes of
their own. Layers have rank 8 on all linear maps, questions are built-in ones. On a machine that
others use too, --busy takes processor time on one thread.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from peft import LoraConfig, PeftModel, get_peft_model

from academy.challenge import Challenge
from academy.evaluator import LocalEvaluator
from academy.exam import general_sheet
from academy.routing import ability_vectors
from academy.scoring.scorer import answer_losses
from academy.skills.letters import SKILL_NAMES
from academy.training import StudyPlan, TokenMeter, train_litter
from genome.base_model import IGNORED, BaseModel, Rows
from genome.genome import Genome
from genome.layer import Layer
from genome.library import Library, Manifest
from genome.population import PopulationModel
from genome.search.question_encoder import QuestionEncoder
from tests.benchmarks.bases import RANK, TARGETS
from tests.benchmarks.measure import Board, interleaved
from tests.support.cost import taken_by
from tests.support.genome import random_layer

Timed = Callable[[dict[str, Callable[[], Any]]], dict[str, float]]
"""Cases -> seconds of each, taken in turn."""


def founders(base: BaseModel, n: int) -> list[Layer]:
    """Layers as training begins with them: A random, B zero."""
    made = []
    for seed in range(n):
        layer = random_layer(base.model, base.fingerprint, rank=RANK, scale=0.02, seed=seed)
        factors = {m: f._replace(b=torch.zeros_like(f.b)) for m, f in layer.factors.items()}
        made.append(Layer(layer.base_model, factors))
    return made


def with_adapters(base: BaseModel, layers: Sequence[Layer], *, copied: bool = True) -> PeftModel:
    """The base with every layer as a PEFT adapter g0, g1, ..., with the kernels PEFT users have."""
    model = copy.deepcopy(base.model) if copied else base.model
    model.set_attn_implementation("sdpa")
    config = LoraConfig(r=RANK, lora_alpha=RANK, target_modules=TARGETS)
    wrapped = get_peft_model(model, config, adapter_name="g0")
    for i in range(1, len(layers)):
        wrapped.add_adapter(f"g{i}", config)
    set_adapters(wrapped, layers)
    return wrapped.eval()


def set_adapters(wrapped: PeftModel, layers: Sequence[Layer]) -> None:
    """Put the layers' numbers into the adapters."""
    for name, module in wrapped.base_model.model.named_modules():
        if name in layers[0].factors:
            for i, layer in enumerate(layers):
                module.lora_A[f"g{i}"].weight.data.copy_(layer.factors[name].a)
                module.lora_B[f"g{i}"].weight.data.copy_(layer.factors[name].b)


def study(base: BaseModel, n_rows: int, prompt: int, answer: int, seed: int = 0) -> Rows:
    """Random rows of so many prompt and answer tokens."""
    generator = torch.Generator().manual_seed(seed)
    whole = torch.randint(5, 40_000, (n_rows, prompt + answer + 1), generator=generator)
    labels = whole[:, 1:].clone()
    labels[:, : prompt - 1] = IGNORED
    return Rows(whole[:, :-1], labels)


def plain_loss(model: Any, rows: Rows) -> torch.Tensor:
    """As a plain PEFT loop has it: logits everywhere, mean over the answers' tokens."""
    logits = model(input_ids=rows.input_ids, use_cache=False).logits.float()
    return torch.nn.functional.cross_entropy(
        logits.flatten(0, 1), rows.labels.flatten(), ignore_index=IGNORED
    )


def joint(board: Board, base: BaseModel, timed: Timed) -> None:
    """8 layers, 4 rows each, one step: one backward pass against one layer after the other."""
    n, plan = 8, StudyPlan(steps=1, rows_per_step=4, learning_rate=1e-3)
    layers = founders(base, n)
    studies = [study(base, plan.n_rows, 56, 8, seed) for seed in range(n)]
    peft = with_adapters(base, layers)
    trained: dict[str, list[Layer]] = {}

    def ours() -> None:
        trained["ours"] = train_litter(base, layers, studies, plan, TokenMeter())

    def one_at_a_time() -> None:
        set_adapters(peft, layers)
        for i in range(n):
            peft.set_adapter(f"g{i}")
            parameters = [p for p in peft.parameters() if p.requires_grad]
            optimizer = torch.optim.AdamW(parameters, betas=(0.9, 0.99), weight_decay=0.0)
            for step in range(plan.steps):
                optimizer.param_groups[0]["lr"] = plan.learning_rate * (1 - step / plan.steps)
                part = slice(4 * step, 4 * step + 4)
                rows = Rows(studies[i].input_ids[part], studies[i].labels[part])
                plain_loss(peft, rows).backward()
                torch.nn.utils.clip_grad_norm_(parameters, 1.0)
                optimizer.step()
                optimizer.zero_grad()

    t = timed({"peft": one_at_a_time, "ours": ours})
    n_tokens = n * plan.n_rows * 64
    board.add("joint training, 8 layers x 4 rows x 64: ours", n_tokens / t["ours"], "", "tok/s")
    board.add("joint training: PEFT one after the other / ours", t["peft"] / t["ours"], ">= 1.6")
    board.add("joint training: largest difference of a B", _apart(peft, trained["ours"]))


def _apart(peft: PeftModel, layers: Sequence[Layer]) -> float:
    return max(
        float((module.lora_B[f"g{i}"].weight - layer.factors[name].b).abs().max())
        for name, module in peft.base_model.model.named_modules()
        if name in layers[0].factors
        for i, layer in enumerate(layers)
    )


ONE = StudyPlan(steps=2, rows_per_step=8, learning_rate=1e-3)


def train_ours(base: BaseModel, layer: Layer, rows: Rows) -> Layer:
    """One layer by our trainer."""
    return train_litter(base, [layer], [rows], ONE, TokenMeter())[0]


def train_theirs(peft: PeftModel, rows: Rows) -> None:
    """The same by `transformers.Trainer`, which uses accelerate."""
    from transformers import Trainer, TrainingArguments

    class Ordered(torch.utils.data.IterableDataset[dict[str, torch.Tensor]]):
        def __iter__(self) -> Iterator[dict[str, torch.Tensor]]:
            for ids, labels in zip(rows.input_ids, rows.labels, strict=True):
                shifted = torch.cat([torch.tensor([IGNORED]), labels[:-1]])
                yield {"input_ids": ids, "labels": shifted}  # (the model shifts them back)

    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            folder,
            max_steps=ONE.steps,
            per_device_train_batch_size=ONE.rows_per_step,
            learning_rate=ONE.learning_rate,
            lr_scheduler_type="linear",
            warmup_steps=0,
            adam_beta2=0.99,
            weight_decay=0.0,
            max_grad_norm=1.0,
            use_cpu=True,
            report_to=[],
            save_strategy="no",
            logging_strategy="no",
            disable_tqdm=True,
        )
        peft.train()
        Trainer(peft, arguments, train_dataset=Ordered()).train()


def one(board: Board, base: BaseModel, timed: Timed) -> None:
    """One layer, 8 rows of 128 tokens, 32 of them answer, 2 steps."""
    layer, rows = founders(base, 1)[0], study(base, ONE.n_rows, 96, 32)
    peft = with_adapters(base, [layer])
    trained: list[Layer] = []

    def theirs() -> None:
        set_adapters(peft, [layer])
        train_theirs(peft, rows)

    ours = lambda: trained.append(train_ours(base, layer, rows))  # noqa: E731
    t = timed({"trainer": theirs, "ours": ours})
    n_tokens = rows.n_tokens
    board.add("one layer, 8 rows x 128: ours", n_tokens / t["ours"], "", "tok/s")
    board.add("one layer: ours / Trainer, tokens a second", t["trainer"] / t["ours"], ">= 1.2")
    population = PopulationModel(base.model)
    with torch.no_grad(), population.rows(population.load([Genome.of(trained[-1])]) * 8):
        reached = answer_losses(base, Rows(rows.input_ids[:8], rows.labels[:8])).mean()
    with torch.no_grad():
        theirs_loss = float(plain_loss(peft.eval(), Rows(rows.input_ids[:8], rows.labels[:8])))
    board.add("one layer: difference of the losses reached", abs(reached - theirs_loss))
    mine, trainer = peak(base, "ours"), peak(base, "theirs")
    board.add("one layer: peak above the loaded base, ours", mine / 1e6, "", "MB")
    board.add("one layer: peak above the loaded base, ours / Trainer", mine / trainer, "<= 0.6")


@torch.no_grad()
def scoring(board: Board, base: BaseModel, timed: Timed) -> None:
    """16 genomes on 8 exact questions."""
    layers = [
        random_layer(base.model, base.fingerprint, rank=RANK, scale=0.003, seed=s)
        for s in range(16)
    ]
    genomes = [Genome.of(layer) for layer in layers]
    sheet = [c for c in general_sheet(SKILL_NAMES, 1, "audit") if not (c.choices or c.tests)][:8]
    prompts = [base.prompt_ids([c.prompt])[0] for c in sheet]
    answers = [base.answer_ids([c.answer])[0] for c in sheet]
    peft = with_adapters(base, layers)
    width, pad = max(map(len, prompts)), base.tokenizer.pad_token_id
    ids = torch.tensor([[pad] * (width - len(p)) + p for p in prompts])
    mask = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in prompts])
    found: dict[str, np.ndarray] = {}

    def generated() -> None:
        hits = np.zeros((16, len(sheet)))
        for i in range(16):
            peft.set_adapter(f"g{i}")
            out = peft.generate(
                input_ids=ids,
                attention_mask=mask,
                do_sample=False,
                max_new_tokens=max(map(len, answers)),
                pad_token_id=pad,
            )
            for j, answer in enumerate(answers):
                hits[i, j] = out[j, width : width + len(answer)].tolist() == answer
        found["peft"] = hits

    def ours() -> None:
        found["ours"] = LocalEvaluator(base).scores(genomes, sheet)

    t = timed({"peft": generated, "ours": ours})
    board.add("scoring 16 x 8: ours", t["ours"] * 1e3, "", "ms")
    board.add("scoring 16 x 8: PEFT set_adapter + generate / ours", t["peft"] / t["ours"], ">= 6")
    board.add("scoring 16 x 8: verdicts that differ", float((found["peft"] != found["ours"]).sum()))


@torch.no_grad()
def forward(board: Board, base: BaseModel, timed: Timed) -> None:
    """16 genomes x 4 rows x 64 tokens, over the base alone, both with all logits of few places."""
    ids = torch.randint(5, 40_000, (64, 64), generator=torch.Generator().manual_seed(0))
    for dtype, bar in (("float32", "<= 1.12"), ("bfloat16", "<= 1.25")):
        held = base if dtype == "float32" else BaseModel.load(base.path, dtype=dtype)
        population = PopulationModel(held.model)
        population.load(
            [
                Genome.of(random_layer(held.model, held.fingerprint, rank=RANK, seed=s))
                for s in range(16)
            ]
        )
        slots = [slot for slot in range(16) for _ in range(4)]
        run = lambda held=held: held.model(input_ids=ids, use_cache=False, logits_to_keep=8)  # noqa: E731

        t = timed({"base": run, "ours": _under(population, slots, run)})
        board.add(f"forward 16 x 4 x 64, {dtype}: base alone", t["base"] * 1e3, "", "ms")
        board.add(f"forward 16 x 4 x 64, {dtype}: ours / base", t["ours"] / t["base"], bar)


def _under(population: PopulationModel, slots: list[int], run: Callable[[], Any]) -> Any:
    def ours() -> None:
        with population.rows(slots):
            run()

    return ours


def exam(board: Board, base: BaseModel, timed: Timed) -> None:
    """400 questions of 20 to 1,000 tokens, most of them short."""
    board.add(
        "exam of 400 questions, to 1,000 tokens: peak", peak(base, "exam") / 1e9, "<= 1", "GB"
    )


def many(board: Board, base: BaseModel, timed: Timed) -> None:
    """200 layers imported, examined, searched by ability, one of them asked."""
    n, n_each = 200, 2
    prompts = [c.prompt for c in general_sheet(SKILL_NAMES, 20, "train")]
    with tempfile.TemporaryDirectory() as folder:
        files = Path(folder) / "layer"
        library = Library.open(Path(folder) / "home")
        taken = 0.0
        for seed in range(n):
            layer = random_layer(base.model, base.fingerprint, rank=1, scale=0.02, seed=seed)
            layer.to_peft(files)
            start = time.perf_counter()
            library.import_folder(files, Manifest(f"layer-{seed}", base.fingerprint))
            taken += time.perf_counter() - start
        board.add("200 layers: imported, each", taken / n * 1e3, "", "ms")
        encoder = QuestionEncoder.fit(base, prompts)
        library.save_encoder(encoder)
        evaluator, rows = LocalEvaluator(base), library.find()
        start = time.perf_counter()
        for first in range(0, n, 16):
            some = rows[first : first + 16]
            genomes = [Genome.of(library.get(row.digest)) for row in some]
            texts = [row.name for row in some]
            vectors = ability_vectors(evaluator, encoder, genomes, texts, n_each)
            for row, vector in zip(some, vectors, strict=True):
                library.set_vector(row.digest, vector, n_results=n_each)
        asked = n_each * len({c.skill for c in general_sheet(SKILL_NAMES, 1, "select")})
        spent = time.perf_counter() - start
        board.add(f"200 layers: examined on {asked} questions, each", spent / n * 1e3, "", "ms")
        start = time.perf_counter()
        hit = library.search("sort: 4 2 9", encoder=encoder, base_model=base.fingerprint, k=5)[0]
        board.add("200 layers: one search", (time.perf_counter() - start) * 1e3, "", "ms")
        start = time.perf_counter()
        genome = Genome.of(library.get(hit.digest))
        LocalEvaluator(base).scores([genome], [Challenge("sort: 4 2 9", "2 4 9", "sort", "d")])
        board.add(
            "200 layers: one fetched and asked", (time.perf_counter() - start) * 1e3, "", "ms"
        )


ROWS = {
    "joint": joint,
    "one": one,
    "scoring": scoring,
    "forward": forward,
    "exam": exam,
    "many": many,
}


def peak(base: BaseModel, what: str) -> float:
    """Bytes that a process grows by at its widest, above what it has with the base loaded."""
    command = [sys.executable, "-m", "tests.benchmarks.bench_base", base.path, "--peak", what]
    command += ["--threads", str(torch.get_num_threads())]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(json.loads(done.stdout.splitlines()[-1]))


def _peak(base: BaseModel, what: str) -> int:
    """What `peak` prints, in the process that is measured."""
    run: Callable[[], Any]
    if what == "exam":
        words = (325 * np.linspace(0, 1, 400) ** 8).astype(int) + 3  # of three tokens each
        sheet = [
            Challenge(" ".join(f"w{(i * j) % 90 + 10}" for j in range(n)), "yes it is", "s", "d")
            for i, n in enumerate(words)
        ]
        evaluator = LocalEvaluator(base)
        layer = random_layer(base.model, base.fingerprint, rank=RANK, scale=0.003)
        run = lambda: evaluator.scores([Genome.of(layer)], sheet)  # noqa: E731
    else:
        layer, rows = founders(base, 1)[0], study(base, ONE.n_rows, 96, 32)
        if what == "ours":
            run = lambda: train_ours(base, layer, rows)  # noqa: E731
        else:
            import accelerate  # noqa: F401
            from transformers import Trainer  # noqa: F401

            peft = with_adapters(base, [layer], copied=False)
            run = lambda: train_theirs(peft, rows)  # noqa: E731
    with torch.no_grad():
        base.model(torch.arange(20)[None])  # weights come from the disk when first read
    return taken_by(run)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", nargs="?", default=os.environ.get("CONTINUUM_REAL_BASE"))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--busy", action="store_true", help="processor time, one thread")
    parser.add_argument("--only", nargs="+", choices=ROWS, default=list(ROWS))
    parser.add_argument("--peak", choices=("ours", "theirs", "exam"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.folder is None:
        parser.error("no base: give its folder, or set CONTINUUM_REAL_BASE")
    warnings.filterwarnings("ignore", category=FutureWarning)
    threads = 1 if args.busy else args.threads
    clock = time.process_time if args.busy else time.perf_counter
    torch.set_num_threads(threads)
    base = BaseModel.load(args.folder)
    if args.peak:
        print(json.dumps(_peak(base, args.peak)))
        return
    board, started = Board("real base"), time.perf_counter()
    for name in args.only:
        ROWS[name](board, base, lambda cases: interleaved(cases, args.rounds, clock))
    seconds = round(time.perf_counter() - started)
    board.close(base=Path(args.folder).name, threads=threads, busy=args.busy, seconds=seconds)


if __name__ == "__main__":
    main()
