"""Radiation, first part: a common ancestor learns all skills together before species part.

Isolated specialists lose what skills teach each other; a jointly trained ancestor keeps it, and
species stacked on it late win where niches differ. Questions follow the teacher-student
rule p(1-p): what is solved or hopeless is asked little. The ancestor is trained in stretches
with the rate falling linearly over all of them, so that every stretch is a generation that can
be saved.

What a run keeps back for its end: audition, the router's sample, the routing genes.

What is asked in study: by fixed rule, or by a teacher that grows with the population.

With `teacher = "coevolution"` a `Teacher` keeps p for every (skill, level), asks in proportion to
p(1-p), retires what is solved or hopeless, opens harder levels, and is audited on questions
that nobody is trained or chosen on. The other rules look at skills alone, at the source's
standard level.
"""

from __future__ import annotations

import numpy as np

from academy.challenge import Challenge, prompts_and_answers
from academy.errors import EmptyChallengesError
from academy.evolution.cast import SAMPLE
from academy.evolution.events import AncestorTrained, AuditTaken
from academy.evolution.state import Candidate, Evolution, Genes
from academy.evolution.workbench import TRAINED, Workbench, width
from academy.operators.noise import random_layer
from academy.sources.teacher import Teacher
from academy.training import Moments, StudyPlan
from genome.genome import Genome
from genome.layer import Layer

STRETCH = 24
"""Steps between two looks at what is learned: a look costs two hundredths of a stretch."""
FADING = 0.5
"""What is left of older counts after every look."""
HOPE = 0.25
"""What a skill at 0 counts as under `balanced`: it may move yet."""
FLOOR = 0.03
"""Least sampling weight of a skill before scaling: a solved one is still seen now and then."""


def teacher_weights(run: Evolution, bench: Workbench) -> np.ndarray:
    """How often each skill is asked, (n_skills,), summing to 1: demand x learnability."""
    p = (run.skill_hits + 1) / (run.skill_asked + 2)
    rule = run.config.ancestor.teacher
    if rule in ("learnable", "coevolution"):
        weight = np.maximum(p * (1 - p), FLOOR)
    elif rule == "hard":
        weight = np.maximum(1 - p, FLOOR)
    elif rule == "balanced":
        weight = np.maximum((1 - p) * (p + HOPE), FLOOR)
    else:
        weight = np.ones(len(p))
    weight = weight * bench.demand.shares
    return np.asarray(weight / weight.sum())


def look(run: Evolution, item_skills: np.ndarray, results: np.ndarray) -> None:
    """Move the fading estimate of what can be done per skill."""
    n = len(run.skills)
    asked = np.bincount(item_skills, minlength=n)
    hits = np.bincount(item_skills, weights=results, minlength=n)
    run.skill_hits = run.skill_hits * FADING + hits
    run.skill_asked = run.skill_asked * FADING + asked


def advance_ancestor(run: Evolution, bench: Workbench) -> bool:
    """One stretch; returns whether the ancestor's share of the budget is spent."""
    settings = run.config.ancestor
    limit = min(int(settings.share * bench.budget.limit), bench.budget.limit - reserve(run, bench))
    rng = run.rng("ancestor", run.generation)
    if not run.ancestor:
        layer = random_layer(
            bench.base.fingerprint, bench.base.linear_shapes, settings.rank, 0.0, rng
        )
        run.ancestor = bench.pool.add(layer)
    items, item_skills = bench.items("select", run.config.population.items, rng)
    if bench.budget.spent + bench.scoring_cost(1, items) > limit:
        return True
    results = bench.scores([_alone(run)], items)[0]
    look(run, item_skills, results)
    if coevolves(run):
        hear(run, bench, len(items), _alone(run).genes.genome(bench.pool))
    questions = _questions(run, bench, STRETCH * settings.rows, rng)
    per_step = TRAINED * settings.rows * width(bench.base, questions)
    steps = min(STRETCH, (limit - bench.budget.spent) // per_step)
    if steps < 1:
        return True
    whole = limit - run.study_from
    progress = (bench.budget.spent - run.study_from) / whole
    after = min(1.0, progress + steps * per_step / whole)
    plan = StudyPlan(
        steps,
        settings.rows,
        settings.learning_rate * (1 - progress),
        final_rate=settings.learning_rate * (1 - after),
    )
    rows = bench.base.rows(*prompts_and_answers(questions[: plan.n_rows]))
    trained, moments = bench.evaluator.train_on(
        bench.pool.get(run.ancestor), rows, plan, _moments(run, bench)
    )
    run.ancestor = bench.pool.add(trained)
    run.moments = bench.pool.add(moments.mean), bench.pool.add(moments.square), moments.steps
    bench.observe(AncestorTrained(run.generation, bench.budget.spent, steps, float(results.mean())))
    return False


def raise_ancestor(run: Evolution, bench: Workbench) -> Layer:
    """All stretches at once, without a run around them: only the ancestor is wanted."""
    run.generation = 0
    while not advance_ancestor(run, bench):
        run.generation += 1
        bench.forget_scores()
    return bench.pool.get(run.ancestor)


def _moments(run: Evolution, bench: Workbench) -> Moments | None:
    if run.moments is None:
        return None
    mean, square, steps = run.moments
    return Moments(bench.pool.get(mean), bench.pool.get(square), steps)


def _alone(run: Evolution) -> Candidate:
    n = len(run.skills)
    return Candidate(
        -1,
        Genes((run.ancestor,), (1.0,)),
        (),
        0,
        "ancestor",
        -1,
        -1,
        np.zeros(n),
        np.zeros(n),
        np.zeros(n),
    )


def _questions(
    run: Evolution, bench: Workbench, n: int, rng: np.random.Generator
) -> list[Challenge]:
    """Train questions in the teacher's shares, in random order; repeated if the source is small."""
    if coevolves(run):
        return _repeated(lesson_questions(run, bench, n, rng), n, bench, rng)
    shares = teacher_weights(run, bench)
    counts = np.floor(shares * n).astype(int)
    short = np.argsort(-(shares * n - counts), kind="stable")[: n - counts.sum()]
    counts[short] += 1
    drawn: list[Challenge] = []
    for skill, count in zip(bench.skills, counts, strict=True):
        if count:
            drawn += bench.study(skill, int(count), rng)
    return _repeated(drawn, n, bench, rng)


def _repeated(
    drawn: list[Challenge], n: int, bench: Workbench, rng: np.random.Generator
) -> list[Challenge]:
    if not drawn:
        raise EmptyChallengesError(
            f"no question of {bench.source.name} has a written answer to learn from: set "
            "ancestor.share = 0 and name operators that need no study"
        )
    shuffled = [drawn[i] for i in rng.permutation(len(drawn))]
    return [shuffled[i % len(shuffled)] for i in range(n)]


def reserve(run: Evolution, bench: Workbench) -> int:
    """What no earlier phase may touch, in the unit of the budget."""
    return int(run.config.population.audition * run.config.run.limit) + router_cost(run, bench)


def genes_budget(run: Evolution) -> int:
    """What evolving routing genes may take; 0 without them."""
    share = run.config.routing.genes if run.config.routing.enabled else 0.0
    return int(share * run.config.run.tokens)


def router_cost(run: Evolution, bench: Workbench) -> int:
    """About what fitting the router, genes included, takes; 0 without one, or where it is free."""
    if not run.config.routing.enabled or run.config.run.interactions:
        return 0
    rng = run.rng("widths")
    some = [c for skill in bench.skills for c in bench.source.draw(skill, "train", 4, rng)]
    return genes_budget(run) + 2 * SAMPLE * len(bench.skills) * width(bench.base, some)


def coevolves(run: Evolution) -> bool:
    """Whether a teacher chooses the questions."""
    return run.config.ancestor.teacher == "coevolution"


def teacher_of(run: Evolution, bench: Workbench) -> Teacher:
    """The run's teacher, as it was left."""
    if run.teacher is None:
        run.teacher = Teacher(bench.source, run.rng("teacher")).state()
    return Teacher.restore(bench.source, run.teacher)


def hear(run: Evolution, bench: Workbench, n: int, genome: Genome) -> None:
    """Let the teacher see how a genome does on what it would ask, and audit the teacher."""
    teacher = teacher_of(run, bench)
    lesson = teacher.sample(n, run.rng("lesson", run.generation), split="select")
    audit = teacher.audit.challenges
    cost = bench.scoring_cost(1, [*lesson.challenges, *audit])
    if not lesson.challenges or not bench.budget.affords(cost):
        return
    teacher.record(lesson, bench.evaluator.scores([genome], lesson.challenges))
    mean = teacher.record_audit(bench.evaluator.scores([genome], audit))
    run.teacher = teacher.state()
    bench.observe(AuditTaken(run.generation, round(mean, 4), round(teacher.drift(), 4)))


def lesson_questions(
    run: Evolution, bench: Workbench, n: int, rng: np.random.Generator
) -> list[Challenge]:
    """What the teacher sets to be studied; only what has a written answer."""
    lesson = teacher_of(run, bench).sample(n, rng)
    return [challenge for challenge in lesson.challenges if challenge.answer]


def niche_questions(
    run: Evolution, bench: Workbench, skill: str, n: int, rng: np.random.Generator
) -> list[Challenge]:
    """Questions of one skill for a child to study, at the levels its teacher has open."""
    if not coevolves(run):
        return bench.study(skill, n, rng)
    teacher = teacher_of(run, bench)
    weights = teacher.weights()
    mine = [i for i, arm in enumerate(teacher.arms) if arm.skill == skill]
    shares = np.array([weights[i] for i in mine]) / sum(weights[i] for i in mine)
    drawn: list[Challenge] = []
    for i, count in zip(mine, rng.multinomial(n, shares).tolist(), strict=True):
        if count:
            drawn += bench.study(skill, count, rng, level=teacher.arms[i].level)
    return drawn
