"""What is asked in study: by fixed rule, or by a teacher that grows with the population.

With `teacher = "coevolution"` a `Teacher` keeps p for every (skill, level), asks in proportion to
p(1-p), retires what is solved or hopeless, opens harder levels, and is audited on questions
that nobody is trained or chosen on. The other rules look at skills alone, at the source's
standard level.
"""

from __future__ import annotations

import numpy as np

from academy.challenge import Challenge
from academy.evolution.events import AuditTaken
from academy.evolution.state import Evolution
from academy.evolution.workbench import Workbench
from academy.sources.teacher import Teacher
from genome.genome import Genome


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
