"""What the results allow to be said: one table, and the pre-registered claims.

Scores are (seeds x skills) matrices; methods are paired by seed and skill. A method's figure is
the interquartile mean with a stratified bootstrap interval (Agarwal et al. 2021); two methods
are compared by a paired permutation test on the mean difference, Holm-corrected over all
comparisons of a claim.

The benchmark's two figures: what methods know of themselves on the way, and who covers what.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from academy.benchmark.tracks import TRACKS, Track
from academy.plots import ACCENT, COLOURS, INK, QUIET, svg
from academy.statistics.aggregate import anytime_area, interquartile_mean, stratified_bootstrap
from academy.statistics.permutation import holm, sign_flip_test

OURS = "academy"

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
        track,
        method,
        len(mine),
        estimate.value,
        (estimate.low, estimate.high),
        _mean(mine, "mean"),
        _mean(mine, "worst"),
        _mean(mine, "covered"),
        float(np.mean([r["select_mean"] - r["mean"] for r in mine])),
        _mean(mine, "tokens"),
        _mean(mine, "seconds"),
        _mean(mine, "members"),
        _anytime(mine),
    )


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
        common = _common_seeds(results, track, (ours, theirs))
        if not common:
            continue
        a, b = (matrix(_of_seeds(results, common), track, m)[1] for m in (ours, theirs))
        p = sign_flip_test(a - b, alternative="greater", unit="run", rng=rng).p_value
        difference = interquartile_mean(a) - interquartile_mean(b)
        found.append((track, ours, theirs, difference, p, len(common)))
    adjusted = holm([one[4] for one in found]) if found else []
    return [
        Comparison(*one[:5], adjusted=q, seeds=one[5])
        for one, q in zip(found, adjusted, strict=True)
    ]


def _common_seeds(results: Sequence[Result], track: Track, methods: Sequence[str]) -> set[int]:
    """Seeds that every one of these methods has run: no other may be compared."""
    return set.intersection(*(set(matrix(results, track, m)[0]) for m in methods))


def _of_seeds(results: Sequence[Result], seeds: Collection[int]) -> list[Result]:
    return [r for r in results if int(r["seed"]) in seeds]


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
    """The four claims, decided by the results alone; one that was not run in full is not shown."""
    return [
        _higher(
            "gradient-free: ours above every gradient-free peer on both tracks",
            results,
            [(t, "academy-gradient-free", m) for t in TRACKS for m in gradient_free],
            rng,
        ),
        _against_joint(results),
        _higher(
            "ours above random search and above routed experts without evolution",
            results,
            [(t, "academy", m) for t in TRACKS for m in ("academy-random", "specialists")],
            rng,
        ),
        _coverage(results),
    ]


def _higher(
    text: str,
    results: Sequence[Result],
    registered: Sequence[tuple[Track, str, str]],
    rng: np.random.Generator,
) -> Claim:
    """Lost by any comparison that is not won; held only when all that were registered are won."""
    found = compare(results, registered, rng)
    missing = [pair for pair in registered if not any(_is(one, pair) for one in found)]
    not_run = f"; not run: {', '.join(f'{t} {m}' for t, _, m in missing)}" if missing else ""
    lost = [c for c in found if c.difference <= 0 or c.adjusted >= ALPHA]
    named = "; ".join(f"{c.track} {c.theirs} {c.difference:+.3f} p {c.adjusted:.3f}" for c in lost)
    if lost:
        reason = f"not shown for {len(lost)} of {len(found)}: {named}{not_run}"
        return Claim(text, False, reason)
    if missing or not found:
        return Claim(text, None, f"{len(found)} of {len(registered)} comparisons were run{not_run}")
    worst = max(c.adjusted for c in found)
    return Claim(text, True, f"{len(found)} comparisons, largest Holm p {worst:.4f}")


def _is(one: Comparison, pair: tuple[Track, str, str]) -> bool:
    return (one.track, one.ours, one.theirs) == pair


def _against_joint(results: Sequence[Result]) -> Claim:
    text = "compositions or worst domain above joint LoRA, and within 2 points on the mean"
    parts, held = [], []
    decides: dict[Track, str] = {"A": "worst", "B": "mean"}
    for track, key in decides.items():
        group = _joint_groups(results, track)
        if group is None:
            parts.append(f"{track}: not run")
            continue
        ours, joint, n = group
        best = max(joint, key=lambda one: _mean(one, "mean"))
        highest = max(_mean(one, key) for one in joint)
        near = _mean(ours, "mean") >= _mean(best, "mean") - POINTS
        held.append(_mean(ours, key) > highest and near)
        parts.append(
            f"{track}: {key} {_mean(ours, key):.3f} against {highest:.3f},"
            f" mean {_mean(ours, 'mean'):.3f} against {_mean(best, 'mean'):.3f} ({n} seeds)"
        )
    holds = True if any(held) else False if len(held) == len(parts) else None
    return Claim(text, holds, "; ".join(parts))


def _joint_groups(
    results: Sequence[Result], track: Track
) -> tuple[list[Result], list[list[Result]], int] | None:
    """Ours, each joint training, and how many seeds all of them have; None without any."""
    methods = ("academy", "joint-lora", "joint-lora-matched")
    seeds = _common_seeds(results, track, methods)
    if not seeds:
        return None
    ours, *joint = (
        [r for r in _of_seeds(results, seeds) if (r["track"], r["method"]) == (track, method)]
        for method in methods
    )
    return ours, joint, len(seeds)


def _coverage(results: Sequence[Result]) -> Claim:
    text = "every built-in skill at 0.9 or more by some living persona"
    ours = [r for r in results if r["track"] == "A" and r["method"] == "academy"]
    if not ours:
        return Claim(text, None, "not run")
    share = _mean(ours, "covered")
    return Claim(text, share == 1.0, f"{100 * share:.0f} % of skills on average over seeds")


def plot_anytime(results: Sequence[Result]) -> str:
    """The incumbent's accuracy on selection questions against tokens spent, mean over seeds.

    Methods that search by loss have no accuracy on the way: they show as a mark at their end.
    """
    figure = Figure((10.0, 4.4))
    axes = figure.subplots(1, 2, sharey=True)
    everybody = sorted({r["method"] for r in results} - {OURS})
    for place, track in zip(axes, TRACKS, strict=True):
        mine = [r for r in results if r["track"] == track]
        for method in sorted({r["method"] for r in mine}):
            runs = [r for r in mine if r["method"] == method]
            colour = INK if method == OURS else COLOURS(everybody.index(method) % 20)
            width = 2.4 if method == OURS else 1.2
            at, values = _mean_curve(runs)
            if len(at):
                place.plot(at / 1e6, values, color=colour, linewidth=width, label=method)
            end = np.mean([r["tokens"] for r in runs]) / 1e6
            score = np.mean([r["select_mean"] for r in runs])
            place.plot(
                [end],
                [score],
                "o",
                color=colour,
                markersize=4,
                label=None if len(at) else method,
            )
        place.set(xlabel="million token-equivalents", title=f"track {track}", ylim=(0, 1))
    axes[0].set_ylabel("accuracy on selection questions")
    handles: dict[str, Any] = {}
    for place in axes:
        lines, labels = place.get_legend_handles_labels()
        handles |= dict(zip(labels, lines, strict=True))
    figure.legend(
        list(handles.values()),
        list(handles),
        loc="center left",
        bbox_to_anchor=(0.92, 0.5),
        frameon=False,
        fontsize=7,
    )
    return svg(figure)


def plot_coverage(rows: Sequence[Row], results: Sequence[Result]) -> str:
    """Share of skills that some member of each method's answer has at 0.9 or more, by track."""
    figure = Figure((10.0, 0.9 + 0.26 * max(1, len({r.method for r in rows}))))
    axes = figure.subplots(1, 2, sharey=True)
    order = [row.method for row in rows if row.track == "A"]
    order += [row.method for row in rows if row.track == "B" and row.method not in order]
    for place, track in zip(axes, TRACKS, strict=True):
        for y, method in enumerate(order):
            values = [
                r["covered"] for r in results if r["track"] == track and r["method"] == method
            ]
            if values:
                colour = ACCENT if method.startswith(OURS) else QUIET
                place.barh(y, np.mean(values), color=colour)
                place.plot(values, [y] * len(values), "|", color=INK, markersize=6)
        place.set(xlim=(0, 1), xlabel="skills at 0.9 or more on test questions")
        place.set_title(f"track {track}")
    axes[0].set_yticks(range(len(order)), order, fontsize=8)
    axes[0].invert_yaxis()
    return svg(figure)


def _mean_curve(runs: Sequence[Result], points: int = 60) -> tuple[np.ndarray, np.ndarray]:
    """Mean of step curves over runs; empty where merits are no accuracies."""
    curves: list[list[Any]] = [r["curve"] for r in runs if len(r["curve"]) > 1]
    if not curves or any(merit < 0 for curve in curves for _, merit in curve):
        return np.zeros(0), np.zeros(0)
    start = max(curve[0][0] for curve in curves)
    end = min(curve[-1][0] for curve in curves)
    if start >= end:
        return np.zeros(0), np.zeros(0)
    at = np.linspace(start, end, points)
    values = [
        [curve[max(0, int(np.searchsorted([p[0] for p in curve], x, "right")) - 1)][1] for x in at]
        for curve in curves
    ]
    return at, np.mean(values, axis=0)
