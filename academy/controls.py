"""What every reported gain stands beside: the base, joint LoRA training, and random search.

All get the token budget that evolution used, selection and re-tests included, counted in
token-equivalents (forward 1, forward + backward 3). Joint training is first tried at three
learning rates with a third of the budget each, and then trained with all of it at the rate that
did best on select questions; the trials are not charged to it.

How fast the population engine scores, beside what one would write with PEFT alone.
"""

from __future__ import annotations

import tempfile
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from academy.challenge import Challenge, prompts_and_answers
from academy.evaluator import LocalEvaluator
from academy.evolution.config import RunConfig
from academy.exam import general_sheet
from academy.operators.noise import random_layer
from academy.skills.curriculum import skill_named
from academy.skills.skill import questions
from academy.training import StudyPlan, Tick, TokenMeter, train_litter
from genome.base_model import BaseModel, Rows
from genome.genome import Genome
from genome.layer import Layer

JOINT_RATES = (0.002, 0.005, 0.01)
JOINT_ROWS = 64
SELECT_PER_SKILL = 40
"""Select questions per skill that decide between learning rates."""


@dataclass(frozen=True)
class JointResult:
    """One LoRA trained on all skills at once."""

    layer: Layer
    learning_rate: float
    select_mean: float
    tokens: TokenMeter


def train_joint(
    base: BaseModel,
    skills: Sequence[str],
    *,
    rank: int,
    rates: Sequence[float],
    budget: int,
    seed: int,
    n_rows: int = JOINT_ROWS,
    tick: Tick | None = None,
) -> list[JointResult]:
    """Train one layer per learning rate on all skills, each until its own budget is spent.

    All see the same fresh questions in the same order, side by side in one litter.

    Args:
        budget: Token-equivalents per layer; never exceeded.
        n_rows: Questions of one step.
        tick: Told after every step how many of how many are done.
    """
    rng = np.random.default_rng([seed, rank])
    steps, rows = _budgeted_rows(base, skills, budget // 3, n_rows, rng)
    layer = random_layer(base.fingerprint, base.linear_shapes, rank, 0.0, rng)
    n = len(rates)
    plan = StudyPlan(steps, n_rows, 0.0)
    meter = TokenMeter()
    trained = train_litter(base, [layer] * n, [rows] * n, plan, meter, rates=rates, tick=tick)
    sheet = general_sheet(skills, SELECT_PER_SKILL, "select")
    means = LocalEvaluator(base).scores([Genome.of(x) for x in trained], sheet).mean(1)
    return [
        JointResult(x, rate, float(mean), TokenMeter(backward=meter.backward // n))
        for x, rate, mean in zip(trained, rates, means, strict=True)
    ]


def best_joint(results: Sequence[JointResult]) -> JointResult:
    """The one that does best on select questions."""
    return max(results, key=lambda result: result.select_mean)


def random_search_config(config: RunConfig) -> RunConfig:
    """The same operators, births and budget, with chance in place of every selection."""
    chance = {"parents": "random", "mates": "random", "survival": "random"}
    return config.with_(selection=chance)


def _budgeted_rows(
    base: BaseModel, skills: Sequence[str], n_tokens: int, n_rows: int, rng: np.random.Generator
) -> tuple[int, Rows]:
    """As many steps of fresh questions as fit into `n_tokens` trained positions."""
    stream = _mixed_questions(skills, rng)
    drawn: list[Challenge] = []
    spent, steps = 0, 0
    while True:
        batch = [next(stream) for _ in range(n_rows)]
        width = base.rows(*prompts_and_answers(batch)).input_ids.shape[1]
        if spent + n_rows * width > n_tokens and steps:
            return steps, base.rows(*prompts_and_answers(drawn))
        spent += n_rows * width
        steps += 1
        drawn += batch


def _mixed_questions(skills: Sequence[str], rng: np.random.Generator) -> Iterator[Challenge]:
    """Endless train questions, every skill equally often, in random order."""
    streams = [questions(skill_named(skill), "train", rng) for skill in skills]
    while True:
        for index in rng.permutation(len(skills)):
            yield next(streams[index])


def measure_throughput(
    base: BaseModel, layers: Sequence[Layer], sheet: Sequence[Challenge], rounds: int = 3
) -> dict[str, float]:
    """Scored answers per second, ours and a PEFT `set_adapter` + `generate` loop, interleaved.

    Both answer the whole sheet with every layer; the medians of `rounds` turns are compared.
    """
    genomes = [Genome.of(layer) for layer in layers]
    evaluator = LocalEvaluator(base)
    model = _peft_model(base, layers)
    ours, theirs = [], []
    for _ in range(rounds):
        began = time.perf_counter()
        evaluator.scores(genomes, sheet)
        ours.append(time.perf_counter() - began)
        began = time.perf_counter()
        for i in range(len(layers)):
            model.set_adapter(f"layer{i}")
            _generate_and_score(base, model, sheet)
        theirs.append(time.perf_counter() - began)
    answers = len(layers) * len(sheet)
    fast, slow = answers / sorted(ours)[rounds // 2], answers / sorted(theirs)[rounds // 2]
    return {
        "evaluations_per_s": round(fast, 1),
        "peft_loop_evaluations_per_s": round(slow, 1),
        "ratio": round(fast / slow, 2),
    }


def _peft_model(base: BaseModel, layers: Sequence[Layer]):  # type: ignore[no-untyped-def]
    """The base wrapped by PEFT with every layer as an adapter, on a copy of the model."""
    import copy

    from peft import PeftModel

    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        # peft 0.21 reads a property that transformers 5.23 has renamed; harmless until v6
        warnings.simplefilter("ignore", FutureWarning)
        for i, layer in enumerate(layers):
            layer.to_peft(Path(folder) / f"layer{i}")
        model = PeftModel.from_pretrained(
            copy.deepcopy(base.model), f"{folder}/layer0", adapter_name="layer0"
        )
        for i in range(1, len(layers)):
            model.load_adapter(f"{folder}/layer{i}", adapter_name=f"layer{i}")
    return model.eval()


def _generate_and_score(base: BaseModel, model: object, sheet: Sequence[Challenge]) -> int:
    """Greedy answers to the whole sheet in one left-padded batch; how many are right."""
    tokenizer = base.tokenizer
    ids = base.prompt_ids([c.prompt for c in sheet])
    width = max(map(len, ids))
    pad = tokenizer.pad_token_id
    block = torch.tensor([[pad] * (width - len(row)) + row for row in ids])
    mask = (
        torch.arange(width)[None, :] >= torch.tensor([[width - len(row)] for row in ids])
    ).long()
    longest = max(len(tokenizer(c.answer, add_special_tokens=False)["input_ids"]) for c in sheet)
    with torch.no_grad():
        output = model.generate(  # type: ignore[attr-defined]
            input_ids=block,
            attention_mask=mask,
            max_new_tokens=longest + 1,
            do_sample=False,
            pad_token_id=pad,
        )
    answers = tokenizer.batch_decode(output[:, width:], skip_special_tokens=True)
    return sum(a == c.answer for a, c in zip(answers, sheet, strict=True))
