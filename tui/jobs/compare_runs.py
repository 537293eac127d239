"""Two finished runs on the same select questions, each answering through its own router."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from academy.challenge import Challenge
from academy.errors import RunMismatchError
from academy.evaluator import LocalEvaluator
from academy.evolution.cast import fit_router
from academy.evolution.fitting import FittingSource
from academy.evolution.mixture import unevolved
from academy.evolution.run import RunResult
from academy.evolution.state import Evolution, LayerPool
from academy.evolution.workbench import Budget, Workbench
from academy.operators.routing import RoutingGenes
from academy.run_folder import RunFolder
from academy.sources.checked import checked
from academy.sources.opening import open_source
from academy.sources.source import ChallengeSource
from academy.training import TokenMeter
from academy.trial import compare_scores
from economy.demand import wanted
from genome.base_model import BaseModel
from genome.genome import Genome
from seeds.bases import EMBEDDED, load_base
from tui.jobs.evolve import saved_config, saved_genomes

SEED = 41_000
"""Both runs, whatever theirs, are asked the same questions."""


@dataclass(frozen=True)
class RunsCompared:
    """What came of it."""

    by_skill: list[tuple[str, float, float]]
    verdict: str


def compare_runs(first: Path, second: Path, n_per_skill: int) -> RunsCompared:
    """Accuracy of both on common questions, with a paired test.

    Raises:
        RunError: One is not finished, or they are about different questions or bases.
    """
    configs = [saved_config(home) for home in (first, second)]
    for key in ("base", "source"):
        ours, theirs = (getattr(config.run, key) for config in configs)
        if ours != theirs:
            raise RunMismatchError(
                f"the runs differ in run.{key} ({ours!r} and {theirs!r}): compare runs on the same"
            )
    base = load_base(first, configs[0].run.base or EMBEDDED)
    source = FittingSource(checked(open_source(configs[0].run.source)), base)
    rng = np.random.default_rng(SEED)
    sheets = [source.draw(skill, "select", n_per_skill, rng) for skill in source.skills]
    items = [c for sheet in sheets for c in sheet]
    skills = np.repeat(np.arange(len(sheets)), [len(sheet) for sheet in sheets])
    rows = [_answered(base, source, home, items) for home in (first, second)]
    by_skill = [
        (skill, float(rows[0][skills == k].mean()), float(rows[1][skills == k].mean()))
        for k, skill in enumerate(source.skills)
    ]
    return RunsCompared(by_skill, _verdict(rows[0], rows[1]))


def _answered(
    base: BaseModel, source: ChallengeSource, home: Path, items: Sequence[Challenge]
) -> np.ndarray:
    """Scores of one run's cast, each question answered by whom the run sends it to."""
    senders = answerers(base, source, home, [c.prompt for c in items])
    scores = np.zeros(len(items))
    evaluator = LocalEvaluator(base)
    for digest, genome in {sent.digest: sent for sent in senders}.items():
        mine = [i for i, sent in enumerate(senders) if sent.digest == digest]
        scores[mine] = evaluator.scores([genome], [items[i] for i in mine])[0]
    return scores


def answerers(
    base: BaseModel, source: ChallengeSource, home: Path, prompts: list[str]
) -> list[Genome]:
    """The genome that answers each question: a finished run's own router, evolved genes included.

    Args:
        source: As the run draws from it, for the router's sample.
    """
    config, genomes = saved_config(home), saved_genomes(home, base)
    folder = RunFolder(home)
    result = folder.read(folder.path / "result.json")
    run = Evolution(config, source.skills, np.zeros(len(source.skills)))
    router = None
    if config.routing.enabled:
        router = fit_router(base, source, result["table"], run.rng("router"), TokenMeter())
    mixture = None
    if router is not None and result["routing"] is not None:
        evaluator = LocalEvaluator(base)
        bench = Workbench(
            base,
            evaluator,
            source,
            LayerPool(base.fingerprint),
            Budget(config.run.tokens, evaluator.tokens),
            wanted(config, source, home),
        )
        start, _, _ = unevolved(run, bench, router, genomes)
        mixture = replace(start, genes=RoutingGenes(**result["routing"]))
    return RunResult(config, run, [], genomes, router, TokenMeter(), mixture).answers(prompts)


def _verdict(ours: np.ndarray, theirs: np.ndarray) -> str:
    words = {"A better": "the first is better", "B better": "the second is better"}
    result = compare_scores(np.stack([ours, theirs]), rng=np.random.default_rng(SEED))
    return (
        f"{words.get(result.verdict, result.verdict)}: {100 * result.effect:+.1f} points "
        f"({100 * result.low:+.1f} to {100 * result.high:+.1f}), p {result.p_value:.3f}, "
        f"{len(ours)} questions"
    )
