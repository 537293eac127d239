"""What minutes of training add on a real model, skill by skill.

    python -m tests.experiments.real_skills BASE_FOLDER --skills past,sql --out FILE.jsonl

Unseen test questions, scored as exams are. Beside the layer stand the commonest train answer, the
base, and the base with examples in the prompt (as earlier turns of the chat).
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from academy.challenge import Challenge, prompts_and_answers
from academy.evaluator import LocalEvaluator
from academy.exam import Terms, answers
from academy.operators.noise import random_layer
from academy.sources.builtin import EnglishSource
from academy.statistics.paired import compare_paired
from academy.training import StudyPlan, TokenMeter, train_litter
from genome.base_model import BaseModel
from genome.genome import Genome
from genome.layer import Layer


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
    common = Counter(c.answer for c in train).most_common(1)[0][0]
    evaluator, alone = LocalEvaluator(base), [Genome(base.fingerprint)]
    shown = Terms(n_shots=args.shots).evaluator(evaluator, source, skill)
    zero, few = (one.scores(alone, sheet)[0] for one in (evaluator, shown))
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
        genome = Genome.of(layer)
        hits = evaluator.scores([genome], sheet)[0]
        told = answers(evaluator, genome, sheet) if args.show else []
        for one in [a for a in told if not a.worth][: args.show]:
            asked = one.challenge
            print(f"  {asked.prompt!r}: {one.said!r} for {asked.answer!r}", flush=True)
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
                max(map(len, base.prompt_ids([c.prompt for c in sheet]))),
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


if __name__ == "__main__":
    main()
