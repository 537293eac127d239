"""What one computation costs: processor time, and memory at its widest.

    python -m tests.support.cost '{"vocabulary": 5000, "rows": 8, "positions": 100, "scored": 5}'

Prints the bytes that a pass takes in a process of its own, above what the process took before,
as JSON beside what is expected of it.
"""

from __future__ import annotations

import gc
import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

if TYPE_CHECKING:
    from genome.base_model import BaseModel


@dataclass(frozen=True, slots=True)
class Case:
    """One pass over rows of a Llama with random weights, with one layer of rank 8."""

    vocabulary: int = 264
    width: int = 128
    inner: int = 512
    blocks: int = 4
    heads: int = 4
    rows: int = 64
    positions: int = 128
    scored: int = 4
    """Answer positions of every row."""
    mode: str = "score"
    """score, train or recompute."""


def in_own_process(case: Case) -> dict[str, float]:
    """`taken` and `expected` bytes."""
    text = json.dumps(asdict(case))
    done = subprocess.run(
        [sys.executable, "-m", __name__, text], capture_output=True, text=True, check=True
    )
    answer: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return answer


def taken_by(run: Callable[[], Any]) -> int:
    """Bytes that the process grew by at its widest.

    Something smaller of the same kind has to have run before: libraries are loaded, and buffers
    made, when first needed. (`ru_maxrss` would begin with what the parent process had.)
    """
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins here
    before: int = psutil.Process().memory_info().rss
    run()
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024 - before


def processor_s(run: Callable[[], Any]) -> float:
    """Seconds that this thread computed: the least of three runs.

    Neither a busy neighbour nor a collection of other tests' garbage counts.
    """

    def once() -> float:
        start = time.thread_time()
        run()
        return time.thread_time() - start

    return min(once() for _ in range(3))


def _pass_of(base: BaseModel, case: Case) -> tuple[Callable[[], Any], int]:
    """What to run, and the bytes that are expected of it."""
    import torch

    from academy import training
    from academy.scoring.scorer import answer_losses
    from genome.base_model import IGNORED, Rows
    from genome.genome import Genome
    from genome.population import PopulationModel
    from tests.support.genome import random_layer

    ids = torch.randint(0, 200, (case.rows, case.positions))
    labels = torch.full_like(ids, IGNORED)
    labels[:, -case.scored :] = ids[:, -case.scored :]
    rows, layer = Rows(ids, labels), random_layer(base.model, base.fingerprint, rank=8)
    if case.mode == "score":
        population = PopulationModel(base.model)
        population.load([Genome.of(layer)])

        def score() -> None:
            with torch.no_grad(), population.rows([0] * case.rows):
                answer_losses(base, rows)

        scored = case.scored if base.is_wide else case.positions
        return score, case.rows * base.footprint.reading(case.positions, scored)
    again = case.mode == "recompute"
    plan = training.StudyPlan(steps=1, rows_per_step=case.rows, learning_rate=0.01)
    _, course = training._course(base, [layer], [rows], plan, None, None)
    whole = [list(range(case.rows))]
    course._parts = lambda *_: (whole, again)  # type: ignore[method-assign]
    expected = course._taken(case.rows, case.positions, again)
    return lambda: course.run(training.TokenMeter()), expected


def main() -> None:
    import torch

    from genome.base_model import BaseModel
    from seeds.tokenizer import build_tokenizer
    from tests.benchmarks.bases import llama

    case = Case(**json.loads(sys.argv[1]))
    torch.set_num_threads(1)
    sizes = {"heads": case.heads, "vocabulary": case.vocabulary}
    model = llama(case.width, case.inner, case.blocks, **sizes)
    base = BaseModel("random", model, build_tokenizer())
    _pass_of(base, replace(case, rows=1))[0]()
    run, expected = _pass_of(base, case)
    print(json.dumps({"taken": taken_by(run), "expected": expected}))


if __name__ == "__main__":
    main()
