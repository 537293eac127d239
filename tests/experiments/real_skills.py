"""What minutes of training add on a real model, skill by skill.

    python -m tests.experiments.real_skills BASE_FOLDER --skills past,sql --out FILE.jsonl

Unseen test questions, answered in writing: greedy, to the end of turn, compared after `strip`.
Beside the layer stand the commonest train answer, the base, and the base with examples in the
prompt (as earlier turns of the chat).
"""

from __future__ import annotations

import argparse
import copy
import json
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from academy.challenge import Challenge, prompts_and_answers
from academy.operators.noise import random_layer
from academy.sources.builtin import EnglishSource
from academy.statistics.paired import compare_paired
from academy.training import StudyPlan, TokenMeter, train_litter
from genome.base_model import BaseModel
from genome.genome import Genome
from genome.layer import Layer
from genome.population import PopulationModel

BATCH = 40
"""Prompts answered together."""
SLACK = 4
"""Tokens an answer may be longer than the longest right one."""


@dataclass(frozen=True, slots=True)
class Row:
    """One skill's line of the table; shares of right answers."""

    skill: str
    n: int
    majority: float
    chance: float
    zero_shot: float
    few_shot: float
    layer: float
    gain_points: float
    """Layer less few-shot base, in points, with Tango's interval."""
    gain_low: float
    gain_high: float
    train_cpu_s: float
    train_tokens: int
    """Positions that went forward and backward."""
    prompt_tokens: int
    """Longest prompt, without examples."""
    answer_tokens: int
    """Longest right answer."""
    seed: int
    rate: float
    rank: int
    steps: int
    rows: int


def main() -> None:
    """Measure the skills named and print one line each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("base")
    parser.add_argument("--skills", default="", help="comma-separated; default all")
    parser.add_argument("--n", type=int, default=120)
    parser.add_argument("--train", type=int, default=480)
    parser.add_argument("--passes", type=int, default=1)
    parser.add_argument("--rows", type=int, default=8)
    parser.add_argument("--rank", type=int, default=8)
    parser.add_argument("--rate", type=float, action="append")
    parser.add_argument("--shots", type=int, default=4)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--split", choices=("select", "test"), default="test")
    parser.add_argument("--base-only", action="store_true", help="train nothing")
    parser.add_argument("--show", type=int, default=0, help="wrong answers to print")
    parser.add_argument("--seconds", type=float, default=1e9, help="begin no skill after these")
    parser.add_argument("--out", type=Path, help="rows are added; skills that stand there are left")
    args = parser.parse_args()
    base = BaseModel.load(args.base)
    source = EnglishSource(tuple(filter(None, args.skills.split(","))))
    done = [json.loads(line)["skill"] for line in args.out.open()] if _exists(args.out) else []
    began = time.monotonic()
    for skill in source.skills:
        if skill in done or time.monotonic() - began > args.seconds:
            continue
        for row in measure(base, source, skill, args):
            print(json.dumps(asdict(row)), flush=True)
            if args.out:
                with args.out.open("a") as file:
                    file.write(json.dumps(asdict(row)) + "\n")


def _exists(path: Path | None) -> bool:
    return path is not None and path.exists()


def measure(
    base: BaseModel, source: EnglishSource, skill: str, args: argparse.Namespace
) -> list[Row]:
    """The rows of one skill, one per learning rate; all rates train side by side."""
    tag = int.from_bytes(skill.encode(), "big") % 2**31  # no skill's questions depend on others'
    rng = np.random.default_rng([args.seed, tag])
    train = source.draw(skill, "train", args.train, rng)
    sheet = source.draw(skill, args.split, args.n, rng)
    lengths = [len(ids) for ids in base.answer_ids([c.answer for c in [*train, *sheet]])]
    room = max(lengths) + SLACK
    common = Counter(c.answer for c in train).most_common(1)[0][0]
    population = PopulationModel(base.model)
    population.load([Genome(base.fingerprint)])
    asked = [c.prompt for c in sheet]
    zero = right(sheet, answers(base, population, chats(asked, ()), room))
    shown = answers(base, population, chats(asked, train[: args.shots]), room)
    few = right(sheet, shown)
    print(f"{skill}: zero-shot {zero.mean():.3f}, few-shot {few.mean():.3f}", flush=True)
    if args.base_only:
        return []
    rates = args.rate or [2e-3]
    plan = StudyPlan(args.passes * len(train) // args.rows, args.rows, rates[0])
    meter = TokenMeter()
    began = time.process_time()
    layers = train_layers(base, train * args.passes, plan, rates, args, meter, rng)
    cpu = time.process_time() - began
    rows = []
    for rate, layer in zip(rates, layers, strict=True):
        population.load([Genome.of(layer)])
        said = answers(base, population, chats(asked, ()), room)
        hits = right(sheet, said)
        triples = zip(sheet, shown, said, strict=True)
        wrong = [(c, a, b) for c, a, b in triples if b.strip() != c.answer]
        for c, few_said, text in wrong[: args.show]:
            print(f"  {c.prompt!r}: {text!r} for {c.answer!r}, few-shot {few_said!r}", flush=True)
        gain = compare_paired(hits, few)
        rows.append(
            Row(
                skill,
                len(sheet),
                float(np.mean([c.answer == common for c in sheet])),
                source.skill(skill).chance,
                float(zero.mean()),
                float(few.mean()),
                float(hits.mean()),
                round(100 * gain.effect, 1),
                round(100 * gain.low, 1),
                round(100 * gain.high, 1),
                round(cpu / len(rates), 1),
                meter.backward // len(rates),
                max(map(len, base.prompt_ids(asked))),
                max(lengths),
                args.seed,
                rate,
                args.rank,
                plan.steps,
                args.rows,
            )
        )
    return rows


def train_layers(
    base: BaseModel,
    train: Sequence[Challenge],
    plan: StudyPlan,
    rates: Sequence[float],
    args: argparse.Namespace,
    meter: TokenMeter,
    rng: np.random.Generator,
) -> list[Layer]:
    """One layer per rate on the same questions, from the same beginning."""
    start = random_layer(base.fingerprint, base.linear_shapes, args.rank, 0.0, rng)
    study = base.rows(*prompts_and_answers(train))
    n = len(rates)
    return train_litter(base, [start] * n, [study] * n, plan, meter, rates=rates)


Chat = list[dict[str, str]]


def chats(prompts: Sequence[str], shots: Sequence[Challenge]) -> list[Chat]:
    """Every question after the same worked examples."""
    before = [
        turn
        for shot in shots
        for turn in (
            {"role": "user", "content": shot.prompt},
            {"role": "assistant", "content": shot.answer},
        )
    ]
    return [[*before, {"role": "user", "content": prompt}] for prompt in prompts]


def answers(
    base: BaseModel, population: PopulationModel, asked: Sequence[Chat], room: int
) -> list[str]:
    """Greedy answers of the genome in slot 0; what all prompts begin with is read once.

    Pads stand between that beginning and the rest, masked: a pad may be an end of turn.
    """
    texts = [
        base.tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
        for chat in asked
    ]
    ids = base.tokenizer(texts, add_special_tokens=False)["input_ids"]
    columns = enumerate(zip(*ids, strict=False))
    shared = next((i for i, column in columns if len(set(column)) > 1), len(ids[0]) - 1)
    ends, said = base.spelling.ends, []
    with torch.no_grad(), population.rows([0]):
        beginning = base.model(torch.tensor([ids[0][:shared]]), use_cache=True).past_key_values
    for start in range(0, len(ids), BATCH):
        part = ids[start : start + BATCH]
        width = max(map(len, part))
        block = torch.zeros((len(part), width), dtype=torch.int64)
        mask = torch.zeros_like(block)
        for i, row in enumerate(part):
            pads = width - len(row)
            block[i] = torch.tensor([*row[:shared], *[0] * pads, *row[shared:]])
            mask[i] = torch.tensor([*[1] * shared, *[0] * pads, *[1] * (len(row) - shared)])
        cache = copy.deepcopy(beginning)
        cache.batch_repeat_interleave(len(part))
        with torch.no_grad(), population.rows([0] * len(part)):
            whole = base.model.generate(
                input_ids=block,
                attention_mask=mask,
                past_key_values=cache,
                max_new_tokens=room,
                do_sample=False,
                eos_token_id=ends,
                pad_token_id=ends[0],
            )
        for row in whole[:, width:].tolist():
            stop = next((i for i, token in enumerate(row) if token in ends), len(row))
            said.append(base.tokenizer.decode(row[:stop]))
    return said


def right(sheet: Sequence[Challenge], said: Sequence[str]) -> np.ndarray:
    """1.0 where the text is the answer, (n_questions,)."""
    return np.array([float(a.strip() == c.answer) for c, a in zip(sheet, said, strict=True)])


if __name__ == "__main__":
    main()
