"""One generation of an island: choose, cross, mutate, study, score, remember, make room.

parents  <- lexicase on the common items of a niche that is asked for and learnable
mates    <- attraction: whoever knows what the first parent does not
operator <- bandit, paid in archive gain per token
children <- examined on the generation's common items, hopeless ones only on a quarter
survival <- sharing (or NSGA-III, or the best), archive members and newborns protected
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from academy.errors import OperatorError
from academy.evolution.ancestor import teacher_weights
from academy.evolution.events import Born, Discarded
from academy.evolution.offspring import CROSSOVERS, Nursery
from academy.evolution.sheet import Sheet, exam_cost
from academy.evolution.society import quotas
from academy.evolution.state import Candidate, Evolution, Genes, Island
from academy.evolution.study import Child
from academy.evolution.workbench import Workbench
from academy.selection import parents
from academy.selection.arrays import best
from academy.species.archive import Archive, Entry
from genome.errors import GenomeError

HOPELESS_PART = 4
"""Children that no gradient made are judged on one item in so many first."""


def refresh_archive(island: Island, sheet: Sheet) -> None:
    """The archive on this generation's items; who has died is forgotten."""
    if sheet.own:  # asked nothing new: what they are known for has a new name
        living = {str(c.id): _entry(c) for c in island.candidates}
        stayed = [living[e.key] for e in island.archive.entries if e.key in living]
        island.archive = replace(island.archive, items=sheet.name, entries=tuple(stayed))
        return
    alive = {str(c.id): tuple(c.results.tolist()) for c in island.candidates}
    kept = tuple(e for e in island.archive.entries if e.key in alive)
    archive = Archive(
        island.archive.capacity, island.archive.k, island.archive.z, island.archive.items, kept
    )
    island.archive = archive.rescore({e.key: alive[e.key] for e in kept}, sheet.name)


def breed(run: Evolution, bench: Workbench, number: int, sheet: Sheet) -> list[Child]:
    """Children of one island: conceived, studied and scored; the discarded are left out."""
    island = run.islands[number]
    rng = run.rng("breed", run.generation * 1000 + number)
    births = run.config.population.births
    if sheet.own:  # no more than can be examined
        births = min(births, bench.budget.left // exam_cost(bench, sheet, range(len(run.skills))))
    niches = choose_niches(run, bench, island, births, rng, number)
    operators = island.operators.choose(births, rng)
    children = _conceive(run, bench, island, list(zip(operators, niches, strict=True)), sheet, rng)
    tools = bench.toolbox
    children = tools.tune(run, bench, tools.study(run, bench, children))
    return _score_children(run, bench, children, sheet)


def choose_niches(
    run: Evolution,
    bench: Workbench,
    island: Island,
    n: int,
    rng: np.random.Generator,
    number: int = 0,
) -> list[int]:
    """Skills that children are made for: demand x p(1-p) of the best alive, (n,).

    Systematic resampling (Baker 1987): one random offset, equal steps through the weights.
    """
    weight = teacher_weights(run, bench)
    if mine := run.config.islands.skills_of(number):
        weight = weight * np.array([skill in mine for skill in run.skills])
    points = (rng.random() + np.arange(n)) / n
    drawn = np.searchsorted(np.cumsum(weight) / weight.sum(), points).clip(0, len(weight) - 1)
    return [int(k) for k in rng.permutation(drawn)]


def choose_parent(
    candidates: Sequence[Candidate],
    niche: int,
    sheet: Sheet,
    rng: np.random.Generator,
    *,
    rule: str,
) -> int:
    """Index of the first parent of a child made for a niche.

    Lexicase looks at the niche's items, at what is known of the niche from before, and at a
    random quarter of all others.

    Args:
        rule: One of `CHOICES["selection.parents"]`.
    """
    if rule == "random":
        return int(rng.integers(len(candidates)))
    results = np.stack([c.results for c in candidates])
    known = np.array([c.profile[niche] for c in candidates])
    if rule == "best":
        return int(best(known, 1)[0])
    if rule == "tournament":
        return int(parents.tournament(known, 1, rng)[0])
    own = np.flatnonzero(sheet.columns == niche)
    others = np.flatnonzero(sheet.columns != niche)
    some = rng.choice(others, len(others) // 4, replace=False) if len(others) >= 4 else others[:0]
    columns = [results[:, own], np.repeat(known[:, None], max(len(own), 1), 1), results[:, some]]
    weighted = np.concatenate(columns, axis=1)
    return int(parents.lexicase(weighted, 1, rng, tau=1.0)[0])


def _conceive(
    run: Evolution,
    bench: Workbench,
    island: Island,
    orders: Sequence[tuple[str, int]],
    sheet: Sheet,
    rng: np.random.Generator,
) -> list[Child]:
    results = np.stack([c.results for c in island.candidates])
    children = []
    species: list[int | None] = [None] * len(orders)
    if run.config.species.spawning:
        species = list(rng.permutation(quotas(run, bench, island.candidates, len(orders))))
    for (operator, niche), kind in zip(orders, species, strict=True):
        may = [i for i, c in enumerate(island.candidates) if kind is None or c.species == kind]
        first = may[bench.toolbox.select([island.candidates[i] for i in may], niche, sheet, rng)]
        mother = island.candidates[first]
        second = bench.toolbox.attract(results, first, rng)
        father = None if second is None else island.candidates[second]
        nursery = Nursery(
            bench.pool,
            run.config.operators,
            bench.base.linear_shapes,
            run.ancestor,
            bench.find(bench.skills[niche]),
        )
        genes = None
        try:
            genes = _made(bench, nursery, operator, mother, father, rng)
        except (GenomeError, OperatorError) as error:
            bench.observe(Discarded(run.generation, run.n_born, operator, str(error)))
        if genes is None:  # nothing to work on yet: study instead
            operator = _study_instead(island.operators.names)
            genes = _made(bench, nursery, operator, mother, father, rng)
            if genes is None:
                continue
        children.append(Child(_newborn(run, genes, operator, niche, mother, father), operator))
    return children


def _made(
    bench: Workbench,
    nursery: Nursery,
    operator: str,
    mother: Candidate,
    father: Candidate | None,
    rng: np.random.Generator,
) -> Genes | None:
    """The child's genes before any study; None if this operator cannot make one of these."""
    if operator in CROSSOVERS:
        made: Genes | None = bench.toolbox.mate(nursery, operator, mother, father, rng)
    else:
        made = bench.toolbox.mutate(nursery, operator, mother, rng)
    return made


def _study_instead(names: Sequence[str]) -> str:
    """The longest study allowed; small noise where none is."""
    studies = [name for name in names if name.startswith("memetic-")]
    return max(studies, key=lambda n: int(n.removeprefix("memetic-"))) if studies else "noise"


def choose_mate(
    results: np.ndarray, first: int, rng: np.random.Generator, *, rule: str
) -> int | None:
    """Index of the other parent; None where there is nobody else.

    Args:
        results: Scores on the common items, (n_candidates, n_items).
        rule: One of `CHOICES["selection.mates"]`.
    """
    if len(results) < 2:
        return None
    if rule == "random":
        others = [i for i in range(len(results)) if i != first]
        return others[int(rng.integers(len(others)))]
    pull = parents.attraction(results, first)
    return int(rng.choice(len(pull), p=pull))


def _newborn(
    run: Evolution,
    genes: Genes,
    operator: str,
    niche: int,
    mother: Candidate,
    father: Candidate | None,
) -> Candidate:
    number = run.n_born
    run.n_born += 1
    crossed = father is not None and operator in CROSSOVERS
    parents = (mother.id, father.id) if crossed and father is not None else (mother.id,)
    prior = mother.profile
    if crossed and father is not None:
        prior = (prior + father.profile) / 2
    n = len(run.skills)
    return Candidate(
        number,
        genes,
        parents,
        run.generation,
        operator,
        niche,
        mother.line,
        prior,
        np.zeros(n),
        np.zeros(n),
        mother.species,
    )


def _score_children(
    run: Evolution, bench: Workbench, children: list[Child], sheet: Sheet
) -> list[Child]:
    """Score on the sheet; of those no gradient made, the worse half after a quarter is dropped."""
    if run.config.population.halving and not sheet.own:
        children = _halve(run, bench, children, sheet)
    each = exam_cost(bench, sheet, sheet.groups([c.candidate for c in children]))
    children = children[: bench.budget.left // each] if each else []
    if children:
        bench.toolbox.evaluate(bench, sheet, [c.candidate for c in children])
    for child in children:
        child.tokens += each
    return children


def _halve(run: Evolution, bench: Workbench, children: list[Child], sheet: Sheet) -> list[Child]:
    cheap = [c for c in children if not c.operator.startswith("memetic")]
    part = sheet.items[::HOPELESS_PART]
    if len(cheap) < 4 or not bench.budget.affords(bench.scoring_cost(len(cheap), part)):
        return children
    skills = sheet.skills[::HOPELESS_PART]
    results = bench.scores([c.candidate for c in cheap], part)
    each = bench.scoring_cost(1, part)
    promise = []
    for child, row in zip(cheap, results, strict=True):
        child.tokens += each
        expected = child.candidate.prior[skills]
        promise.append(float((row - expected).mean()))
    order = np.argsort(-np.array(promise), kind="stable")
    hopeless = {cheap[i].candidate.id for i in order[(len(cheap) + 1) // 2 :]}
    for child in cheap:
        if child.candidate.id in hopeless:
            bench.observe(Discarded(run.generation, child.candidate.id, child.operator, "hopeless"))
    return [c for c in children if c.candidate.id not in hopeless]


def _entry(candidate: Candidate) -> Entry:
    """A candidate as the archive sees it."""
    hits, asked = int(candidate.hits.sum()), int(candidate.asked.sum())
    return Entry(str(candidate.id), hits, asked, tuple(candidate.results.tolist()))


def remember(
    run: Evolution, bench: Workbench, island: Island, children: Sequence[Child], sheet: Sheet
) -> None:
    """Offer children to the archive, pay the bandit its gain, tell observers."""
    entries = [_entry(child.candidate) for child in children]
    island.archive, change = island.archive.update(entries, sheet.name)
    for child in children:
        gain = change.gains.get(str(child.candidate.id), 0.0)
        if child.operator in island.operators.names:
            island.operators.credit(child.operator, gain, child.tokens)
        c = child.candidate
        bench.observe(
            Born(run.generation, c.id, c.parents, c.operator, run.skills[c.niche], round(gain, 6))
        )
