"""The benchmark: cells in one or several processes, then the test split, then what may be said.

A cell runs with one thread whatever the machine, so its numbers do not depend on how many
cells run beside it. What is finished is not run again.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from academy.benchmark.cells import Cell, ablations, gradient_free, run_cell
from academy.benchmark.final import open_test
from academy.benchmark.ours import Ancestors
from academy.benchmark.tracks import Tier, tier_named
from academy.benchmark.verdict import (
    Claim,
    Row,
    claims,
    compare,
    plot_anytime,
    plot_coverage,
    table,
)
from genome.base_model import BaseModel
from genome.files import write_json, write_text
from genome.memory import allow, allowed

Note = Callable[[str], None]


def run_cells(
    tier: Tier, todo: Sequence[Cell], out: Path, jobs: int, note: Note, base: Path
) -> int:
    """Run what is not there yet; returns how many cells were run.

    Args:
        base: Folder of the base model that all cells run on.

    Jobs share the memory allowed equally.

    Raises:
        AcademyError, GenomeError, OSError: With one line to show; what is finished stays.
    """
    left = [cell for cell in todo if not (out / "cells" / f"{cell.name}.json").exists()]
    if not left:
        return 0
    groups = _by_seed(left)  # a seed's experts are trained once, not by several at a time
    if jobs == 1 or len(groups) == 1:
        for group in groups:
            for name, seconds in map(_one, [(tier.name, cell, out, base) for cell in group]):
                note(f"{name}  {seconds:.0f} s")
        return len(left)
    context = multiprocessing.get_context("spawn")  # torch does not survive a fork
    with context.Pool(jobs, allow, [allowed() // jobs]) as pool:
        work = [[(tier.name, cell, out, base) for cell in group] for group in groups]
        for done in pool.imap_unordered(_group, work):
            for name, seconds in done:
                note(f"{name}  {seconds:.0f} s")
    return len(left)


def _by_seed(cells: Sequence[Cell]) -> list[list[Cell]]:
    seeds = dict.fromkeys(cell.seed for cell in cells)
    return [[cell for cell in cells if cell.seed == seed] for seed in seeds]


def _group(work: Sequence[tuple[str, Cell, Path, Path]]) -> list[tuple[str, float]]:
    return [_one(one) for one in work]


_BASE: dict[Path, BaseModel] = {}
_ANCESTORS = Ancestors()
"""Of this process; a seed's cells run in one process, one after the other."""


def _one(work: tuple[str, Cell, Path, Path]) -> tuple[str, float]:
    tier, cell, out, base = work
    torch.set_num_threads(1)
    if base not in _BASE:
        _BASE[base] = BaseModel.load(base)
    record = run_cell(_BASE[base], tier_named(tier), cell, out, _ANCESTORS)
    return cell.name, float(record.get("seconds", 0.0))


def conclude(tier: Tier, out: Path, note: Note, base: Path) -> tuple[list[Row], list[Claim]]:
    """Open the test split for all finished cells; write table, figures and raw results."""
    torch.set_num_threads(1)
    results = open_test(BaseModel.load(base), tier, out, note)
    rng = np.random.default_rng(0)
    rows = table(results, rng)
    found = claims(results, rng, gradient_free())
    methods = {row.method for row in rows}
    pairs = [(row.track, "academy", row.method) for row in rows if row.method != "academy"]
    compared = compare(results, pairs, rng) if "academy" in methods else []
    write_json(
        out / "summary.json",
        {
            "tier": tier.name,
            "rows": [asdict(row) for row in rows],
            "claims": [asdict(claim) for claim in found],
            "academy_against": [asdict(one) for one in compared],
        },
    )
    hidden = ablations()  # thirty lines in one figure say nothing; the table has them
    shown = [one for one in results if one["method"] not in hidden]
    write_text(out / "anytime.svg", plot_anytime(shown))
    seen = [row for row in rows if row.method not in hidden]
    write_text(out / "coverage.svg", plot_coverage(seen, shown))
    return rows, found
