"""The evolved population beside its controls, all on the same unseen questions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from academy.controls import best_joint, measure_throughput, random_search_config, train_joint
from academy.evaluator import LocalEvaluator
from academy.evolution.run import RunResult, evolve
from academy.evolution.state import LayerPool
from academy.exam import SkillAccuracies, general_accuracy, general_sheet
from academy.run_folder import RunFolder
from genome.base_model import BaseModel
from genome.genome import Genome
from tui.jobs.settings import DemoPlan
from tui.jobs.show import Show


def compare(
    base: BaseModel, result: RunResult, plan: DemoPlan, folder: RunFolder, show: Show
) -> dict[str, Any]:
    """Every method's accuracies and tokens, and the throughput measured beside PEFT."""
    evaluator = LocalEvaluator(base)
    n, config = plan.sizes.general_exam, result.config

    def random_search() -> dict[str, Any]:
        def kept(record: Mapping[str, Any]) -> None:
            show.phase("random search", record["interactions"], config.run.limit)

        own = RunFolder(folder.path / "random-search")
        found = evolve(random_search_config(config), base=base, folder=own, kept=kept)
        return _routed(evaluator, found, plan.skills, n)

    rank = config.operators.rank
    ranks = (*[rank] * plan.sizes.joint_narrow, len(result.cast) * rank)
    joint = _joint(base, ranks, result.tokens.equivalents, plan, folder, show)
    methods: dict[str, Any] = {}
    steps: list[tuple[str, str, Callable[[], dict[str, Any]]]] = [
        (
            "base",
            "base",
            lambda: _facts(
                general_accuracy(evaluator, Genome(base.fingerprint), plan.skills, n), 0
            ),
        ),
        ("random_search", "random-search", random_search),
        ("evolved", "evolved", lambda: _routed(evaluator, result, plan.skills, n)),
    ]
    for done, (method, name, compute) in enumerate(steps):
        show.phase("controls", done, len(steps) + 1)
        methods[method] = folder.step(name, compute)
    methods["joint_lora"] = joint
    show.phase("controls", len(steps), len(steps) + 1)
    pool = LayerPool(base.fingerprint, folder.path / "layers")
    some = result.run.population[: plan.sizes.throughput_layers]
    layers = [pool.get(candidate.genes.layers[-1]) for candidate in some]
    sheet = general_sheet(plan.skills, 1, "select")
    throughput = folder.step("throughput", lambda: measure_throughput(base, layers, sheet))
    show.phase("controls", len(steps) + 1, len(steps) + 1)
    return {"methods": methods, "throughput": throughput}


def _facts(accuracies: SkillAccuracies, equivalents: int) -> dict[str, Any]:
    return {
        "mean": round(accuracies.mean, 4),
        "worst": round(accuracies.worst, 4),
        "by_skill": [round(x, 4) for x in accuracies.by_skill],
        "token_equivalents": equivalents,
    }


def _joint(
    base: BaseModel,
    ranks: Sequence[int],
    budget: int,
    plan: DemoPlan,
    folder: RunFolder,
    show: Show,
) -> dict[str, Any]:
    """The better rank on select questions, with every rank and rate listed."""
    tried: dict[str, Any] = {}
    for number, rank in enumerate(ranks):

        def tick(share: float, number: int = number) -> None:
            show.phase("joint LoRA", round(100 * (number + share) / len(ranks)), 100)

        tick(0.0)
        run = partial(_joint_rank, base, rank, budget, plan, tick)
        tried[f"rank_{rank}"] = folder.step(f"joint-{rank}", run)
    show.phase("joint LoRA", 100, 100)
    best = max(tried.values(), key=lambda facts: facts["select_mean"])
    return {"mean": best["mean"], "worst": best["worst"], "by_skill": best["by_skill"], **tried}


def _joint_rank(
    base: BaseModel,
    rank: int,
    budget: int,
    plan: DemoPlan,
    tick: Callable[[float], None],
) -> dict[str, Any]:
    """The best of the rates after a third of the budget, trained again with all of it.

    Args:
        tick: Told which share of it is done.
    """
    rates = plan.sizes.joint_rates
    n_trials = len(rates) if len(rates) > 1 else 0
    trying = n_trials / (n_trials + 3)  # each trial costs a third of the budget
    trials = (
        train_joint(
            base,
            plan.skills,
            rank=rank,
            rates=rates,
            budget=budget // 3,
            seed=plan.seed,
            n_rows=plan.sizes.joint_rows,
            tick=lambda done, of: tick(trying * done / of),
        )
        if n_trials
        else []
    )
    rate = best_joint(trials).learning_rate if trials else rates[0]
    final = train_joint(
        base,
        plan.skills,
        rank=rank,
        rates=[rate],
        budget=budget,
        seed=plan.seed,
        n_rows=plan.sizes.joint_rows,
        tick=lambda done, of: tick(trying + (1 - trying) * done / of),
    )[0]
    accuracies = general_accuracy(
        LocalEvaluator(base), Genome.of(final.layer), plan.skills, plan.sizes.general_exam
    )
    return {
        **_facts(accuracies, final.tokens.equivalents),
        "rank": rank,
        "learning_rate": rate,
        "select_mean": round(final.select_mean, 4),
        "trials": [
            {"learning_rate": t.learning_rate, "select_mean": round(t.select_mean, 4)}
            for t in trials
        ],
    }


def _routed(
    evaluator: LocalEvaluator, result: RunResult, skills: Sequence[str], n_per_skill: int
) -> dict[str, Any]:
    """A run's cast as one helper on the general test exam: each question by who is sent it."""
    sheet = general_sheet(skills, n_per_skill, "test")
    answering = result.answers([challenge.prompt for challenge in sheet])
    scores, right = np.zeros(len(sheet)), 0
    for member, genome in zip(result.cast, result.genomes, strict=True):
        mine = [i for i, chosen in enumerate(answering) if chosen is genome]
        if mine:
            scores[mine] = evaluator.scores([genome], [sheet[i] for i in mine])[0]
        right += sum(sheet[i].skill in member.niches for i in mine)
    return {
        **_facts(SkillAccuracies.of(scores, len(skills)), result.tokens.equivalents),
        "layers": len(result.cast),
        "right_specialist": round(right / len(sheet), 4),
    }
