"""The run from first to last generation.

    ancestor -> species -> audition -> finished
One call of `advance` is one generation, after which the state can be saved. Nothing in here
knows of files or screens: observers hear events, `academy.evolution.run` saves.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from academy.challenge import Challenge
from academy.errors import RunSettingsError
from academy.evolution import ancestor, cast, generation, society
from academy.evolution.ancestor import coevolves, hear, reserve, router_cost
from academy.evolution.cast import CastMember
from academy.evolution.config import OperatorSection, RunConfig
from academy.evolution.events import GenerationEnded, ScoringFailed
from academy.evolution.sheet import Sheet, draw_sheet, least_cost, unasked
from academy.evolution.state import Candidate, Evolution, Genes, Island
from academy.evolution.workbench import Workbench
from academy.operators.bandit import FixedRates, OperatorBandit, OperatorChoice
from academy.operators.memetic import checked
from academy.operators.noise import random_layer
from academy.species.archive import Archive
from genome.layer import Layer

FOUNDER_SIGMA = 0.02
"""Size of the founders' random updates where there is no ancestor."""
FOUNDER_DOUBT = 4.0
"""Questions' worth that the base's accuracy counts in what is expected of given founders."""
INTRODUCTION = 2
"""Sheets that given founders answer before anything is expected of their children."""


def begin(
    config: RunConfig,
    bench: Workbench,
    given: Layer | None = None,
    founders: Sequence[Layer] = (),
) -> Evolution:
    """A run before its first generation; the base's accuracy is measured and charged.

    Args:
        given: A layer that the common ancestor begins as; it studies on while its share of the
            budget lasts.
        founders: Layers to begin with instead of an ancestor or random ones.
    """
    n = len(bench.skills)
    run = Evolution(config, bench.skills, np.zeros(n), answers=bench.budget.answers)
    run.skill_hits, run.skill_asked = np.zeros(n), np.zeros(n)
    rng = run.rng("base")
    population, unit = config.population, config.run.unit
    items, skills = bench.items("select", population.base_items or population.items, rng)
    n_each, least = _least(config, bench, items, skills)
    if least + reserve(run, bench) > config.run.limit:
        raise RunSettingsError(
            f"run.{unit} is {config.run.limit}: asking {population.size} candidates "
            f"{n_each} questions, once, and keeping the audition's share takes "
            f"{least + reserve(run, bench)} {'token-equivalents' if unit == 'tokens' else unit}: "
            "raise it, or lower population.size or population.items"
        )
    results = bench.evaluator.scores([bench.bare()], items)[0]
    run.failures = _failures(bench)
    run.base_accuracy = _by_skill(skills, results, n)
    run.reference = run.base_accuracy
    run.study_from = bench.budget.spent
    if given is not None:
        run.ancestor = bench.pool.add(given)
    if founders or config.ancestor.share == 0:
        _found(run, bench, founders)
    return run


def _least(
    config: RunConfig, bench: Workbench, items: Sequence[Challenge], skills: np.ndarray
) -> tuple[int, int]:
    """Questions that every founder is asked, and what the shortest run costs but its audition."""
    n = config.population.size * config.islands.count
    if not config.population.own:
        return len(items), bench.scoring_cost(1, items) * (n + 4)
    firsts = [items[i] for i in np.unique(skills, return_index=True)[1]]
    child = items[: config.population.items * len(bench.skills)]
    return len(firsts), bench.scoring_cost(n, firsts) + bench.scoring_cost(1, child)


def advance(run: Evolution, bench: Workbench) -> list[CastMember]:
    """One generation; returns the cast once the run is finished, nothing before."""
    run.generation += 1
    failures = _failures(bench)
    members: list[CastMember] = []
    if run.phase == "ancestor":
        if ancestor.advance_ancestor(run, bench):
            _found(run, bench)
        elif (cause := checked(bench.pool.get(run.ancestor)).cause) != "":
            raise RunSettingsError(
                f"the ancestor's training diverged ({cause}): lower ancestor.learning_rate"
            )
    elif run.phase == "species":
        if not _live(run, bench):
            run.phase = "audition"
    elif run.phase == "audition":
        members = cast.audition(run, bench, router_cost(run, bench))
        run.phase = "finished"
    failed = _failures(bench) - failures
    run.failures += failed
    if failed:
        bench.observe(ScoringFailed(run.generation, failed, _last_cause(bench)))
    bench.forget_scores()
    run.answers = bench.budget.answers
    _announce(run, bench)
    return members


def _live(run: Evolution, bench: Workbench) -> bool:
    """One generation of all islands; False if the budget does not allow another."""
    whole = bench.budget.limit
    bench.budget.limit -= reserve(run, bench)
    try:
        sheets = [draw_sheet(run, bench, i) for i in range(len(run.islands))]
        cost = sum(
            least_cost(bench, sheet, island.candidates)
            for island, sheet in zip(run.islands, sheets, strict=True)
        )
        if not bench.budget.affords(cost):
            return False
        for number, (island, sheet) in enumerate(zip(run.islands, sheets, strict=True)):
            _live_on(run, bench, number, island, sheet)
        if coevolves(run):
            best = max(run.population, key=lambda c: (float(c.profile.mean()), -c.id))
            n = len(bench.skills) * run.config.population.items
            hear(run, bench, n, best.genes.genome(bench.pool))
        bench.toolbox.migrate(run, bench)
        society.speciate(run, bench)
        known = society.profiles(run.population).max(0)
        run.skill_hits, run.skill_asked = known * 16, np.full(len(known), 16.0)
        return True
    finally:
        bench.budget.limit = whole


def _live_on(run: Evolution, bench: Workbench, number: int, island: Island, sheet: Sheet) -> None:
    bench.toolbox.evaluate(bench, sheet, unasked(sheet, island.candidates))
    generation.refresh_archive(island, sheet)
    children = generation.breed(run, bench, number, sheet)
    for child in children:
        society.record_birth(run, child.candidate)
    generation.remember(run, bench, island, children, sheet)
    island.candidates = [*island.candidates, *(child.candidate for child in children)]
    society.survive(run, bench, number)


def _found(run: Evolution, bench: Workbench, given: Sequence[Layer] = ()) -> None:
    """The first candidates: the ancestor itself, or random variations of the base."""
    config = run.config
    run.phase = "species"
    run.moments = None
    if run.ancestor:
        known = (run.skill_hits + run.base_accuracy) / (run.skill_asked + 1)
        run.reference = known
    for number in range(config.islands.count):
        if given:
            founders = [Genes((bench.pool.add(layer),), (1.0,)) for layer in given]
        elif run.ancestor:
            founders = [Genes((run.ancestor,), (1.0,))]
        else:
            founders = [
                _random_founder(run, bench, number * config.population.size + i)
                for i in range(config.population.size)
            ]
        archive = Archive(config.selection.archive)
        island = Island([], archive, _operators(config, number))
        for genes in founders:
            candidate = _founder(run, genes)
            island.candidates.append(candidate)
            society.record_birth(run, candidate)
        run.islands.append(island)
        if given:
            _introduce(run, bench, island.candidates)
        if given or run.ancestor:
            run.founders += island.candidates


def _introduce(run: Evolution, bench: Workbench, founders: Sequence[Candidate]) -> None:
    """Ask founders that come from elsewhere, so that what they know is not taken for luck.

    A child expects what its mother has shown; a founder that expected the base's accuracy would
    look worse than its own children for as long as the expectation weighs.
    """
    n = INTRODUCTION * run.config.population.items
    items, skills = bench.items("select", n, run.rng("introduce", founders[0].id))
    if not bench.budget.affords(2 * bench.scoring_cost(len(founders), items)):
        return
    for candidate, results in zip(founders, bench.scores(founders, items), strict=True):
        shown = _by_skill(skills, results, len(run.skills))
        candidate.prior = (candidate.prior * FOUNDER_DOUBT + shown * n) / (FOUNDER_DOUBT + n)


def _founder(run: Evolution, genes: Genes) -> Candidate:
    n = len(run.skills)
    number = run.n_born
    run.n_born += 1
    return Candidate(
        number,
        genes,
        (),
        max(run.generation, 0),
        "founder",
        -1,
        number,
        run.reference.copy(),
        np.zeros(n),
        np.zeros(n),
    )


def _random_founder(run: Evolution, bench: Workbench, number: int) -> Genes:
    rng = run.rng("founder", number)
    layer = random_layer(
        bench.base.fingerprint,
        bench.base.linear_shapes,
        run.config.operators.rank,
        FOUNDER_SIGMA,
        rng,
    )
    return Genes((bench.pool.add(layer),), (1.0,))


def _operators(config: RunConfig, number: int) -> OperatorChoice:
    settings: OperatorSection = config.operators
    names = config.islands.operators_of(number) or settings.names
    if settings.rates:
        return FixedRates(settings.rates)
    return OperatorBandit(names, decay=0.98)


def _failures(bench: Workbench) -> int:
    return int(getattr(bench.evaluator, "failures", 0))


def _last_cause(bench: Workbench) -> str:
    causes = list(getattr(getattr(bench.evaluator, "failed", None), "causes", []))
    return str(causes[-1]) if causes else "not recorded"


def _by_skill(skills: np.ndarray, results: np.ndarray, n: int) -> np.ndarray:
    asked = np.bincount(skills, minlength=n)
    return np.asarray(np.bincount(skills, weights=results, minlength=n) / np.maximum(asked, 1))


def _announce(run: Evolution, bench: Workbench) -> None:
    everyone = run.population
    best = society.profiles(everyone).max(0) if everyone else _ancestor_profile(run)
    bench.observe(
        GenerationEnded(
            run.generation,
            bench.budget.spent,
            tuple(np.round(best, 4).tolist()),
            len(everyone),
            len(run.taxonomy.species),
        )
    )


def _ancestor_profile(run: Evolution) -> np.ndarray:
    return np.asarray((run.skill_hits + run.base_accuracy) / (run.skill_asked + 1))
