"""How much of a second worker's processor is turned into work, and what the way there costs.

    python -m tests.benchmarks.bench_ray [--rounds 5] [--genomes 40] [--litters 8] [--quick]

Compared in one run, taken in turn, medians: this process alone, one worker, and two workers of
one cluster on this machine (one thread each), on the embedded base. Efficiency of two workers is
(seconds of one worker) / (2 x seconds of two); 1 is perfect. Two spinning processes that share
nothing are timed in the same turns: on a busy machine even they do not reach 1, and nothing that
needs two processors can do better than they do.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch

from academy.challenge import prompts_and_answers
from academy.cluster.cluster import connect
from academy.cluster.ray_evaluator import RayEvaluator, RaySettings
from academy.cluster.tasks import Litter, train_litters
from academy.evaluator import LocalEvaluator
from academy.exam import general_sheet
from academy.skills.letters import SKILL_NAMES, SKILLS
from academy.skills.skill import unique_questions
from academy.training import StudyPlan
from genome.base_model import BaseModel
from genome.genome import Genome
from seeds.bases import embedded_base_path
from tests.benchmarks.measure import Board, interleaved
from tests.support.genome import random_layer

PLAN = StudyPlan(steps=8, rows_per_step=12, learning_rate=0.003)
LITTER = 4


def litter(base: BaseModel, number: int) -> Litter:
    """Four layers of rank 8, each on its own skill."""
    rng = np.random.default_rng(number)
    layers = [
        random_layer(base.model, base.fingerprint, rank=8, scale=0.02, seed=LITTER * number + i)
        for i in range(LITTER)
    ]
    skills = [SKILLS[(number + i) % len(SKILLS)] for i in range(LITTER)]
    drawn = [unique_questions(skill, "train", PLAN.n_rows, rng) for skill in skills]
    return Litter(layers, [base.rows(*prompts_and_answers(some)) for some in drawn], PLAN)


def spin(local: LocalEvaluator, rounds: int) -> None:
    """Arithmetic in registers: no memory, no messages."""
    total = 0
    for number in range(rounds):
        total += number & 7


class Contest:
    """The same work for this process, one worker and two."""

    def __init__(self, base: BaseModel, n_genomes: int, n_litters: int) -> None:
        self.genomes = [
            Genome.of(random_layer(base.model, base.fingerprint, rank=8, scale=0.02, seed=s))
            for s in range(n_genomes)
        ]
        self.sheet = general_sheet(SKILL_NAMES, 4, "audit")
        self.litters = [litter(base, number) for number in range(n_litters)]

    def score(self, evaluator: LocalEvaluator | RayEvaluator) -> bytes:
        return evaluator.scores(self.genomes, self.sheet).tobytes()

    def train(self, evaluator: LocalEvaluator | RayEvaluator) -> list[str]:
        trained = train_litters(evaluator, self.litters)
        return [layer.digest for some in trained for layer in some]

    def spin(self, evaluator: LocalEvaluator | RayEvaluator) -> None:
        rounds = [5_000_000] * 8
        if isinstance(evaluator, RayEvaluator):
            evaluator.map(spin, rounds)
        else:
            for some in rounds:
                spin(evaluator, some)


def compare(
    board: Board, work: Callable[[Any], Any], name: str, rounds: int, **evaluators: Any
) -> None:
    """Time one kind of work on all evaluators in turn; they must agree to the bit."""
    found = {who: work(evaluator) for who, evaluator in evaluators.items()}
    assert found["here"] == found["one"] == found["two"], f"{name}: results differ"
    t = interleaved({who: partial(work, e) for who, e in evaluators.items()}, rounds)
    board.add(f"{name}: this process", t["here"], "", "s")
    board.add(f"{name}: one worker", t["one"], "", "s")
    board.add(f"{name}: two workers", t["two"], "", "s")
    board.add(f"{name}: one worker / this process", t["one"] / t["here"])
    board.add(f"{name}: efficiency of two workers", t["one"] / (2 * t["two"]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--genomes", type=int, default=40)
    parser.add_argument("--litters", type=int, default=8)
    parser.add_argument("--quick", action="store_true", help="one round, little work: a smoke test")
    args = parser.parse_args()
    if args.quick:
        args.rounds, args.genomes, args.litters = 1, 20, 2
    torch.set_num_threads(1)
    base = BaseModel.load(embedded_base_path())
    contest = Contest(base, args.genomes, args.litters)
    board = Board("ray")
    began = time.perf_counter()
    connection = connect("local", 3)  # one processor more than are used at a time
    try:
        with (
            RayEvaluator(base, RaySettings(workers=1, threads=1)) as one,
            RayEvaluator(base, RaySettings(workers=2, threads=1)) as two,
        ):
            two.wait_for_all()
            seconds = time.perf_counter() - began
            board.add("start of a private cluster with three workers", seconds, "", "s")
            evaluators = {"here": LocalEvaluator(base), "one": one, "two": two}
            for name, work in (
                ("spinning", contest.spin),
                (f"{args.genomes} genomes x {len(contest.sheet)} questions", contest.score),
                (f"{args.litters} litters of {LITTER} layers", contest.train),
            ):
                compare(board, work, name, args.rounds, **evaluators)
    finally:
        connection.close()
    board.close(rounds=args.rounds, load=os.getloadavg()[0])


if __name__ == "__main__":
    main()
