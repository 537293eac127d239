"""The Academy's loop: challenge, score, select, cross, mutate, classify, until the budget is spent.

One generation:
    parents  <- toolbox.select                   (each customer goes to the best at its skill)
    child    <- copy, or exact merge with a mate (toolbox.mate)
    child    <- attempts train questions, studies them (toolbox.mutate; gradient steps)
    newborns <- examined on select questions     (toolbox.evaluate)
    survivors by shared demand, species read off afterwards.
Every attempt and every exam question is one scored interaction of the budget. All randomness
comes from (seed, purpose, number), so a resumed run draws what the uninterrupted one would.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from deap import base as deap_base
from deap import tools

from academy.apprenticeship.apprentice import Apprentice
from academy.apprenticeship.config import ApprenticeshipConfig
from academy.apprenticeship.crossover import choose_mate, merge_crossover
from academy.apprenticeship.mutation import asked_shares, draw_attempts, study_rows
from academy.apprenticeship.selection import (
    draw_customers,
    select_parents,
    select_survivors,
)
from academy.apprenticeship.species import Extinction, Taxonomy, classify
from academy.challenge import Challenge, prompts_and_answers
from academy.evaluator import LocalEvaluator
from academy.operators.noise import random_layer
from academy.skills import SKILL_NAMES, SKILLS, skill_index, unique_questions
from academy.training import StudyPlan, train_litter
from genome.base_model import BaseModel
from genome.genome import Genome

N_SKILLS = len(SKILLS)
EVEN_DEMAND = np.full(N_SKILLS, 1 / N_SKILLS)
LITTER = 10
"""Children trained in one backward pass."""

Tick = Callable[[str, int, int], None]
"""Progress inside a generation: what is being done, how much of it, of how much."""


def _no_tick(_what: str, _done: int, _total: int) -> None:
    pass


@dataclass
class Apprenticeship:
    """One run in progress: everything that has to be saved to go on with it later."""

    config: ApprenticeshipConfig
    seed: int
    base_accuracy: np.ndarray
    """The base's accuracy per skill on select questions, (n_skills,)."""
    population: list[Apprentice] = field(default_factory=list)
    taxonomy: Taxonomy = field(default_factory=Taxonomy)
    generation: int = -1
    interactions: int = 0
    n_born: int = 0
    extinctions: list[Extinction] = field(default_factory=list)

    @property
    def left(self) -> int:
        """Scored interactions that remain."""
        return self.config.interactions - self.interactions

    def rng(self, purpose: str, number: int = 0) -> np.random.Generator:
        """The generator for one purpose; independent of everything drawn before."""
        tag = int.from_bytes(purpose.encode()[:8].ljust(8, b"\0"), "big")
        return np.random.default_rng([self.seed, tag, number])


@dataclass(frozen=True)
class Generation:
    """What one generation came to: the record that is written and shown."""

    number: int
    interactions: int
    births: int
    deaths: int
    crossovers: int
    attempt_accuracy: float
    """Mean score of the children's attempts, before they studied them."""
    extinctions: list[Extinction]


class Workshop:
    """Evolves populations on one base model with one evaluator."""

    def __init__(self, base: BaseModel, evaluator: LocalEvaluator, tick: Tick = _no_tick) -> None:
        self.base = base
        self.evaluator = evaluator
        self.tick = tick

    # -- starting and finishing ------------------------------------------------------------

    def found(self, config: ApprenticeshipConfig, seed: int) -> tuple[Apprenticeship, Generation]:
        """Generation 0: random variations of one helper, each examined once per skill."""
        config.check()
        run = Apprenticeship(config, seed, np.zeros(N_SKILLS))
        run.base_accuracy = self._measure_base(run)
        shapes = self.base.linear_shapes
        for number in range(config.personas):
            layer = random_layer(
                self.base.fingerprint, shapes, config.rank, config.sigma, run.rng("founder", number)
            )
            run.population.append(
                Apprentice(number, number, (), 0, "founder", layer, run.base_accuracy.copy())
            )
        run.n_born = config.personas
        run.generation = 0
        self._examine(run, run.population)
        extinctions = classify(run.population, run.taxonomy, run.base_accuracy, 0)
        return run, Generation(0, run.interactions, config.personas, 0, 0, 0.0, extinctions)

    def finished(self, run: Apprenticeship) -> bool:
        """Whether the budget is spent to the last interaction."""
        return run.left <= 0

    def advance(self, run: Apprenticeship) -> Generation:
        """Run one more generation in place; the last one auditions champions with what is left."""
        run.generation += 1
        config = run.config
        spare = run.left - config.audition
        births = min(config.births, spare // config.birth_cost)
        if births < 1:
            return self._audition(run)
        toolbox = self.toolbox(run)
        children, crossovers, accuracy = self._breed(run, toolbox, births)
        toolbox.evaluate(children)
        before = len(run.population)
        run.population = toolbox.survive(run.population + children)
        extinctions = classify(run.population, run.taxonomy, run.base_accuracy, run.generation)
        run.extinctions += extinctions
        deaths = before + births - len(run.population)
        return Generation(
            run.generation, run.interactions, births, deaths, crossovers, accuracy, extinctions
        )

    def toolbox(self, run: Apprenticeship) -> deap_base.Toolbox:
        """The run's operators by their DEAP names; random search swaps two of them."""
        config = run.config
        toolbox = deap_base.Toolbox()
        toolbox.register("mate", merge_crossover, rng=run.rng("cross", run.generation))
        toolbox.register("mutate", self._study, run)
        toolbox.register("evaluate", self._examine, run)
        if config.selection == "random":
            survive_rng = run.rng("survive", run.generation)
            toolbox.register("select", _select_random)
            toolbox.register("survive", _survive_random, capacity=config.personas, rng=survive_rng)
        else:
            toolbox.register("select", select_parents)
            toolbox.register(
                "survive", select_survivors, capacity=config.personas, demand=EVEN_DEMAND
            )
        return toolbox

    # -- steps of a generation -------------------------------------------------------------

    def _breed(
        self, run: Apprenticeship, toolbox: deap_base.Toolbox, births: int
    ) -> tuple[list[Apprentice], int, float]:
        rng = run.rng("breed", run.generation)
        customers = draw_customers(births, EVEN_DEMAND, rng)
        with _seeded_global_random(run.seed, run.generation):
            parents = toolbox.select(run.population, customers)
        children = [self._conceive(run, toolbox, parent, rng) for parent in parents]
        for child, customer in zip(children, customers, strict=True):
            child.customer = customer
        accuracy = toolbox.mutate(children)
        return children, sum(c.operator == "crossover" for c in children), accuracy

    def _conceive(
        self,
        run: Apprenticeship,
        toolbox: deap_base.Toolbox,
        mother: Apprentice,
        rng: np.random.Generator,
    ) -> Apprentice:
        """A copy of the mother, or her exact mix with a mate of her species; not yet studied."""
        number = run.n_born
        run.n_born += 1
        cross = rng.random() < run.config.crossover_rate
        father = choose_mate(mother, run.population, rng=rng) if cross else None
        if father is None:
            return Apprentice(
                number, mother.line, (mother.id,), run.generation, "mutation", mother.layer,
                mother.profile, mother.notebook, species=mother.species,
            )  # fmt: skip
        layer, w = toolbox.mate(mother, father)
        notes = {c.id: c for c in (*father.notebook, *mother.notebook)}
        return Apprentice(
            number, mother.line, (mother.id, father.id), run.generation, "crossover", layer,
            w * mother.profile + (1 - w) * father.profile, tuple(notes.values()),
            species=mother.species,
        )  # fmt: skip

    def _study(self, run: Apprenticeship, children: Sequence[Apprentice]) -> float:
        """Memetic mutation of all children in place; returns the accuracy of their attempts."""
        config = run.config
        plan = StudyPlan(config.steps, config.rows_per_step, config.learning_rate)
        shares = [asked_shares(child.customer) for child in children]
        generators = [run.rng("child", child.id) for child in children]
        attempts = [
            draw_attempts(share, config.attempts, child.notebook, rng)
            for child, share, rng in zip(children, shares, generators, strict=True)
        ]
        scores = self.evaluator.scores_each([c.genome for c in children], attempts)
        run.interactions += scores.size
        alive = {candidate.id: candidate for candidate in run.population}
        for child, tried, hits in zip(children, attempts, scores, strict=True):
            skills = np.array([SKILL_NAMES.index(c.skill) for c in tried])
            child.expect(skills, hits)
            if child.operator == "mutation":  # until it has studied, it is its mother
                alive[child.parents[0]].record(skills, hits)
            child.forget(run.base_accuracy)
        for start in range(0, len(children), LITTER):
            self.tick("study", start, len(children))
            part = slice(start, start + LITTER)
            studies = []
            for child, share, rng, tried in zip(
                children[part], shares[part], generators[part], attempts[part], strict=True
            ):
                child.notebook = (*child.notebook, *tried)[-config.notebook :]
                chosen = study_rows(child.notebook, share, plan.n_rows, rng)
                studied = [child.notebook[i] for i in chosen]
                studies.append(self.base.rows(*prompts_and_answers(studied)))
            layers = [child.layer for child in children[part]]
            trained = train_litter(self.base, layers, studies, plan, self.evaluator.tokens)
            for child, layer in zip(children[part], trained, strict=True):
                child.layer = layer
        return float(scores.mean())

    def _examine(self, run: Apprenticeship, candidates: Sequence[Apprentice]) -> None:
        """Common select questions: founders one per skill, children mostly of their own kind."""
        self.tick("exam", 0, len(candidates))
        config = run.config
        rng = run.rng("exam", run.generation)
        pool = [unique_questions(s, "select", 1 + config.niche_questions, rng) for s in SKILLS]
        sheets, indexes = [], []
        for candidate in candidates:
            counts = np.ones(N_SKILLS, dtype=int)
            if candidate.customer >= 0:
                others = [k for k in range(N_SKILLS) if k != candidate.customer]
                asked = run.rng("sheet", candidate.id).permutation(others)
                counts[asked[config.other_questions :]] = 0
                counts[candidate.customer] = config.niche_questions
            sheets.append([c for k in range(N_SKILLS) for c in pool[k][: counts[k]]])
            indexes.append(np.repeat(np.arange(N_SKILLS), counts))
        self._score(run, candidates, sheets, indexes)

    def _score(
        self,
        run: Apprenticeship,
        candidates: Sequence[Apprentice],
        sheets: Sequence[Sequence[Challenge]],
        indexes: Sequence[np.ndarray],
    ) -> None:
        scores = self.evaluator.scores_each([c.genome for c in candidates], sheets)
        run.interactions += scores.size
        for candidate, skills, hits in zip(candidates, indexes, scores, strict=True):
            candidate.record(skills, hits)

    def _audition(self, run: Apprenticeship) -> Generation:
        """Spend what is left on fresh niche questions for the best few of every species.

        The best of many noisy estimates is partly luck; a re-test on new select questions
        decides who becomes champion.
        """
        finalists = [
            candidate
            for species in run.taxonomy.living
            for candidate in _best(run.population, species.id, species.niche, 3)
        ]
        niche_of = {s.id: skill_index(s.niche) for s in run.taxonomy.living}
        rng = run.rng("audition", run.generation)
        while run.left > 0:
            n_each = max(1, run.left // len(finalists))
            chosen = finalists[: run.left // n_each]
            sheets, indexes = [], []
            pool = [unique_questions(skill, "select", n_each, rng) for skill in SKILLS]
            for candidate in chosen:
                niche = niche_of[candidate.species]
                skills = np.arange(n_each) % N_SKILLS if niche is None else np.full(n_each, niche)
                sheets.append([pool[k][i] for i, k in enumerate(skills)])
                indexes.append(skills)
            self._score(run, chosen, sheets, indexes)
        extinctions = classify(run.population, run.taxonomy, run.base_accuracy, run.generation)
        run.extinctions += extinctions
        return Generation(run.generation, run.interactions, 0, 0, 0, 0.0, extinctions)

    def _measure_base(self, run: Apprenticeship) -> np.ndarray:
        rng = run.rng("base")
        n = run.config.base_questions
        sheet = [c for skill in SKILLS for c in unique_questions(skill, "select", n, rng)]
        scores = self.evaluator.scores([Genome(self.base.fingerprint)], sheet)
        return np.asarray(scores.reshape(N_SKILLS, n).mean(1))


def _best(
    population: Sequence[Apprentice], species: int, niche: str | None, n: int
) -> list[Apprentice]:
    index = skill_index(niche)
    members = [c for c in population if c.species == species]
    members.sort(
        key=lambda c: (-float(c.profile.mean() if index is None else c.profile[index]), c.id)
    )
    return members[:n]


def _select_random(population: Sequence[Apprentice], customers: Sequence[int]) -> list[Apprentice]:
    chosen: list[Apprentice] = tools.selRandom(population, len(customers))
    return chosen


def _survive_random(
    population: Sequence[Apprentice], *, capacity: int, rng: np.random.Generator
) -> list[Apprentice]:
    kept = rng.permutation(len(population))[:capacity]
    return [population[i] for i in sorted(kept)]


class _seeded_global_random:  # noqa: N801 - reads as a context manager
    """DEAP draws from Python's global `random`: seed it for one call, then put it back."""

    def __init__(self, seed: int, generation: int) -> None:
        self.key = f"{seed}/{generation}"

    def __enter__(self) -> None:
        self.saved = random.getstate()
        random.seed(self.key)

    def __exit__(self, *_: object) -> None:
        random.setstate(self.saved)
