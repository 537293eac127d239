"""Which layers are told to be copies, and which honest ones are: docs/market/near_duplicates.svg.

    python -m tests.experiments.near_duplicates [--seed 0] [--out docs/market]

Two groups of layers are trained, each of one skill: limits were chosen on the first (sort), the
second (shift) shows what they are worth. In each: layers from starts and data of their own, layers
from one start (as whoever leaves the seed of a trainer alone gets), children trained on from
another, and copies of the first layer under noise, random ranks, pruning, and learned answers. For
every layer: what it shares with the first by weights (`marketplace.listing.similarity`), and by
answers (the same wrong answer where both are wrong, on 400 test questions).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import matplotlib
import numpy as np
import torch

from academy.answering import greedy_answers
from academy.challenge import prompts_and_answers
from academy.exam import exam_sheet
from academy.operators.noise import random_layer
from academy.skills.curriculum import skill_named
from academy.skills.skill import unique_questions
from academy.training import StudyPlan, TokenMeter, train_litter
from economy.publish import numbers_of
from genome.base_model import BaseModel, Rows
from genome.genome import Genome
from genome.layer import Factors, Layer
from genome.population import PopulationModel
from marketplace.listing.similarity import (
    CLONE_COSINE,
    KIN_SHARE,
    Sketches,
    Weights,
    share_within,
    sketch,
    spaces_of,
    update_cosine,
)
from seeds.bases import embedded_base_path
from tests.support.market import buried

PLAN = StudyPlan(110, 12, 0.005)
RANK = 8
N_OWN, N_SAME_START = 6, 2
FEWEST_MISTAKES = 20
"""Below so many questions that both answer wrong, the same mistake says nothing."""
KINDS = {
    "own start": "#4878a8",
    "one start": "#8ab6d6",
    "child": "#6a9a3b",
    "copy": "#c0504d",
    "learned answers": "#8064a2",
}


class Row(NamedTuple):
    """One layer beside the first of its group."""

    skill: str
    kind: str
    name: str
    share: float
    sketch_share: float
    cosine: float
    accuracy: float
    kept: float
    """Of the first layer's right answers."""
    both_wrong: int
    same_mistake: float
    """Of the questions that both answered wrong."""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("docs/market"))
    args = parser.parse_args()
    torch.set_num_threads(1)
    base = BaseModel.load(embedded_base_path())
    rows = [row for skill in ("sort", "shift") for row in group(base, skill, args.seed)]
    args.out.mkdir(parents=True, exist_ok=True)
    facts = [row._asdict() for row in rows]
    (args.out / "near_duplicates.json").write_text(json.dumps(facts, indent=1) + "\n")
    draw(rows, args.out / "near_duplicates.svg")
    for row in rows:
        print(*(f"{x:.3f}" if isinstance(x, float) else x for x in row), sep="  ")


def group(base: BaseModel, skill: str, seed: int) -> list[Row]:
    """All layers of one skill beside the first."""
    honest = own_layers(base, skill, seed)
    first = honest[0][2]
    layers = [*honest, *children(base, skill, first, seed), *copies(first)]
    sheet = exam_sheet(skill, 400)
    prompts, right = prompts_and_answers(sheet)
    layers.append(("learned answers", "trained on its answers", student(base, skill, first, seed)))
    said = [answers(base, layer, prompts) for _, _, layer in layers]
    weights = [numbers_of(layer) for _, _, layer in layers]
    known = Sketches().grown([sketch(spaces_of(weights[0]))])
    return [
        row(skill, kind, name, weights[0], weights[i], known, said[0], said[i], right)
        for i, (kind, name, _) in enumerate(layers)
    ]


def row(
    skill: str,
    kind: str,
    name: str,
    elder: Weights,
    young: Weights,
    known: Sketches,
    theirs: Sequence[str],
    ours: Sequence[str],
    right: Sequence[str],
) -> Row:
    spaces = spaces_of(young)
    share = max(share_within(elder, spaces), share_within(young, spaces_of(elder)))
    triples = list(zip(theirs, ours, right, strict=True))
    wrong = [(a, b) for a, b, c in triples if c not in (a, b)]
    kept = [b == c for a, b, c in triples if a == c]
    return Row(
        skill,
        kind,
        name,
        share,
        float(known.shares(spaces)[0]),
        update_cosine(elder, young),
        float(np.mean([b == c for _, b, c in triples])),
        float(np.mean(kept)),
        len(wrong),
        float(np.mean([a == b for a, b in wrong])) if wrong else 0.0,
    )


def own_layers(base: BaseModel, skill: str, seed: int) -> list[tuple[str, str, Layer]]:
    """The first layer, others of their own, and two from the start of the first."""
    starts = [*range(N_OWN), *[0] * N_SAME_START]
    shapes = base.linear_shapes
    begun = [
        random_layer(base.fingerprint, shapes, RANK, 0.02, np.random.default_rng([seed, 1, start]))
        for start in starts
    ]
    studies = [study(base, skill, PLAN, [seed, 2, i]) for i in range(len(starts))]
    trained = train_litter(base, begun, studies, PLAN, TokenMeter())
    kinds = ["first", *["own start"] * (N_OWN - 1), *["one start"] * N_SAME_START]
    return [
        (kind, f"{kind} {i}", layer)
        for i, (kind, layer) in enumerate(zip(kinds, trained, strict=True))
    ]


def children(base: BaseModel, skill: str, first: Layer, seed: int) -> list[tuple[str, str, Layer]]:
    """Trained on from the first layer, for its own skill and for another."""
    found = []
    for what, steps, rate in (
        (skill, 15, 0.003),
        (skill, 60, 0.003),
        ("reverse", 60, 0.003),
        (skill, 60, 0.01),
    ):
        plan = StudyPlan(steps, 12, rate)
        rows = study(base, what, plan, [seed, 3, steps])
        (layer,) = train_litter(base, [first], [rows], plan, TokenMeter())
        found.append(("child", f"{steps} steps of {what} at {rate}", layer))
    return found


def student(base: BaseModel, skill: str, first: Layer, seed: int) -> Layer:
    """From a start of its own, trained on what the first layer answers."""
    rng = np.random.default_rng([seed, 4])
    asked = unique_questions(skill_named(skill), "train", PLAN.n_rows, rng)
    prompts = [challenge.prompt for challenge in asked]
    rows = base.rows(prompts, answers(base, first, prompts))
    begun = random_layer(base.fingerprint, base.linear_shapes, RANK, 0.02, rng)
    return train_litter(base, [begun], [rows], PLAN, TokenMeter())[0]


def copies(first: Layer) -> list[tuple[str, str, Layer]]:
    """What an evader can do in a minute."""
    weights, made = numbers_of(first), {}
    for rank, size in ((4, 0.25), (4, 1.0), (8, 1.0), (16, 1.0), (32, 1.0), (16, 2.0), (16, 4.0)):
        made[f"{rank} random ranks, x{size:g}"] = buried(weights, rank=rank, size=size)
    for noise in (0.1, 0.3, 0.5, 0.7, 1.0, 1.5):
        made[f"{noise:.0%} noise in the factors"] = shaken(weights, noise)
    spaces = spaces_of(weights)
    strongest = sorted(spaces, key=lambda m: -float((spaces[m].values ** 2).sum()))
    for n in (8, 14):
        made[f"without its {n} strongest modules"] = {
            m: pair for m, pair in weights.items() if m not in strongest[:n]
        }
    for rank in (4, 2, 1):
        made[f"pruned to rank {rank}"] = {
            m: ((one.right[:, :rank] * one.values[:rank]).T, one.left[:, :rank])
            for m, one in spaces.items()
        }
    made["scaled by 0.7"] = {m: (0.7 * a, b) for m, (a, b) in weights.items()}
    return [("copy", name, layer_of(first.base_model, pairs)) for name, pairs in made.items()]


def shaken(weights: Weights, noise: float) -> Weights:
    """Noise in both factors, relative to their size."""
    rng = np.random.default_rng(3)
    return {
        m: tuple(x + noise * x.std() * rng.standard_normal(x.shape) for x in pair)
        for m, pair in weights.items()
    }  # type: ignore[return-value]


def layer_of(base_model: str, weights: Weights) -> Layer:
    factors = {
        m: Factors(*(torch.from_numpy(np.ascontiguousarray(x, dtype=np.float32)) for x in pair))
        for m, pair in weights.items()
    }
    return Layer(base_model, factors)


def study(base: BaseModel, skill: str, plan: StudyPlan, seed: list[int]) -> Rows:
    asked = unique_questions(skill_named(skill), "train", plan.n_rows, np.random.default_rng(seed))
    return base.rows(*prompts_and_answers(asked))


def answers(base: BaseModel, layer: Layer, prompts: Sequence[str]) -> list[str]:
    population = PopulationModel(base.model)
    (slot,) = population.load([Genome.of(layer)])
    return greedy_answers(base, population, [slot] * len(prompts), prompts, 16)


def draw(rows: Sequence[Row], path: Path) -> None:
    """What is kept of the original against its share, cosine and same mistakes."""
    matplotlib.use("svg")
    import matplotlib.pyplot as plt

    plt.rcParams.update({"font.size": 9, "svg.hashsalt": "continuum", "svg.fonttype": "none"})
    figure, axes = plt.subplots(1, 3, figsize=(11, 4.2), sharey=True, layout="constrained")
    shown = [one for one in rows if one.kind != "first"]
    panels = (
        ("share", "share of the original, beyond chance", KIN_SHARE),
        ("cosine", "cosine of the whole updates", CLONE_COSINE),
        ("same_mistake", "same wrong answer where both are wrong", None),
    )
    for axis, (column, label, limit) in zip(axes, panels, strict=True):
        for kind, colour in KINDS.items():
            for skill, mark in (("sort", "o"), ("shift", "^")):
                some = [
                    one
                    for one in shown
                    if (one.kind, one.skill) == (kind, skill)
                    and (column != "same_mistake" or one.both_wrong >= FEWEST_MISTAKES)
                ]
                axis.scatter(
                    [getattr(one, column) for one in some],
                    [one.kept for one in some],
                    s=26,
                    marker=mark,
                    color=colour,
                    alpha=0.85,
                    label=kind if mark == "o" else None,
                )
        if limit is not None:
            axis.axvline(limit, color="0.35", linewidth=1)
            axis.annotate(
                f"limit {limit:g}",
                (limit, 0.02),
                xytext=(-4, 0),
                ha="right",
                xycoords=("data", "axes fraction"),
                textcoords="offset points",
                rotation=90,
                fontsize=8,
                color="0.35",
            )
        axis.set_xlabel(label)
        axis.set_xlim(-0.05, 1.05)
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(alpha=0.25)
    axes[0].set_ylabel("right answers of the original that are kept")
    for skill, mark in (("sort", "o"), ("shift", "^")):
        axes[0].scatter([], [], s=26, marker=mark, color="0.5", label=skill)
    figure.legend(
        *axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=7, frameon=False
    )
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


if __name__ == "__main__":
    main()
