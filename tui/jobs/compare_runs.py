"""Two finished runs on the same select questions, each answering through its own router."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from academy.challenge import Challenge
from academy.errors import RunMismatchError
from academy.evaluator import LocalEvaluator
from academy.evolution.router import fit_router
from academy.run_folder import RunFolder
from academy.sources.source import ChallengeSource, open_source
from academy.statistics.paired import compare_paired
from academy.training import TokenMeter
from genome.base_model import BaseModel
from genome.genome import Genome
from seeds.load import embedded_base_path
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
    base = BaseModel.load(configs[0].run.base or embedded_base_path())
    source = open_source(configs[0].run.source)
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
    """Scores of one run's cast, each question answered by whom its router sends it to."""
    genomes: list[Genome] = saved_genomes(home, base)
    folder = RunFolder(home)
    table = folder.read(folder.path / "result.json")["table"]
    router = fit_router(base, source, table, np.random.default_rng(SEED), TokenMeter())
    sent = router.members([c.prompt for c in items])
    scores = np.zeros(len(items))
    evaluator = LocalEvaluator(base)
    for i in np.unique(sent):
        mine = np.flatnonzero(sent == i)
        scores[mine] = evaluator.scores([genomes[int(i)]], [items[int(j)] for j in mine])[0]
    return scores


def _verdict(ours: np.ndarray, theirs: np.ndarray) -> str:
    result = compare_paired(ours, theirs)
    word = "no difference shown"
    if result.p_mid < 0.05:
        word = "the first is better" if result.effect > 0 else "the second is better"
    return (
        f"{word}: {100 * result.effect:+.1f} points ({100 * result.low:+.1f} to "
        f"{100 * result.high:+.1f}), p {result.p_mid:.3f}, {len(ours)} questions"
    )
