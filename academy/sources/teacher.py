"""A teacher that asks what the population is just learning, and a frozen audit of the teacher.

Learning is fastest where success is a coin toss, so questions are asked in proportion to
p(1 - p), the variance of success (the "learnability" of Rutherford et al. 2024, after Florensa
et al. 2018). What is solved or hopeless retires and is probed again now and then; a skill's
next level opens when its highest so far is passed.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from academy.challenge import Challenge, Split
from academy.sources.arms import Arm
from academy.sources.audit import Audit, Key
from academy.sources.errors import SourceError, TeacherStateError, TooFewQuestionsError
from academy.sources.source import ChallengeSource, levels_of

STATE_VERSION = 1


@dataclass(frozen=True, slots=True)
class TeacherPlan:
    """How a teacher teaches."""

    explore: float = 0.02
    """Least weight of an active arm; the greatest is p(1 - p) = 0.25."""
    probe: float = 0.002
    """Weight of a retired arm: it is asked again now and then."""
    solved: float = 0.95
    """An arm retires as solved when p is surely above (95 % Wilson bound)."""
    hopeless: float = 0.02
    """An arm retires as impossible when p is surely below..."""
    least_tries: int = 200
    """...after so many attempts."""
    passed: float = 0.7
    """A skill's next level opens when p at its highest is surely above."""
    memory: float = 0.9
    """Discount of what is known of an arm whenever it is asked, for the population changes."""
    audit_each: int = 4
    """Audit questions per skill and level."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """Questions to ask, each with the place of its arm in the teacher's table."""

    challenges: list[Challenge]
    arms: list[int]


class Teacher:
    """Chooses what to ask; its whole state is plain JSON."""

    def __init__(
        self, source: ChallengeSource, rng: np.random.Generator, plan: TeacherPlan | None = None
    ) -> None:
        """Begin with the lowest level of every skill, and draw the audit set, once."""
        self.source = source
        self.plan = plan or TeacherPlan()
        self._levels = levels_of(source)
        self.arms = [Arm(skill, self._levels[0]) for skill in source.skills]
        self.audit = self._drawn_audit(rng)
        """Never taught, never selected on."""

    def sample(
        self,
        n: int,
        rng: np.random.Generator,
        *,
        split: Split = "train",
        exclude: Collection[str] = (),
    ) -> Lesson:
        """`n` different questions, arms in proportion to p(1 - p); fewer if the source runs dry.

        Raises:
            SourceError: The split is not one to learn from.
        """
        if split not in ("train", "select"):
            raise SourceError(f"a teacher asks from train or select, never from {split!r}")
        weights, taken, lesson = self.weights(), set(exclude), Lesson([], [])
        while (missing := n - len(lesson.arms)) > 0 and weights.any():
            counts = rng.multinomial(missing, weights / weights.sum())
            for i in np.flatnonzero(counts).tolist():
                drawn = self._draw(self.arms[i], split, int(counts[i]), rng, taken)
                if len(drawn) < counts[i]:
                    weights[i] = 0.0  # this arm has no more
                taken.update(c.id for c in drawn)
                lesson.challenges.extend(drawn)
                lesson.arms.extend([i] * len(drawn))
        return lesson

    def weights(self) -> np.ndarray:
        """What each arm is asked in proportion to, (n_arms,)."""
        plan = self.plan
        return np.array(
            [
                plan.probe if self.retired(arm) else max(plan.explore, arm.p * (1 - arm.p))
                for arm in self.arms
            ]
        )

    def retired(self, arm: Arm) -> str:
        """`solved`, `impossible`, or nothing for an arm that is being taught."""
        low, high = arm.bounds
        if low > self.plan.solved:
            return "solved"
        if arm.total >= self.plan.least_tries and high < self.plan.hopeless:
            return "impossible"
        return ""

    def record(self, lesson: Lesson, scores: np.ndarray) -> None:
        """Take in how the population did; open levels that are due.

        Args:
            scores: Of every genome on every question, (n_genomes, n_challenges) in [0, 1].

        Raises:
            SourceError: The scores do not belong to the lesson.
        """
        values = np.nan_to_num(np.asarray(scores, dtype=float)).clip(0, 1)
        if values.ndim != 2 or values.shape[1] != len(lesson.arms):
            raise SourceError(
                f"scores of shape {values.shape} do not belong to a lesson of "
                f"{len(lesson.arms)} questions: give (n_genomes, n_challenges)"
            )
        places = np.array(lesson.arms, dtype=int)
        for i in dict.fromkeys(lesson.arms):
            part = values[:, places == i]
            self.arms[i] = self.arms[i].after(float(part.sum()), part.size, self.plan.memory)
        self._open_levels()

    def record_audit(self, scores: np.ndarray) -> float:
        """Take in scores on `audit.challenges`, (n_genomes, n_audit); their mean.

        Raises:
            SourceError: The scores do not belong to the audit set.
        """
        known: dict[Key, float] = {(a.skill, a.level): a.p for a in self.arms if a.total}
        return self.audit.record(scores, known)

    def drift(self) -> float:
        """Audit accuracy's growth less the estimates'; negative = the teacher flatters."""
        return self.audit.drift()

    def state(self) -> dict[str, Any]:
        """Everything there is to know, as plain JSON."""
        return {
            "version": STATE_VERSION,
            "source": self.source.name,
            "plan": asdict(self.plan),
            "arms": [arm.state() for arm in self.arms],
            "audit": self.audit.state(),
        }

    @classmethod
    def restore(cls, source: ChallengeSource, state: dict[str, Any]) -> Teacher:
        """The teacher that `state` was taken of.

        Raises:
            TeacherStateError: It is damaged, or belongs to another source.
        """
        teacher = cls.__new__(cls)
        teacher.source, teacher._levels = source, levels_of(source)
        try:
            if state["version"] != STATE_VERSION or state["source"] != source.name:
                raise ValueError(f"version {state['version']} of {state['source']!r}")
            teacher.plan = TeacherPlan(**state["plan"])
            teacher.arms = [Arm.restored(arm) for arm in state["arms"]]
            teacher.audit = Audit.restored(state["audit"])
            if {arm.skill for arm in teacher.arms} != set(source.skills):
                raise ValueError("other skills")
            if not {arm.level for arm in teacher.arms} <= set(teacher._levels):
                raise ValueError("other levels")
        except (KeyError, TypeError, ValueError) as error:
            raise TeacherStateError(
                f"the stored teacher does not fit {source.name!r} ({error}): start a new one"
            ) from None
        return teacher

    def _open_levels(self) -> None:
        """The level after a skill's highest, once that is passed."""
        highest = {arm.skill: arm for arm in self.arms}
        for skill, arm in highest.items():
            place = self._levels.index(arm.level)
            if place + 1 < len(self._levels) and arm.bounds[0] > self.plan.passed:
                self.arms.append(Arm(skill, self._levels[place + 1]))

    def _draw(
        self, arm: Arm, split: Split, n: int, rng: np.random.Generator, taken: Collection[str]
    ) -> list[Challenge]:
        """Fewer than asked, or none, where a finite source has no more."""
        try:
            return self.source.draw(arm.skill, split, n, rng, level=arm.level, exclude=taken)
        except TooFewQuestionsError:
            return []

    def _drawn_audit(self, rng: np.random.Generator) -> Audit:
        drawn: list[Challenge] = []
        keys: list[Key] = []
        taken: set[str] = set()
        for arm in [Arm(skill, level) for skill in self.source.skills for level in self._levels]:
            some = self._draw(arm, "audit", self.plan.audit_each, rng, taken)
            taken.update(c.id for c in some)
            drawn += some
            keys += [(arm.skill, arm.level)] * len(some)
        return Audit(tuple(drawn), tuple(keys))
