"""What the results allow to be said: one table, and the pre-registered claims.

Scores are (seeds x skills) matrices; methods are paired by seed and skill. A method's figure is
the interquartile mean with a stratified bootstrap interval (Agarwal et al. 2021); two methods
are compared by a paired permutation test on the mean difference, Holm-corrected over all
comparisons of a claim.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from academy.benchmark.tracks import TRACKS, Track
from academy.statistics.aggregate import anytime_area, interquartile_mean, stratified_bootstrap
from academy.statistics.multiple import holm
from academy.statistics.permutation import sign_flip_test

ALPHA = 0.05
POINTS = 0.02
"""How far below joint training the mean may be in claim ii."""
Result = dict[str, Any]


@dataclass(frozen=True)
class Row:
    """One method on one track."""

    track: Track
    method: str
    seeds: int
    iqm: float
    interval: tuple[float, float]
    mean: float
    worst: float
    covered: float
    gap: float
    """Mean on selection items less mean on test items."""
    tokens: float
    seconds: float
    members: float
    anytime: float | None


@dataclass(frozen=True)
class Comparison:
    """Ours against one other method on one track."""

    track: Track
    ours: str
    theirs: str
    difference: float
    """Of the interquartile means."""
    p: float
    """One-sided, ours higher, whole seeds swapped: skills measured on one trained model are not
    independent, so no smaller unit may be. It cannot fall below 1/2^seeds."""
    adjusted: float
    """Holm over the comparisons of the same claim."""
    seeds: int


def matrix(results: Sequence[Result], track: Track, method: str) -> tuple[list[int], np.ndarray]:
    """Seeds, and scores (n_seeds, n_skills)."""
    mine = sorted(
        (r for r in results if r["track"] == track and r["method"] == method),
        key=lambda r: int(r["seed"]),
    )
    return [int(r["seed"]) for r in mine], np.array([r["by_skill"] for r in mine])


def table(results: Sequence[Result], rng: np.random.Generator) -> list[Row]:
    """A row for every method and track, best first."""
    rows = []
    for track in TRACKS:
        methods = sorted({r["method"] for r in results if r["track"] == track})
        rows += sorted((_row(results, track, m, rng) for m in methods), key=lambda row: -row.iqm)
    return rows


def _row(results: Sequence[Result], track: Track, method: str, rng: np.random.Generator) -> Row:
    mine = [r for r in results if r["track"] == track and r["method"] == method]
    _, scores = matrix(results, track, method)
    estimate = stratified_bootstrap(scores, rng, n_resamples=1000)
    return Row(
        track, method, len(mine), estimate.value, (estimate.low, estimate.high),
        _mean(mine, "mean"), _mean(mine, "worst"), _mean(mine, "covered"),
        float(np.mean([r["select_mean"] - r["mean"] for r in mine])), _mean(mine, "tokens"),
        _mean(mine, "seconds"), _mean(mine, "members"), _anytime(mine),
    )  # fmt: skip


def _mean(results: Sequence[Result], key: str) -> float:
    return float(np.mean([r[key] for r in results]))


def _anytime(results: Sequence[Result]) -> float | None:
    """Area under the curve of the incumbent's merit, where merits are accuracies."""
    areas = []
    for r in results:
        points = [(at, merit) for at, merit in r["curve"] if merit >= 0]
        if len(points) != len(r["curve"]) or not points:
            return None
        at, merits = zip(*points, strict=True)
        areas.append(anytime_area(at, merits, budget=r["budget"]))
    return float(np.mean(areas))


def compare(
    results: Sequence[Result], pairs: Sequence[tuple[Track, str, str]], rng: np.random.Generator
) -> list[Comparison]:
    """Ours against theirs, seed by seed and skill by skill; pairs without common seeds left out."""
    found = []
    for track, ours, theirs in pairs:
        seeds_a, a = matrix(results, track, ours)
        seeds_b, b = matrix(results, track, theirs)
        common = [s for s in seeds_a if s in seeds_b]
        if not common:
            continue
        a = a[[seeds_a.index(s) for s in common]]
        b = b[[seeds_b.index(s) for s in common]]
        p = sign_flip_test(a - b, alternative="greater", unit="run", rng=rng).p_value
        difference = interquartile_mean(a) - interquartile_mean(b)
        found.append((track, ours, theirs, difference, p, len(common)))
    adjusted = holm([one[4] for one in found]) if found else []
    return [
        Comparison(*one[:5], adjusted=q, seeds=one[5])
        for one, q in zip(found, adjusted, strict=True)
    ]


@dataclass(frozen=True)
class Claim:
    """A pre-registered claim and what came of it."""

    text: str
    holds: bool | None
    """None: not enough was run to say."""
    reason: str


def claims(
    results: Sequence[Result], rng: np.random.Generator, gradient_free: Sequence[str]
) -> list[Claim]:
    """The four claims, decided by the results alone."""
    return [
        _higher(
            "gradient-free: ours above every gradient-free peer on both tracks",
            compare(
                results,
                [(t, "academy-gradient-free", m) for t in TRACKS for m in gradient_free],
                rng,
            ),
        ),
        _against_joint(results),
        _higher(
            "ours above random search and above routed experts without evolution",
            compare(
                results,
                [(t, "academy", m) for t in TRACKS for m in ("academy-random", "specialists")],
                rng,
            ),
        ),
        _coverage(results),
    ]


def _higher(text: str, comparisons: Sequence[Comparison]) -> Claim:
    if not comparisons:
        return Claim(text, None, "nothing to compare was run")
    lost = [c for c in comparisons if c.difference <= 0 or c.adjusted >= ALPHA]
    if not lost:
        worst = max(c.adjusted for c in comparisons)
        return Claim(text, True, f"{len(comparisons)} comparisons, largest Holm p {worst:.4f}")
    named = "; ".join(f"{c.track} {c.theirs} {c.difference:+.3f} p {c.adjusted:.3f}" for c in lost)
    return Claim(text, False, f"not shown for {len(lost)} of {len(comparisons)}: {named}")


def _against_joint(results: Sequence[Result]) -> Claim:
    text = "compositions or worst domain above joint LoRA, and within 2 points on the mean"
    parts = []
    holds: bool | None = None
    for track, key in (("A", "worst"), ("B", "mean")):
        ours = [r for r in results if r["track"] == track and r["method"] == "academy"]
        joint = [
            [r for r in results if r["track"] == track and r["method"] == m]
            for m in ("joint-lora", "joint-lora-matched")
        ]
        if not ours or not all(joint):
            continue
        best = max(joint, key=lambda group: _mean(group, "mean"))
        higher = _mean(ours, key) > max(_mean(group, key) for group in joint)
        near = _mean(ours, "mean") >= _mean(best, "mean") - POINTS
        holds = bool(holds) or (higher and near)
        parts.append(
            f"{track}: {key} {_mean(ours, key):.3f} against "
            f"{max(_mean(group, key) for group in joint):.3f}, mean {_mean(ours, 'mean'):.3f} "
            f"against {_mean(best, 'mean'):.3f}"
        )
    return Claim(text, holds, "; ".join(parts) or "not run")


def _coverage(results: Sequence[Result]) -> Claim:
    text = "every built-in skill at 0.9 or more by some living persona"
    ours = [r for r in results if r["track"] == "A" and r["method"] == "academy"]
    if not ours:
        return Claim(text, None, "not run")
    share = _mean(ours, "covered")
    return Claim(text, share == 1.0, f"{100 * share:.0f} % of skills on average over seeds")
